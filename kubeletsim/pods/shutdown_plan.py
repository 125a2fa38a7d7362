"""Who ends when a node shuts down: pods in groups by priority, low to high, each group with its time. Pure.

Upstream: migrateConfig and groupByPriority in pkg/kubelet/nodeshutdown/nodeshutdown_manager.go.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import SYSTEM_CRITICAL_PRIORITY, spec

DEFAULT_PRIORITY = 0


@dataclass(frozen=True, slots=True)
class PriorityPeriod:
    """The time that pods from some priority on get, up to the next entry's."""

    priority: int
    seconds: int


@dataclass(frozen=True, slots=True)
class ShutdownGroup:
    """Pods that end at the same time."""

    seconds: int
    """No pod gets longer, and no later group waits longer."""
    pods: tuple[Pod, ...]


def shutdown_periods(
    by_priority: Iterable[PriorityPeriod], *, total_seconds: float, critical_seconds: float
) -> tuple[PriorityPeriod, ...]:
    """Return the periods that the configuration means, lowest priority first; none when shutdowns are not graceful.

    Args:
        by_priority: shutdownGracePeriodByPodPriority, which excludes the other two.
        total_seconds: shutdownGracePeriod; 0 for none.
        critical_seconds: shutdownGracePeriodCriticalPods, the part of it at its end kept for critical pods.
    """
    given = tuple(sorted(by_priority, key=lambda period: period.priority))
    if given or total_seconds <= 0 or critical_seconds > total_seconds:
        return given
    return (
        PriorityPeriod(DEFAULT_PRIORITY, int(total_seconds - critical_seconds)),
        PriorityPeriod(SYSTEM_CRITICAL_PRIORITY, int(critical_seconds)),
    )


def shutdown_groups(pods: Iterable[Pod], periods: Sequence[PriorityPeriod]) -> list[ShutdownGroup]:
    """Put pods into the groups of their priorities; a pod below every group's priority goes with the first.

    Args:
        pods: who has to end. A pod without a priority has 0.
        periods: at least one, lowest priority first; groups come in this order and empty ones are left out.
    """
    members: list[list[Pod]] = [[] for _ in periods]
    for pod in pods:
        priority = spec(pod).priority or DEFAULT_PRIORITY
        index = sum(1 for period in periods if period.priority <= priority) - 1
        members[max(0, index)].append(pod)
    return [
        ShutdownGroup(period.seconds, tuple(inside)) for period, inside in zip(periods, members, strict=True) if inside
    ]


def grace_seconds(pod: Pod, group: ShutdownGroup) -> int:
    """Return how long a pod gets to stop: its own period, but no longer than its group's."""
    own = spec(pod).terminationGracePeriodSeconds
    return group.seconds if own is None else min(own, group.seconds)
