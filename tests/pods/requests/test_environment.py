"""Environments and expansion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.model.pod import set_defaults, with_metadata
from kubeletsim.pods.requests import NodeFacts, RequestError
from kubeletsim.pods.requests.environment import environment, expand, expand_strictly
from tests.fakes.pods import UID, container, make_pod

NODE = NodeFacts(
    name="node", host_ips=("192.0.2.1", "2001:db8::1"), memory_capacity_bytes=1 << 30, cpu_capacity_milli=2000
)


def env(*variables, resources=None, pod_ips=("10.0.0.7", "2001:db8::7"), **spec):
    pod = set_defaults(make_pod(container("app", env=list(variables), resources=resources or {}), **spec))
    return environment(pod, pod.spec.containers[0], pod_ips=pod_ips, node=NODE)


def from_field(path):
    return {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}


def from_resource(resource, divisor="0"):
    return {"name": "A", "valueFrom": {"resourceFieldRef": {"resource": resource, "divisor": divisor}}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$(C)", "$(C)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("100$", "100$"),
    ],
)
def test_references_expand_as_upstreams_do(text, expected):
    assert expand(text, {"A": "1", "B": "2"}) == expected


@given(st.text("abc $()").filter(lambda text: "$$" not in text))
def test_without_values_nothing_but_escapes_changes(text):
    assert expand(text, {}) == text


def test_a_path_may_not_have_a_variable_without_a_value():
    assert expand_strictly("$(A)/x", {"A": "1"}) == "1/x"
    with pytest.raises(RequestError, match="missing value for B, C"):
        expand_strictly("$(C)/$(A)/$(B)", {"A": "1"})


def test_variables_keep_the_specs_order_and_see_earlier_ones_only():
    listed = env(
        {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)$(C)"}, {"name": "C", "value": "3"}, {"name": "D"}
    )

    assert listed == (("A", "1"), ("B", "1$(C)"), ("C", "3"), ("D", ""))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "web"),
        ("metadata.namespace", "default"),
        ("metadata.uid", UID),
        ("metadata.annotations['kubernetes.io/config.source']", "file"),
        ("metadata.labels['absent']", ""),
        ("spec.nodeName", "node"),
        ("spec.serviceAccountName", ""),
        ("status.hostIP", "192.0.2.1"),
        ("status.hostIPs", "192.0.2.1,2001:db8::1"),
        ("status.podIP", "10.0.0.7"),
        ("status.podIPs", "10.0.0.7,2001:db8::7"),
    ],
)
def test_a_field_of_the_pod_becomes_its_value(path, value):
    assert env(from_field(path)) == (("A", value),)


def test_maps_are_written_line_by_line_in_order():
    pod = with_metadata(set_defaults(make_pod()), labels={"b": 'say "x"', "a": "1"})
    pod.spec.containers[0].env = (
        set_defaults(make_pod(container("x", env=[from_field("metadata.labels")]))).spec.containers[0].env
    )

    assert environment(pod, pod.spec.containers[0], pod_ips=(), node=NODE) == (("A", 'a="1"\nb="say \\"x\\""'),)


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", "0", "1"),
        ("limits.cpu", "1m", "500"),
        ("limits.memory", "1Mi", "64"),
        ("requests.memory", "1Ki", "65536"),
        ("requests.ephemeral-storage", "0", "0"),
    ],
)
def test_a_resource_is_given_in_units_of_its_divisor_rounded_up(resource, divisor, value):
    limits = {"limits": {"cpu": "500m", "memory": "64Mi"}}

    assert env(from_resource(resource, divisor), resources=limits) == (("A", value),)


def test_a_limit_that_is_not_set_is_what_the_node_has():
    assert env(from_resource("limits.cpu")) == (("A", "2"),)
    assert env(from_resource("limits.memory", "1Mi")) == (("A", "1024"),)
    assert env(from_resource("requests.cpu")) == (("A", "0"),)


@pytest.mark.parametrize(
    "source",
    [{"configMapKeyRef": {"name": "c", "key": "k"}}, {"secretKeyRef": {"name": "s", "key": "k"}}],
    ids=["config map", "secret"],
)
@pytest.mark.parametrize("optional", [True, False])
def test_what_an_api_server_would_deliver_is_refused_optional_or_not(source, optional):
    ((kind, selector),) = source.items()

    with pytest.raises(RequestError) as caught:
        env({"name": "A", "valueFrom": {kind: {**selector, "optional": optional}}})

    what = {"configMapKeyRef": "configMap default/c", "secretKeyRef": "secret default/s"}[kind]
    assert str(caught.value) == f"couldn't get {what}, no kubeClient defined"


def test_a_whole_config_map_is_refused():
    pod = set_defaults(make_pod(container("app", envFrom=[{"configMapRef": {"name": "c"}}])))

    with pytest.raises(RequestError, match="couldn't get configMap default/c, no kubeClient defined"):
        environment(pod, pod.spec.containers[0], pod_ips=(), node=NODE)
