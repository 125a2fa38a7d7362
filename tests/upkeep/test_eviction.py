"""The rules of eviction: when a threshold is met, how long pressure lasts, and which pod goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import pod_uid
from kubeletsim.upkeep.eviction import (
    Assessment,
    EvictionThreshold,
    Observed,
    assess,
    eviction_message,
    pod_grace_seconds,
    rank_for_eviction,
    read_thresholds,
)
from tests.fakes.pods import container, make_pod

MI = 1 << 20
MEMORY = "memory.available"


def thresholds(
    *,
    hard: dict[str, str] | None = None,
    soft: dict[str, str] | None = None,
    grace: dict[str, str] | None = None,
    reclaim: dict[str, str] | None = None,
) -> tuple[EvictionThreshold, ...]:
    return read_thresholds(hard=hard or {}, soft=soft or {}, soft_grace=grace or {}, minimum_reclaim=reclaim or {})


def look(
    limits: tuple[EvictionThreshold, ...], available: dict[str, int], *, last: Assessment | None = None, now: float = 0
) -> Assessment:
    observed = {signal: Observed(amount * MI, 1000 * MI) for signal, amount in available.items()}
    return assess(limits, observed, last=last or Assessment(), transition_seconds=300, now=now)


def due(assessment: Assessment) -> list[str]:
    return [one.signal for one in assessment.due]


def test_a_hard_threshold_is_due_at_once_and_only_below_it() -> None:
    limits = thresholds(hard={MEMORY: "100Mi"})

    assert due(look(limits, {MEMORY: 99})) == [MEMORY]
    assert due(look(limits, {MEMORY: 100})) == []
    assert due(look(limits, {})) == []


def test_a_percentage_is_of_the_capacity() -> None:
    limits = thresholds(hard={"nodefs.available": "10%"})

    assert due(look(limits, {"nodefs.available": 99})) == ["nodefs.available"]
    assert due(look(limits, {"nodefs.available": 100})) == []


def test_a_soft_threshold_is_due_after_its_grace_period_without_a_break() -> None:
    limits = thresholds(soft={MEMORY: "200Mi"}, grace={MEMORY: "30s"})

    first = look(limits, {MEMORY: 150}, now=0)
    assert due(first) == []
    assert first.conditions == {"MemoryPressure"}
    assert due(look(limits, {MEMORY: 150}, last=first, now=30)) == [MEMORY]
    better = look(limits, {MEMORY: 250}, last=first, now=20)
    assert due(look(limits, {MEMORY: 150}, last=better, now=30)) == []


def test_what_was_due_stays_due_until_the_minimum_reclaim_is_reached() -> None:
    limits = thresholds(hard={MEMORY: "100Mi"}, reclaim={MEMORY: "50Mi"})
    low = look(limits, {MEMORY: 90})

    assert due(look(limits, {MEMORY: 149}, last=low, now=10)) == [MEMORY]
    assert due(look(limits, {MEMORY: 150}, last=low, now=10)) == []
    assert due(look(limits, {MEMORY: 149})) == []


def test_pressure_outlasts_its_cause_by_the_transition_period() -> None:
    limits = thresholds(hard={"pid.available": "10%", "imagefs.inodesFree": "5%"})
    first = look(limits, {"pid.available": 1, "imagefs.inodesFree": 1})
    assert first.conditions == {"PIDPressure", "DiskPressure"}

    later = look(limits, {"pid.available": 1, "imagefs.inodesFree": 900}, last=first, now=299)
    assert later.conditions == {"PIDPressure", "DiskPressure"}
    assert look(limits, {"pid.available": 1, "imagefs.inodesFree": 900}, last=later, now=300).conditions == {
        "PIDPressure"
    }


def test_memory_is_reclaimed_first() -> None:
    limits = thresholds(hard={"nodefs.available": "10%", MEMORY: "100Mi"})

    assert due(look(limits, {"nodefs.available": 1, MEMORY: 1})) == [MEMORY, "nodefs.available"]


def pod(name: str, *, memory: str | None = None, priority: int | None = None, source: str = "api") -> Pod:
    resources = {"requests": {"memory": memory}} if memory else {}
    return make_pod(container("app", resources=resources), name=name, uid=name, priority=priority, source=source)


def test_pods_over_their_requests_go_first_then_the_less_important_then_the_greedier() -> None:
    within, over, greedy, important, unknown = (
        pod("within", memory="500Mi"),
        pod("over", memory="100Mi"),
        pod("greedy", memory="100Mi"),
        pod("important", priority=10),
        pod("unknown"),
    )
    usage = {
        pod_uid(one): {"app": amount * MI}
        for one, amount in ((within, 400), (over, 150), (greedy, 300), (important, 900))
    }

    ranked = rank_for_eviction([within, important, over, greedy, unknown], resource="memory", usage=usage)

    assert ranked == [unknown, greedy, over, important, within]


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from([None, 0, 5, 2_000_000_000])), max_size=6))
def test_critical_pods_never_go_and_nobody_else_is_forgotten(drawn: list[tuple[int, int | None]]) -> None:
    pods = [pod(f"p{number}", priority=priority) for number, (_, priority) in enumerate(drawn)]
    static = pod("static", source="file")
    usage = {pod_uid(one): {"app": amount} for one, (amount, _) in zip(pods, drawn, strict=True)}

    ranked = rank_for_eviction([*pods, static], resource="memory", usage=usage)

    expected = [one for one in pods if one.spec and (one.spec.priority or 0) < 2_000_000_000]
    assert sorted(map(pod_uid, ranked)) == sorted(map(pod_uid, expected))


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 400)), min_size=1, max_size=30),
    st.integers(0, 60),
)
def test_nothing_is_due_without_pressure_and_soft_thresholds_never_before_their_time(
    looks: list[tuple[int, int]], grace: int
) -> None:
    limits = thresholds(soft={MEMORY: "100Mi"}, grace={MEMORY: f"{grace}s"}, reclaim={MEMORY: "20Mi"})
    last, now, below_since = Assessment(), 0.0, None
    for available, later in looks:
        now += later
        before, last = last, look(limits, {MEMORY: available}, last=last, now=now)
        met = available < 100 or (bool(before.due) and available < 120)
        below_since = (now if below_since is None else below_since) if met else None
        assert bool(last.due) == (below_since is not None and now - below_since >= grace)
        assert last.conditions >= {one.condition for one in last.due}


@pytest.mark.parametrize(("hard", "own", "seconds"), [(True, 30, 1), (False, 30, 10), (False, 5, 5), (False, None, 10)])
def test_hard_evictions_are_immediate_and_soft_ones_leave_what_both_allow(
    hard: bool, own: int | None, seconds: int
) -> None:
    both = thresholds(hard={MEMORY: "1Mi"}, soft={MEMORY: "2Mi"}, grace={MEMORY: "1s"})
    threshold = both[0] if hard else both[1]

    assert pod_grace_seconds(make_pod(terminationGracePeriodSeconds=own), threshold, longest_seconds=10) == seconds


def test_the_message_names_resource_threshold_and_what_is_left() -> None:
    (threshold,) = thresholds(hard={MEMORY: "100Mi"})

    assert eviction_message(threshold, Observed(50 * MI, 1000 * MI), pod=pod("any"), usage={}) == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 51200Ki. "
    )


def test_the_message_names_each_container_that_used_more_than_it_asked_for() -> None:
    (threshold,) = thresholds(hard={MEMORY: "100Mi"})
    asks = {"resources": {"requests": {"memory": "64Mi"}}}
    evicted = make_pod(container("a", **asks), container("b", **asks), container("c"))
    usage = {pod_uid(evicted): {"a": 64 * MI, "b": 65 * MI, "c": 1000}}

    text = eviction_message(threshold, Observed(50 * MI, 1000 * MI), pod=evicted, usage=usage)

    assert text.partition("51200Ki. ")[2] == (
        "Container b was using 65Mi, request is 64Mi, has larger consumption of memory. "
        "Container c was using 1k, request is 0, has larger consumption of memory. "
    )
