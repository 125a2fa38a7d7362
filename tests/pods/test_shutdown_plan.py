"""Who ends when a node shuts down, and how long each may take."""

from hypothesis import given
from hypothesis import strategies as st
from lightkube.models.core_v1 import Pod

from kubeletsim.pods.shutdown_plan import (
    PriorityPeriod,
    ShutdownGroup,
    grace_seconds,
    shutdown_groups,
    shutdown_periods,
)
from tests.fakes.pods import make_pod

CRITICAL = 2_000_000_000
PERIODS = st.lists(
    st.builds(PriorityPeriod, st.integers(-1000, CRITICAL + 10), st.integers(0, 600)),
    min_size=1,
    max_size=5,
    unique_by=lambda period: period.priority,
)


def pod(priority: int | None, name: str = "web") -> Pod:
    return make_pod(name=name, uid=name, priority=priority)


def test_without_a_period_shutdowns_are_not_graceful() -> None:
    assert shutdown_periods([], total_seconds=0, critical_seconds=0) == ()


def test_the_critical_pods_part_is_taken_from_the_whole() -> None:
    assert shutdown_periods([], total_seconds=30, critical_seconds=10) == (
        PriorityPeriod(0, 20),
        PriorityPeriod(CRITICAL, 10),
    )


def test_periods_by_priority_are_taken_as_they_are_in_order() -> None:
    given_ = [PriorityPeriod(100, 5), PriorityPeriod(0, 60)]

    assert shutdown_periods(given_, total_seconds=0, critical_seconds=0) == (PriorityPeriod(0, 60), given_[0])


def test_pods_go_to_the_group_at_or_below_their_priority_and_the_lowest_takes_the_rest() -> None:
    periods = (PriorityPeriod(0, 60), PriorityPeriod(100, 30), PriorityPeriod(CRITICAL, 10))
    low, plain, edge, above, critical = (
        pod(priority, str(priority)) for priority in (-5, None, 100, 5000, CRITICAL + 1000)
    )

    groups = shutdown_groups([critical, above, edge, plain, low], periods)

    assert groups == [
        ShutdownGroup(60, (plain, low)),
        ShutdownGroup(30, (above, edge)),
        ShutdownGroup(10, (critical,)),
    ]


def test_a_pods_own_period_counts_when_it_is_shorter() -> None:
    group = ShutdownGroup(20, ())

    assert grace_seconds(make_pod(terminationGracePeriodSeconds=5), group) == 5
    assert grace_seconds(make_pod(terminationGracePeriodSeconds=60), group) == 20
    assert grace_seconds(make_pod(terminationGracePeriodSeconds=None), group) == 20


@given(PERIODS, st.lists(st.integers(-2000, CRITICAL + 2000), max_size=8))
def test_every_pod_ends_once_and_none_before_one_of_lower_priority(
    given_: list[PriorityPeriod], priorities: list[int]
) -> None:
    periods = shutdown_periods(given_, total_seconds=0, critical_seconds=0)

    groups = shutdown_groups([pod(priority) for priority in priorities], periods)

    order = [[one.spec.priority for one in group.pods if one.spec] for group in groups]
    assert sorted(p for group in order for p in group if p is not None) == sorted(priorities)
    assert all(order)
    highest = [max(p for p in group if p is not None) for group in order]
    lowest = [min(p for p in group if p is not None) for group in order]
    assert all(high < low for high, low in zip(highest, lowest[1:], strict=False))
