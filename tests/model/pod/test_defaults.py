"""What a manifest leaves out."""

import pytest
from hypothesis import given

from kubeletsim.model.pod import decode_pod, pod_json, set_defaults, validate
from kubeletsim.model.pod.defaults import default_pull_policy
from tests.fakes.pods import container, make_pod
from tests.strategies import manifests


@given(manifests())
def test_defaulting_twice_is_defaulting_once(manifest):
    once = set_defaults(decode_pod(manifest))

    assert set_defaults(once) == once


@given(manifests())
def test_defaulting_leaves_the_given_pod_alone(manifest):
    pod = decode_pod(manifest)
    before = pod_json(pod)
    set_defaults(pod)

    assert pod_json(pod) == before


@given(manifests())
def test_what_a_pod_says_itself_stays(manifest):
    pod = set_defaults(decode_pod(manifest))

    for field in ("restartPolicy", "terminationGracePeriodSeconds"):
        if field in manifest["spec"]:
            assert getattr(pod.spec, field) == manifest["spec"][field]


@given(manifests())
def test_the_generated_manifests_are_valid(manifest):
    """Keeps the strategy honest: the rules above are about pods that a node accepts."""
    manifest["metadata"]["namespace"] = "default"

    assert validate(set_defaults(decode_pod(manifest))) == []


def test_a_bare_pod_gets_the_defaults_of_the_api():
    bare = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "app", "image": "web"}]}}

    assert pod_json(set_defaults(decode_pod(bare)))["spec"] == {
        "containers": [
            {
                "name": "app",
                "image": "web",
                "imagePullPolicy": "Always",
                "resources": {},
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("registry.invalid:5000/web", "Always"),
        ("web:1.27", "IfNotPresent"),
        ("registry.invalid:5000/web:1", "IfNotPresent"),
        (f"web@sha256:{'0' * 64}", "IfNotPresent"),
        ("", "Always"),
    ],
)
def test_the_pull_policy_follows_from_the_tag(image, policy):
    assert default_pull_policy(image) == policy


def test_requests_are_copied_from_limits_but_for_those_given():
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "250m"}}
    pod = set_defaults(make_pod(container("app", resources=resources)))

    assert pod.spec.containers[0].resources.requests == {"cpu": "250m", "memory": "1Gi"}


def test_probes_get_their_timing_and_their_request():
    pod = set_defaults(make_pod(container("app", readinessProbe={"httpGet": {"port": 80}})))

    assert pod_json(pod)["spec"]["containers"][0]["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


@pytest.mark.parametrize(("host_network", "host_port"), [(True, 80), (False, None)])
def test_a_port_is_the_hosts_port_on_the_hosts_network(host_network, host_port):
    pod = set_defaults(make_pod(container("app", ports=[{"containerPort": 80}]), hostNetwork=host_network))
    port = pod.spec.containers[0].ports[0]

    assert (port.hostPort, port.protocol) == (host_port, "TCP")


def test_volumes_get_their_modes_and_a_nameless_source_is_an_empty_directory():
    volumes = [
        {"name": "bare"},
        {"name": "facts", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
        {"name": "host", "hostPath": {"path": "/srv"}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ]
    shown = pod_json(set_defaults(make_pod(volumes=volumes)))["spec"]["volumes"]

    assert shown[0] == {"name": "bare", "emptyDir": {}}
    assert shown[1]["downwardAPI"]["defaultMode"] == 0o644
    assert shown[1]["downwardAPI"]["items"][0]["fieldRef"]["apiVersion"] == "v1"
    assert shown[2]["hostPath"]["type"] == ""
    assert shown[3]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] == 3600


def test_the_pods_own_requests_are_its_containers_or_else_its_limits():
    pod = make_pod(
        container("a", resources={"requests": {"cpu": "100m"}}),
        container("b", resources={"requests": {"cpu": "150m"}}),
        resources={"limits": {"cpu": "1", "memory": "1Gi"}},
    )

    assert set_defaults(pod).spec.resources.requests == {"cpu": "250m", "memory": "1Gi"}


def test_a_bad_quantity_beside_pod_level_limits_is_left_to_validation():
    pod = make_pod(
        container("a", resources={"requests": {"cpu": "lots"}}), resources={"limits": {"cpu": "1", "memory": "1Gi"}}
    )
    faults = validate(set_defaults(pod))

    assert [fault.path for fault in faults] == ["spec.containers[0].resources.requests[cpu]"]
