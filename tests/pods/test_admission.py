"""The rules of admission: what is rejected, for which reason, in which words; and who goes for a critical pod."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import with_metadata
from kubeletsim.pods.admission import (
    Admission,
    CannotPreempt,
    NodeShape,
    Rejection,
    check_apparmor,
    check_sysctls,
    choose_victims,
)
from kubeletsim.pods.admission import decide as decide_for
from kubeletsim.pods.admission.fit import Shortage, request_of, shortages
from tests.fakes.pods import container, make_pod
from tests.pods.node import ROOMY

SMALL = NodeShape(name="vm", labels=ROOMY.labels, allocatable={"pods": 3, "cpu": 1000, "memory": 1000})


def asking(
    name: str = "web", *, source: str = "api", ports: list[dict[str, Any]] | None = None, **requests: str
) -> Pod:
    resources = {"requests": requests}
    return make_pod(container("app", resources=resources, ports=ports or []), name=name, uid=name, source=source)


def decide(pod: Pod, *others: Pod, node: NodeShape = SMALL) -> Admission:
    return decide_for(pod, others, node=node)


def rejection(pod: Pod, *others: Pod, node: NodeShape = SMALL) -> tuple[str, str] | None:
    found = decide(pod, *others, node=node).rejection
    return (found.reason, found.message) if found is not None else None


def test_a_pod_that_asks_for_nothing_is_taken() -> None:
    assert decide(make_pod()) == Admission()


def test_what_does_not_fit_is_rejected_by_the_first_resource_short_with_the_amounts() -> None:
    assert rejection(asking(cpu="600m"), asking("other", cpu="500m")) == (
        "OutOfcpu",
        "Node didn't have enough resource: cpu, requested: 600, used: 500, capacity: 1000",
    )
    assert rejection(asking(memory="1001")) == (
        "OutOfmemory",
        "Node didn't have enough resource: memory, requested: 1001, used: 0, capacity: 1000",
    )


def test_one_pod_too_many_is_rejected_before_any_other_resource_is_looked_at() -> None:
    others = [asking(f"p{number}") for number in range(3)]

    assert rejection(asking(cpu="2"), *others) == (
        "OutOfpods",
        "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3",
    )


def test_extended_resources_unknown_to_the_node_are_no_obstacle_but_known_ones_count() -> None:
    pod = make_pod(container("app", resources={"requests": {"example.com/gpu": "2"}}), source="api")
    node = NodeShape(name="vm", allocatable={"pods": 3, "example.com/gpu": 1})

    assert rejection(pod) is None
    assert rejection(pod, node=node) == (
        "OutOfexample.com/gpu",
        "Node didn't have enough resource: example.com/gpu, requested: 2, used: 0, capacity: 1",
    )


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ({"kubernetes.io/os": "linux"}, True),
        ({"kubernetes.io/os": "linux", "kubernetes.io/hostname": "vm"}, True),
        ({"kubernetes.io/hostname": "other"}, False),
        ({"disk": "ssd"}, False),
    ],
)
def test_a_node_selector_wants_all_its_labels(selector: dict[str, str], matches: bool) -> None:
    text = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    expected = None if matches else ("NodeAffinity", text)

    assert rejection(make_pod(nodeSelector=selector)) == expected


@pytest.mark.parametrize(
    ("operator", "key", "values", "matches"),
    [
        ("In", "zone", ["a", "b"], True),
        ("In", "zone", ["b"], False),
        ("NotIn", "zone", ["b"], True),
        ("NotIn", "absent", ["b"], True),
        ("Exists", "zone", [], True),
        ("Exists", "absent", [], False),
        ("DoesNotExist", "absent", [], True),
        ("DoesNotExist", "zone", [], False),
        ("Gt", "cores", ["3"], True),
        ("Gt", "cores", ["4"], False),
        ("Lt", "cores", ["5"], True),
        ("Lt", "zone", ["5"], False),
        ("Gt", "cores", ["1", "2"], False),
    ],
)
def test_required_affinity_knows_every_operator(operator: str, key: str, values: list[str], matches: bool) -> None:
    node = NodeShape(name="vm", labels={"zone": "a", "cores": "4"}, allocatable={"pods": 1})
    term = {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}

    assert (rejection(pod_with_terms(term), node=node) is None) == matches


def test_one_term_is_enough_an_empty_one_matches_nothing_and_fields_know_the_nodes_name() -> None:
    absent = {"matchExpressions": [{"key": "absent", "operator": "Exists"}]}
    name = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["vm"]}]}

    assert rejection(pod_with_terms(absent, name)) is None
    assert rejection(pod_with_terms(absent)) is not None
    assert rejection(pod_with_terms({})) is not None


def pod_with_terms(*terms: dict[str, Any]) -> Pod:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return make_pod(affinity={"nodeAffinity": required})


def test_a_pod_for_another_node_is_rejected() -> None:
    assert rejection(make_pod(nodeName="elsewhere")) == (
        "NodeName",
        "Predicate NodeName failed: node(s) didn't match the requested node name",
    )


@pytest.mark.parametrize(
    ("theirs", "ours", "conflict"),
    [
        ({"hostPort": 80}, {"hostPort": 80}, True),
        ({"hostPort": 80}, {"hostPort": 81}, False),
        ({"hostPort": 80}, {"hostPort": 80, "protocol": "UDP"}, False),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, {"hostPort": 80, "hostIP": "10.0.0.2"}, False),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, {"hostPort": 80}, True),
        ({}, {}, False),
    ],
)
def test_a_host_port_is_given_once(theirs: dict[str, Any], ours: dict[str, Any], conflict: bool) -> None:
    other = asking("other", ports=[{"containerPort": 80, **theirs}])
    pod = asking(ports=[{"containerPort": 80, **ours}])
    text = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"

    assert rejection(pod, other) == (("NodePorts", text) if conflict else None)


def test_another_operating_system_is_rejected_by_field_and_by_label() -> None:
    labelled = with_metadata(make_pod(), labels={"kubernetes.io/os": "windows"})

    assert rejection(make_pod(os={"name": "windows"})) == (
        "PodOSNotSupported",
        "Failed to admit pod as the OS field doesn't match node OS",
    )
    assert rejection(labelled) == (
        "PodOSSelectorNodeLabelDoesNotMatch",
        "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
    )


def test_a_static_pod_that_finds_nobody_to_preempt_is_rejected_in_the_words_of_preemption() -> None:
    static = asking("big", source="file", cpu="3")
    text = (
        "Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods "
        "to preempt: no set of running pods found to reclaim resources: [(res: cpu, q: 2500), ]"
    )

    assert rejection(static, asking("peer", source="file", cpu="500m")) == ("UnexpectedAdmissionError", text)


def test_a_critical_pod_takes_the_place_of_a_lesser_one() -> None:
    lesser = asking("lesser", cpu="800m")

    admission = decide(asking("static", source="file", cpu="500m"), lesser)

    assert admission == Admission(victims=(lesser,), short_of="cpu")


def test_a_critical_pod_that_fails_for_another_reason_preempts_nobody() -> None:
    pod = make_pod(container("app", resources={"requests": {"cpu": "2"}}), nodeSelector={"disk": "ssd"})

    admission = decide(pod, asking("lesser", cpu="1"))

    assert admission.victims == ()
    assert admission.rejection is not None
    assert admission.rejection.reason == "NodeAffinity"


def test_pods_without_requests_go_before_those_with_and_the_nearest_fit_before_larger_ones() -> None:
    pods = [asking("large", memory="900"), asking("fits", memory="500"), asking("small", memory="100")]
    static = asking("static", source="file", memory="400")

    victims = choose_victims(static, pods, missing=[Shortage("memory", 400, 1500, 1500)])

    assert [pod.metadata.name for pod in victims if pod.metadata] == ["fits"]


@given(
    st.lists(st.integers(0, 500), max_size=6),
    st.integers(1, 1500),
    st.integers(0, 1000),
)
def test_preemption_frees_enough_or_says_that_nothing_would(taken: list[int], wanted: int, capacity: int) -> None:
    others = [asking(f"p{number}", memory=str(amount)) for number, amount in enumerate(taken)]
    node = NodeShape(name="vm", allocatable={"pods": 110, "memory": capacity})
    pod = asking("static", source="file", memory=str(wanted))
    short = shortages(pod, others, node=node)

    try:
        victims = choose_victims(pod, others, missing=short)
    except CannotPreempt:
        assert wanted > capacity - sum(taken) + sum(taken)
        return

    left = [other for other in others if other not in victims]
    assert shortages(pod, left, node=node) == []
    assert all(request_of(victim, "memory") for victim in victims)  # nobody goes in vain


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        ("kernel.shm_rmid_forced", {}, None),
        ("kernel.msgmax", {}, 'forbidden sysctl: "kernel.msgmax" not allowlisted'),
        ("net/core/somaxconn", {"hostNetwork": False}, None),
        ("net.core.x", {"hostNetwork": True}, 'forbidden sysctl: "net.core.x" not allowed with host net enabled'),
        (
            "kernel.shm_rmid_forced",
            {"hostIPC": True},
            'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host ipc enabled',
        ),
    ],
)
def test_only_safe_and_allowed_sysctls_pass(name: str, spec: dict[str, Any], message: str | None) -> None:
    pod = make_pod(securityContext={"sysctls": [{"name": name, "value": "1"}]}, **spec)

    found = check_sysctls(pod, allowed_unsafe=["net.core.*"])

    assert found == (Rejection("SysctlForbidden", message) if message else None)


def test_a_runtime_that_adds_groups_gets_no_pod_that_wants_none_but_its_own() -> None:
    strict = make_pod(securityContext={"supplementalGroupsPolicy": "Strict"})
    merge = make_pod(securityContext={"supplementalGroupsPolicy": "Merge"})
    node = replace(SMALL, supplemental_groups_policy=False)

    assert decide(strict, node=node).rejection == Rejection(
        "SupplementalGroupsPolicyNotSupported", "SupplementalGroupsPolicy=Strict is not supported in this node"
    )
    assert decide(merge, node=node).rejection is None
    assert decide(strict).rejection is None


@pytest.mark.parametrize(
    ("pod", "container_", "refused"),
    [
        (None, None, False),
        ("RuntimeDefault", None, True),
        ("RuntimeDefault", "Unconfined", False),
        (None, "Localhost", True),
    ],
)
def test_profiles_that_the_machine_cannot_enforce_are_refused(
    pod: str | None, container_: str | None, refused: bool
) -> None:
    def context(kind: str | None) -> dict[str, Any]:
        return {"securityContext": {"appArmorProfile": {"type": kind, "localhostProfile": "x"}}} if kind else {}

    made = make_pod(container("app", **context(container_)), **context(pod))

    found = check_apparmor(made, node=replace(SMALL, apparmor=False))

    expected = Rejection("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")
    assert found == (expected if refused else None)
    assert check_apparmor(made, node=SMALL) is None
