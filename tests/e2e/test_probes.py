"""Probes and hooks of real processes: exec probes in the trace, network probes answered by emulated containers."""

from collections.abc import Mapping
from typing import Any

import grpc
import yaml

from kubeletsim.pb import cri_pb2
from kubeletsim.pb.cri_pb2_grpc import RuntimeServiceStub
from tests.e2e.sleepers import pod, running_containers
from tests.lab import Lab
from tests.ports import free_port

CATALOGUE = [
    {"name": "db", "serves": [{"port": 15432, "protocol": "tcp", "failsAfterSeconds": 4}]},
    {"name": "api", "serves": [{"port": 15051, "protocol": "grpc", "failsAfterSeconds": 4}]},
]
SITE = "echo ok > /tmp/index.html; exec httpd -f -p 18080 -h /tmp"


def is_ready(lab: Lab, name: str) -> bool:
    statuses = lab.pod(name).get("status", {}).get("containerStatuses", [])
    return bool(statuses) and all(status["ready"] for status in statuses)


def test_exec_probes_and_hooks_are_part_of_the_trace_that_started_the_pod(lab: Lab) -> None:
    lab.start_collector()
    lab.start_stub("--latency", "none", "--otlp-endpoint", f"127.0.0.1:{lab.grpc_port}")
    kubelet = lab.start_kubelet()
    manifest = pod("probed", "a")
    manifest["spec"]["containers"][0] |= {
        "livenessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
        "lifecycle": {
            "postStart": {"exec": {"command": ["echo", "warm"]}},
            "preStop": {"exec": {"command": ["echo", "cool"]}},
        },
    }
    lab.apply(manifest)
    lab.wait(lambda: 'probe_type="Liveness"' in lab.get(lab.read_only_port, "/metrics/probes"), what="it is probed")
    lab.delete("probed")
    lab.wait(lambda: not running_containers(lab), what="it has ended")
    kubelet.stop()

    spans = lab.spans()
    names = {(span.trace_id, span.span_id): span.name for span in spans}
    execs = sorted((s for s in spans if s.name.endswith("/ExecSync") and s.kind == "CLIENT"), key=lambda s: s.start)
    parents = [names.get((span.trace_id, span.parent_id)) for span in execs]
    assert parents[0] == "syncPod"
    assert parents[-1] == "syncTerminatingPod"
    assert set(parents[1:-1]) == {"syncPod"}
    assert len({span.parent_id for span in execs[:-1]}) == 1


def probed(image: str, port: int, handler: Mapping[str, Any], *command: str) -> dict[str, Any]:
    """A container that is ready, and left alive, as long as its probe succeeds."""
    probe = {**handler, "periodSeconds": 1, "failureThreshold": 1}
    container = {"image": image, "ports": [{"containerPort": port}], "readinessProbe": probe, "livenessProbe": probe}
    return {**container, "command": list(command)} if command else container


def restarts(lab: Lab, name: str) -> dict[str, int]:
    statuses = lab.pod(name).get("status", {}).get("containerStatuses", [])
    return {one["name"]: one["restartCount"] for one in statuses}


def execute(lab: Lab, container: str, *command: str) -> None:
    """Run a command in a container, as `crictl exec` does."""
    request = cri_pb2.ExecSyncRequest(container_id=running_containers(lab)[container], cmd=command, timeout=5)
    with grpc.insecure_channel(f"unix://{lab.socket}") as channel:
        assert RuntimeServiceStub(channel).ExecSync(request, timeout=30).exit_code == 0


def test_network_probes_are_answered_by_what_the_containers_run_and_fail_when_it_does(lab: Lab) -> None:
    configuration = {"apiVersion": "kubeletsim/v1alpha1", "kind": "RuntimeStubConfiguration"}
    (lab.root / "stub.yaml").write_text(yaml.safe_dump({**configuration, "images": {"catalogue": CATALOGUE}}))
    lab.start_stub("--latency", "none", "--config", str(lab.root / "stub.yaml"))
    lab.start_kubelet()
    manifest = pod("served")
    manifest["spec"]["containers"] = [
        {"name": "web", **probed("busybox:1.35", 18080, {"httpGet": {"path": "/", "port": 18080}}, "sh", "-c", SITE)},
        {"name": "app", **probed("example.com/app:1", 18081, {"httpGet": {"path": "/healthz", "port": 18081}})},
        {"name": "db", **probed("example.com/db:1", 15432, {"tcpSocket": {"port": 15432}})},
        {"name": "api", **probed("example.com/api:1", 15051, {"grpc": {"port": 15051}})},
    ]
    lab.apply(manifest)
    lab.wait(lambda: is_ready(lab, "served"), what="all are ready")

    execute(lab, f"served-{lab.node}/web", "rm", "/tmp/index.html")
    lab.wait(lambda: restarts(lab, "served")["web"] == 1, what="the one whose page is gone is restarted")
    lab.wait(lambda: all(restarts(lab, "served")[one] for one in ("db", "api")), what="those that fail are restarted")
    assert restarts(lab, "served")["app"] == 0


def test_a_pod_on_the_hosts_network_and_a_host_port_are_reached_by_this_machines_address(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    lab.start_kubelet("--node-ip", "127.0.0.1")
    host_port, port = free_port(), free_port()
    hosted, mapped = pod("hosted"), pod("mapped")
    hosted["spec"]["hostNetwork"] = True
    hosted["spec"]["containers"] = [
        {"name": "a", **probed("example.com/a", port, {"httpGet": {"path": "/", "port": port}})}
    ]
    mapped["spec"]["containers"] = [
        {"name": "a", "image": "example.com/a", "ports": [{"containerPort": 8080, "hostPort": host_port}]}
    ]
    for one in (hosted, mapped):
        lab.apply(one)
    lab.wait(lambda: is_ready(lab, "hosted"), what="the pod on the host's network is ready")
    lab.wait(lambda: "simulated" in lab.get(host_port, "/"), what="the host port answers")
