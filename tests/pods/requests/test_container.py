"""The request for a container."""

import json
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from kubeletsim.model.pod import set_defaults, with_metadata
from kubeletsim.model.requests import DNSConfig
from kubeletsim.model.runtime import Image, ImageID
from kubeletsim.pods.requests import NodeFacts, container_config, sandbox_config
from kubeletsim.pods.sources.manifest import decode_manifest
from tests.fakes.pods import container, make_pod

GOLDEN = Path(__file__).parents[2] / "golden" / "requests"
NODE = NodeFacts(
    name="Node-1",
    host_ips=("192.0.2.1",),
    cluster_dns=("10.96.0.10",),
    cluster_domain="cluster.local",
    resolv_conf=DNSConfig(servers=("192.0.2.53",)),
    memory_capacity_bytes=4 << 30,
)


def config(pod, restart_count=0):
    return container_config(
        pod,
        pod.spec.containers[0],
        restart_count=restart_count,
        image_ref="sha256:1",
        image=Image(id=ImageID("sha256:1")),
        pod_ips=[],
        node=NODE,
        termination_log_id="0a1b2c3d",
    )


def test_a_container_is_found_again_by_its_labels():
    pod = set_defaults(make_pod(uid="u1"))

    assert config(pod).labels == {
        "io.kubernetes.container.name": "app",
        "io.kubernetes.pod.name": "web",
        "io.kubernetes.pod.namespace": "default",
        "io.kubernetes.pod.uid": "u1",
    }


def test_the_attempt_shows_in_metadata_log_path_and_annotation():
    made = config(set_defaults(make_pod()), restart_count=4)

    assert (made.attempt, made.log_path) == (4, "app/4.log")
    assert made.annotations["io.kubernetes.container.restartCount"] == "4"


def test_the_image_goes_by_its_id_beside_the_specs_text():
    made = config(set_defaults(make_pod(container("app", image="web"))))

    assert (made.image.image, made.image.user_specified_image) == ("sha256:1", "web")


def test_annotations_keep_what_a_stop_needs_to_know():
    ports = [{"containerPort": 80, "name": "http"}, {"containerPort": 53, "hostPort": 53, "protocol": "UDP"}]
    app = container("app", ports=ports, lifecycle={"preStop": {"exec": {"command": ["bye"]}}})
    pod = set_defaults(make_pod(app, hostNetwork=False, terminationGracePeriodSeconds=7))
    made = config(with_metadata(pod, deletionGracePeriodSeconds=3)).annotations

    assert made.pop("io.kubernetes.container.hash") != ""
    assert made == {
        "io.kubernetes.container.restartCount": "0",
        "io.kubernetes.container.terminationMessagePath": "/dev/termination-log",
        "io.kubernetes.container.terminationMessagePolicy": "File",
        "io.kubernetes.container.preStopHandler": '{"exec":{"command":["bye"]}}',
        "io.kubernetes.container.ports": '[{"name":"http","containerPort":80,"protocol":"TCP"},'
        '{"hostPort":53,"containerPort":53,"protocol":"UDP"}]',
        "io.kubernetes.pod.deletionGracePeriod": "3",
        "io.kubernetes.pod.terminationGracePeriod": "7",
    }


def test_a_hook_is_kept_as_go_writes_it():
    get = {"port": 80, "host": "a", "path": "/?b=c&d", "httpHeaders": [{"name": "X", "value": "<y>"}]}
    made = config(set_defaults(make_pod(container("app", lifecycle={"preStop": {"httpGet": get}}))))

    assert made.annotations["io.kubernetes.container.preStopHandler"] == (
        r'{"httpGet":{"path":"/?b=c\u0026d","port":80,"host":"a","scheme":"HTTP",'
        r'"httpHeaders":[{"name":"X","value":"\u003cy\u003e"}]}}'
    )


def test_commands_expand_what_the_environment_has():
    app = container("app", command=["$(TOOL)", "$$(TOOL)"], args=["$(NONE)"], env=[{"name": "TOOL", "value": "sh"}])
    made = config(set_defaults(make_pod(app)))

    assert (made.command, made.args) == (("sh", "$(TOOL)"), ("$(NONE)",))


def test_a_pod_on_the_hosts_network_has_no_address_where_no_api_server_knows_the_node():
    env = [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]
    made = config(set_defaults(make_pod(container("app", env=env), hostNetwork=True)))

    assert made.envs == (("IP", ""),)


def plain(value: Any) -> Any:
    """Return a request as JSON values without what is unset, which is how it looks on the wire."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, dict):
        return {key: plain(child) for key, child in value.items() if child not in (None, "", 0, (), {}, False)}
    if isinstance(value, list | tuple):
        return [plain(child) for child in value]
    return value


@pytest.mark.parametrize("source", sorted(GOLDEN.glob("*.input.yaml")), ids=lambda path: path.name.split(".")[0])
def test_a_manifest_becomes_the_requests_that_the_rules_demand(source):
    """The expected requests were written by hand after the rules; see the README beside them."""
    pod = decode_manifest(source.read_bytes(), node_name="Node-1", source="file", location="/manifests/pod.yaml")
    expected = json.loads(source.with_name(source.name.replace(".input.yaml", ".expected.json")).read_text())
    made = {
        "sandbox": sandbox_config(pod, attempt=0, node=NODE),
        "containers": [
            container_config(
                pod,
                one,
                restart_count=0,
                image_ref=f"sha256:{one.name}",
                image=Image(id=ImageID(f"sha256:{one.name}")),
                pod_ips=[] if pod.spec.hostNetwork else ["10.0.0.7"],
                node=NODE,
                termination_log_id="0a1b2c3d",
            )
            for one in pod.spec.containers
        ],
    }

    shown = {
        "sandbox": plain(asdict(made["sandbox"])),
        "containers": [plain(asdict(one)) for one in made["containers"]],
    }
    assert json.loads(json.dumps(shown)) == expected
