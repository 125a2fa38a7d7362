"""Names, origins and containers of pods."""

import pytest
from lightkube.models.core_v1 import Container, Pod

from kubeletsim.model.pod import (
    container_field_path,
    container_hash,
    decode_pod,
    describe,
    find_container,
    full_name,
    is_critical,
    is_node_critical,
    is_sidecar,
    is_static,
    termination_grace_seconds,
    with_metadata,
)
from tests.fakes.pods import container, make_pod, sidecar


@pytest.mark.parametrize(
    ("name", "image", "expected"), [("test_container", "foo/image:v1", "8e45cbd0"), ("foo", "bar", "11a6d6d6")]
)
def test_a_containers_hash_equals_upstreams(name, image, expected):
    assert container_hash(Container(name=name, image=image)) == expected


def test_a_containers_hash_knows_its_name_and_image_only():
    plain, changed = Container(name="a", image="i"), Container(name="a", image="i", command=["x"], tty=True)

    assert container_hash(plain) == container_hash(changed)
    assert container_hash(plain) != container_hash(Container(name="a", image="i:2"))


def test_a_pod_is_described_by_name_namespace_and_uid():
    pod = make_pod(name="web", uid="u1")

    assert full_name(pod) == "web_default"
    assert describe(pod) == "web_default(u1)"


def test_a_pod_without_anything_has_empty_names():
    assert describe(Pod()) == "_()"
    assert find_container(Pod(), "app") is None


@pytest.mark.parametrize(("source", "static"), [("file", True), ("http", True), ("api", False), ("", False)])
def test_a_pod_is_static_unless_it_comes_from_the_api_server(source, static):
    assert is_static(make_pod(source=source)) is static


@pytest.mark.parametrize(
    ("source", "priority", "critical"), [("file", 0, True), ("api", 2_000_000_000, True), ("api", 1_999_999_999, False)]
)
def test_static_and_high_priority_pods_are_critical(source, priority, critical):
    assert is_critical(make_pod(source=source, priority=priority)) is critical


def test_a_pod_is_node_critical_by_its_class_only():
    assert is_node_critical(make_pod(priorityClassName="system-node-critical"))
    assert not is_node_critical(make_pod(priorityClassName="system-cluster-critical"))


def test_an_event_points_at_the_container_in_its_list():
    pod = make_pod(container("app"), init=[sidecar("proxy")])

    assert container_field_path(pod, "app") == "spec.containers{app}"
    assert container_field_path(pod, "proxy") == "spec.initContainers{proxy}"
    assert container_field_path(pod, "nobody") == ""
    assert is_sidecar(pod.spec.initContainers[0])
    assert not is_sidecar(pod.spec.containers[0])


def test_a_deletions_grace_period_outranks_the_specs():
    pod = make_pod(terminationGracePeriodSeconds=30)

    assert termination_grace_seconds(pod) == 30
    assert termination_grace_seconds(with_metadata(pod, deletionGracePeriodSeconds=0)) == 0


def test_a_pod_that_says_nothing_of_grace_gets_the_minimum():
    pod = decode_pod({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": []}})

    assert termination_grace_seconds(pod) == 2


def test_replacing_metadata_leaves_the_given_pod_alone():
    pod = make_pod(name="web")
    renamed = with_metadata(pod, name="other")

    assert (pod.metadata.name, renamed.metadata.name) == ("web", "other")
    assert renamed.spec is pod.spec
