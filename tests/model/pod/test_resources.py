"""Totals and quality of service."""

import pytest

from kubeletsim.model.pod import pod_amounts, qos_class, set_defaults
from tests.fakes.pods import container, make_pod, sidecar


def asking(name, make=container, **requests):
    return make(name, resources={"requests": requests})


def shown(amounts):
    return {name: str(amount) for name, amount in amounts.items()}


def test_regular_containers_add_up():
    pod = make_pod(asking("a", cpu="100m", memory="64Mi"), asking("b", cpu="1"), container("c"))

    assert shown(pod_amounts(pod, "requests")) == {"cpu": "1100m", "memory": "64Mi"}


def test_init_containers_take_turns_and_only_the_greatest_counts():
    pod = make_pod(asking("a", cpu="1"), init=[asking("i1", cpu="3"), asking("i2", cpu="2", memory="1Gi")])

    assert shown(pod_amounts(pod, "requests")) == {"cpu": "3", "memory": "1Gi"}


def test_a_sidecar_counts_beside_whatever_comes_after_it():
    init = [asking("i1", cpu="1"), asking("s", make=sidecar, cpu="2"), asking("i2", cpu="2")]
    pod = make_pod(asking("a", cpu="1"), init=init)

    assert shown(pod_amounts(pod, "requests")) == {"cpu": "4"}


def test_what_the_pod_asks_for_replaces_the_sum_and_overhead_is_extra():
    pod = make_pod(asking("a", cpu="1"), resources={"requests": {"cpu": "2"}}, overhead={"cpu": "250m"})

    assert shown(pod_amounts(pod, "requests")) == {"cpu": "2"}
    assert shown(pod_amounts(pod, "requests", overhead=True)) == {"cpu": "2250m"}


FULL = {"limits": {"cpu": "1", "memory": "1Gi"}}
PARTIAL = {"requests": {"cpu": "1"}}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        pytest.param(make_pod(), "BestEffort", id="nothing"),
        pytest.param(make_pod(container("a", resources={"requests": {"cpu": "0"}})), "BestEffort", id="zero"),
        pytest.param(make_pod(container("a", resources={"limits": {"nvidia.com/gpu": "1"}})), "BestEffort", id="gpu"),
        pytest.param(make_pod(container("a", resources=FULL)), "Guaranteed", id="limits of everything"),
        pytest.param(make_pod(container("a", resources=FULL), container("b")), "Burstable", id="one of two"),
        pytest.param(make_pod(container("a", resources=FULL), init=[container("i")]), "Burstable", id="init without"),
        pytest.param(make_pod(container("a", resources=PARTIAL)), "Burstable", id="requests only"),
        pytest.param(make_pod(container("a"), resources=FULL), "Guaranteed", id="the pod as a whole"),
        pytest.param(
            make_pod(container("a", resources={**FULL, "requests": {"cpu": "500m"}})), "Burstable", id="less than limit"
        ),
    ],
)
def test_quality_of_service_follows_from_what_is_asked_for(pod, expected):
    assert qos_class(set_defaults(pod)) == expected
