"""Probes and hooks of real processes: exec probes in the pod's trace, network probes of a loopback address."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.e2e.sleepers import pod, running_containers
from tests.lab import Lab

POD_CIDR = "127.88.0.0/16"
"""Addresses that are the machine's own, so that whatever a test serves on them answers for the pod."""


class Healthy(BaseHTTPRequestHandler):
    """Answers every GET with 200, and remembers nothing."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class names it
        """Say nothing."""


@contextmanager
def serving(address: str, port: int) -> Iterator[None]:
    """Serve HTTP at an address of a pod."""
    with ThreadingHTTPServer((address, port), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


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


def test_a_pod_on_a_loopback_range_is_ready_as_long_as_something_answers_at_its_address(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    lab.start_kubelet(podCIDR=POD_CIDR)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    manifest = pod("web", "a")
    probe = {"httpGet": {"path": "/healthz", "port": port}, "periodSeconds": 1, "failureThreshold": 1}
    manifest["spec"]["containers"][0]["readinessProbe"] = probe
    lab.apply(manifest)
    lab.wait(lambda: lab.phase("web") == "Running", what="it runs")
    address = lab.pod("web")["status"]["podIP"]
    assert address.startswith("127.88.")
    assert not is_ready(lab, "web")

    with serving(address, port):
        lab.wait(lambda: is_ready(lab, "web"), what="it is ready")
    lab.wait(lambda: not is_ready(lab, "web"), what="it is not ready any more")
