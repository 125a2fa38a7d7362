"""The rules of eviction: when a node is under pressure, what has to be reclaimed, and which pod goes first. Pure.

A threshold is met when a signal is below it; a soft one has to stay met for its grace period before anything is done.
Once met, it counts as met until the signal has got better by the minimum reclaim, and the node's condition stays for
the transition period after that, so that neither flaps.

Upstream: pkg/kubelet/eviction/helpers.go and synchronize in pkg/kubelet/eviction/eviction_manager.go.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType

from lightkube.models.core_v1 import Pod

from kubeletsim.config.schema.eviction import (
    Threshold,
    parse_grace_period,
    parse_minimum_reclaim,
    parse_threshold,
)
from kubeletsim.model.pod import init_containers, is_critical, pod_amounts, pod_uid, regular_containers, spec
from kubeletsim.model.pressure import DISK_PRESSURE, MEMORY_PRESSURE, PID_PRESSURE
from kubeletsim.model.quantity import Quantity, QuantityFormat
from kubeletsim.model.runtime import PodUID

RESOURCE_OF_SIGNAL: Mapping[str, str] = MappingProxyType(
    {
        "memory.available": "memory",
        "allocatableMemory.available": "memory",
        "nodefs.available": "ephemeral-storage",
        "nodefs.inodesFree": "inodes",
        "imagefs.available": "ephemeral-storage",
        "imagefs.inodesFree": "inodes",
        "containerfs.available": "ephemeral-storage",
        "containerfs.inodesFree": "inodes",
        "pid.available": "pids",
    }
)
CONDITION_OF_RESOURCE: Mapping[str, str] = MappingProxyType(
    {"memory": MEMORY_PRESSURE, "ephemeral-storage": DISK_PRESSURE, "inodes": DISK_PRESSURE, "pids": PID_PRESSURE}
)
HARD_GRACE_SECONDS = 1
"""What pods get to stop when a hard threshold is met."""

Usage = Mapping[PodUID, Mapping[str, int]]
"""What pods' containers use of a resource, by name, in bytes or counts; a pod that is not there was not measured."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A signal's value: bytes, inodes or process ids."""

    available: int
    capacity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictionThreshold:
    """When a signal calls for eviction."""

    signal: str
    limit: Threshold
    hard: bool = True
    grace_seconds: float = 0.0
    """How long a soft threshold has to be met."""
    minimum_reclaim: Threshold | None = None

    @property
    def resource(self) -> str:
        """What there is too little of."""
        return RESOURCE_OF_SIGNAL[self.signal]

    @property
    def condition(self) -> str:
        """What the node is said to be under."""
        return CONDITION_OF_RESOURCE[self.resource]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What one look at the signals came to; the next look wants to know of it."""

    due: tuple[EvictionThreshold, ...] = ()
    """Met, and for long enough; what to reclaim first comes first."""
    conditions: frozenset[str] = frozenset()
    """What the node is under."""
    first_met_at: Mapping[EvictionThreshold, float] = field(default_factory=dict)
    pressure_seen_at: Mapping[str, float] = field(default_factory=dict)
    """When each condition had a cause last."""


def read_thresholds(
    *,
    hard: Mapping[str, str],
    soft: Mapping[str, str],
    soft_grace: Mapping[str, str],
    minimum_reclaim: Mapping[str, str],
) -> tuple[EvictionThreshold, ...]:
    """Return the configuration's thresholds; it has been validated."""
    reclaims = {signal: parse_minimum_reclaim(text) for signal, text in minimum_reclaim.items()}
    found = []
    for texts, is_hard in ((hard, True), (soft, False)):
        for signal, text in texts.items():
            limit = parse_threshold(text)
            if limit is not None:
                found.append(
                    EvictionThreshold(
                        signal=signal,
                        limit=limit,
                        hard=is_hard,
                        grace_seconds=0.0 if is_hard else parse_grace_period(soft_grace[signal]).seconds,
                        minimum_reclaim=reclaims.get(signal),
                    )
                )
    return tuple(found)


def assess(
    thresholds: Sequence[EvictionThreshold],
    observed: Mapping[str, Observed],
    *,
    last: Assessment,
    transition_seconds: float,
    now: float,
) -> Assessment:
    """Compare the signals with the thresholds.

    Args:
        thresholds: the configuration's.
        observed: by signal; a signal that could not be observed meets no threshold.
        last: what the look before this came to.
        transition_seconds: evictionPressureTransitionPeriod.
        now: seconds on a clock that never goes back.
    """
    unresolved = [one for one in last.due if _is_met(one, observed, reclaim=True)]
    met = {one for one in thresholds if _is_met(one, observed)} | set(unresolved)
    first_met_at = {one: last.first_met_at.get(one, now) for one in thresholds if one in met}
    seen_at = {**last.pressure_seen_at, **{one.condition: now for one in met}}
    due = [one for one in thresholds if one in met and now - first_met_at[one] >= one.grace_seconds]
    return Assessment(
        due=tuple(sorted(due, key=lambda one: one.resource != "memory")),
        conditions=frozenset(name for name, at in seen_at.items() if at == now or now - at < transition_seconds),
        first_met_at=first_met_at,
        pressure_seen_at=seen_at,
    )


def rank_for_eviction(pods: Iterable[Pod], *, resource: str, usage: Usage) -> list[Pod]:
    """Return the pods that may be evicted, the first to go first.

    Those whose usage is unknown go first, then those that use more than they asked for; among these the less important,
    and then those that use most beyond what they asked for. Critical pods, which includes static ones, never go.

    Args:
        pods: the node's active pods.
        resource: of which there is too little.
        usage: what each uses of it.
    """

    def order(pod: Pod) -> tuple[int, int, int]:
        containers = usage.get(pod_uid(pod))
        used = sum(containers.values()) if containers is not None else None
        priority = spec(pod).priority or 0
        if resource == "pids":
            return 0, priority, -(used or 0)
        if used is None:
            return -1, priority, 0
        excess = used - _requested(pod, resource)
        return (0 if excess > 0 else 1), priority, -excess

    return sorted((pod for pod in pods if not is_critical(pod)), key=order)


def pod_grace_seconds(pod: Pod, threshold: EvictionThreshold, *, longest_seconds: int) -> int:
    """Return how long an evicted pod gets to stop; `longest_seconds` is evictionMaxPodGracePeriod."""
    if threshold.hard:
        return HARD_GRACE_SECONDS
    own = spec(pod).terminationGracePeriodSeconds
    return longest_seconds if own is None else min(own, longest_seconds)


def eviction_message(threshold: EvictionThreshold, observed: Observed, *, pod: Pod, usage: Usage) -> str:
    """Return the evicted pod's message: what was short, and which of its containers used more than they asked for."""
    limit = Quantity.of(_amount(threshold.limit, observed.capacity), format=QuantityFormat.BINARY_SI)
    available = _readable(threshold, observed.available)
    lines = [
        f"The node was low on resource: {threshold.resource}. ",
        f"Threshold quantity: {limit}, available: {available}. ",
    ]
    for container in (*init_containers(pod), *regular_containers(pod)):
        used = usage.get(pod_uid(pod), {}).get(container.name)
        requests = (container.resources.requests if container.resources is not None else None) or {}
        asked = Quantity.parse(str(requests.get(threshold.resource, "0")))
        if used is not None and used > asked.value():
            lines.append(
                f"Container {container.name} was using {Quantity.of(used, format=QuantityFormat.BINARY_SI)}, "
                f"request is {asked}, has larger consumption of {threshold.resource}. "
            )
    return "".join(lines)


def _is_met(threshold: EvictionThreshold, observed: Mapping[str, Observed], *, reclaim: bool = False) -> bool:
    """Tell whether a signal is below a threshold, or not yet better than it by the minimum reclaim."""
    seen = observed.get(threshold.signal)
    if seen is None:
        return False
    limit = _amount(threshold.limit, seen.capacity)
    if reclaim and threshold.minimum_reclaim is not None:
        limit += _amount(threshold.minimum_reclaim, seen.capacity)
    return seen.available < limit


def _amount(limit: Threshold, capacity: int) -> int:
    if limit.part is not None:
        return int(Fraction(capacity) * limit.part)
    return limit.quantity.value() if limit.quantity is not None else 0


def _readable(threshold: EvictionThreshold, amount: int) -> str:
    """Print bytes in whole Ki, as upstream's quantities of memory and storage do; counts as they are."""
    is_bytes = threshold.resource in ("memory", "ephemeral-storage")
    return f"{amount // 1024}Ki" if is_bytes and amount >= 1024 else str(amount)


def _requested(pod: Pod, resource: str) -> int:
    amount = pod_amounts(pod, "requests").get(resource)
    return amount.value() if amount is not None else 0
