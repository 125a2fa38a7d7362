"""The eviction manager: each ten seconds it looks at the node, and when something runs short it reclaims it.

For a short disk it first has unused containers and images removed, and looks again; if that does not help, and for
memory and process ids at once, one pod is evicted a turn. Static pods are critical and never evicted, so that a node
that has no others gets as far as the garbage and the event `EvictionThresholdMet`.

What the node is under decides about new pods as well: see pods/admission/pressure. Upstream:
pkg/kubelet/eviction/eviction_manager.go. Limits on pods' local storage are not enforced: they cost critical pods
nothing.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Gauge, Histogram

from kubeletsim.base.timing import Clock, every
from kubeletsim.model.events import Event, EventRecorder, ObjectReference
from kubeletsim.model.pod import describe, is_critical
from kubeletsim.model.pressure import NodePressure, event_reasons
from kubeletsim.upkeep.eviction import (
    Assessment,
    EvictionThreshold,
    Observed,
    assess,
    eviction_message,
    pod_grace_seconds,
    rank_for_eviction,
)
from kubeletsim.upkeep.eviction_stats import PERIOD_SECONDS, EvictionStats

log = logging.getLogger(__name__)

DISK_RESOURCES = ("ephemeral-storage", "inodes")
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The Go client's, which the Python client's differ from."""

Reclaim = Callable[[], Awaitable[None]]
"""Removes what nobody uses; reports its own failures."""


class Signals(Protocol):
    """What this module needs to know of the machine."""

    def read(self, *, image_mountpoint: str | None) -> dict[str, Observed]:
        """Return what can be observed now, by signal."""

    def has_dedicated_image_fs(self, image_mountpoint: str) -> bool:
        """Tell whether images are on another file system than pods' storage."""


class Evict(Protocol):
    """Ends a pod for good."""

    async def __call__(self, pod: Pod, *, grace_seconds: int, message: str) -> None:
        """End the pod; returns when it has ended, or would not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvictionPolicy:
    """What the configuration says about eviction."""

    thresholds: tuple[EvictionThreshold, ...] = ()
    transition_seconds: float = 300.0
    """evictionPressureTransitionPeriod."""
    longest_grace_seconds: int = 0
    """evictionMaxPodGracePeriod."""


class EvictionManager:
    """Keeps the node from running out of something.

    Args:
        stats: its calls to the runtime.
        signals: the machine.
        policy: when to do something.
        reclaims: what removes unused containers and images, in this order.
        active_pods: who may be evicted.
        evict: ends one of them.
        wait_ready: returns once the runtime has been ready for the first time.
        record: takes EvictionThresholdMet, and Evicted.
        node: what the first is about.
        pressure: told what the node is under: MemoryPressure, DiskPressure, PIDPressure.
        registry: gets kubelet_evictions and kubelet_eviction_stats_age_seconds.
    """

    def __init__(
        self,
        stats: EvictionStats,
        *,
        signals: Signals,
        policy: EvictionPolicy,
        pressure: NodePressure,
        reclaims: Sequence[Reclaim],
        active_pods: Callable[[], Sequence[Pod]],
        evict: Evict,
        wait_ready: Callable[[], Awaitable[object]],
        clock: Clock,
        rng: random.Random,
        record: EventRecorder,
        node: ObjectReference,
        registry: CollectorRegistry,
    ) -> None:
        self._stats = stats
        self._signals = signals
        self._policy = policy
        self._pressure = pressure
        self._reclaims = tuple(reclaims)
        self._active_pods = active_pods
        self._evict = evict
        self._wait_ready = wait_ready
        self._clock = clock
        self._rng = rng
        self._record = record
        self._node = node
        self._last = Assessment()
        # A counter upstream, but the Python client would name it kubelet_evictions_total.
        self._evictions = Gauge(
            "kubelet_evictions",
            "Cumulative number of pod evictions by eviction signal",
            ["eviction_signal"],
            registry=registry,
        )
        self._stats_age = Histogram(
            "kubelet_eviction_stats_age_seconds",
            "Time between when stats are collected, and when pod is evicted based on those stats by eviction signal",
            ["eviction_signal"],
            buckets=DEFAULT_BUCKETS,
            registry=registry,
        )

    async def run(self) -> None:
        """Look every ten seconds from the runtime's first good Status on; never returns."""
        self._tell_conditions(before=None)
        await self._wait_ready()
        await every(PERIOD_SECONDS, self.synchronize, name="eviction manager", rng=self._rng)

    async def synchronize(self) -> None:
        """Take one turn."""
        await self._stats.observe()
        observed = self._read()
        last, self._last = self._last, self._assess(observed)
        self._pressure.conditions = self._last.conditions
        if self._last.conditions != last.conditions:
            log.info("Node is under pressure: %s", ", ".join(sorted(self._last.conditions)) or "none")
            self._tell_conditions(before=last.conditions)
        if not self._last.due:
            return
        threshold = self._last.due[0]
        log.warning("Eviction manager: attempting to reclaim %s (%s)", threshold.resource, threshold.signal)
        self._record(
            Event(
                regarding=self._node,
                type="Warning",
                reason="EvictionThresholdMet",
                message=f"Attempting to reclaim {threshold.resource}",
            )
        )
        if threshold.resource in DISK_RESOURCES and await self._reclaim_disk(threshold):
            log.info("Eviction manager: able to reduce %s pressure without evicting pods", threshold.resource)
            return
        await self._evict_one(threshold, observed[threshold.signal])

    def _tell_conditions(self, *, before: Collection[str] | None) -> None:
        """Record the node's conditions: at the start, and as they change."""
        for reason in event_reasons(self._last.conditions, before=before):
            message = f"Node {self._node.name} status is now: {reason}"
            self._record(Event(regarding=self._node, reason=reason, message=message))

    def _read(self) -> dict[str, Observed]:
        return self._signals.read(image_mountpoint=self._image_mountpoint())

    def _has_dedicated_image_fs(self) -> bool:
        mountpoint = self._image_mountpoint()
        return mountpoint is not None and self._signals.has_dedicated_image_fs(mountpoint)

    def _image_mountpoint(self) -> str | None:
        seen = self._stats.last
        systems = seen.image_fs.image_filesystems if seen is not None else ()
        return systems[0].mountpoint if systems else None

    def _assess(self, observed: dict[str, Observed]) -> Assessment:
        return assess(
            self._policy.thresholds,
            observed,
            last=self._last,
            transition_seconds=self._policy.transition_seconds,
            now=self._clock.monotonic(),
        )

    async def _reclaim_disk(self, threshold: EvictionThreshold) -> bool:
        """Remove what nobody uses, and tell whether that was enough."""
        if threshold.signal.startswith("nodefs.") and self._has_dedicated_image_fs():
            return False  # neither containers nor images are there
        for reclaim in self._reclaims:
            await reclaim()
        return threshold not in self._assess(self._read()).due

    async def _evict_one(self, threshold: EvictionThreshold, observed: Observed) -> None:
        pods = [pod for pod in self._active_pods() if not is_critical(pod)]
        if not pods:
            log.warning("Eviction manager: no pods to evict for %s", threshold.signal)
            return
        usage = await self._stats.usage(threshold.resource)
        pod, *_ = rank_for_eviction(pods, resource=threshold.resource, usage=usage)
        message = eviction_message(threshold, observed, pod=pod, usage=usage)
        grace = pod_grace_seconds(pod, threshold, longest_seconds=self._policy.longest_grace_seconds)
        log.warning("Eviction manager: evicting pod %s: %s", describe(pod), message)
        await self._evict(pod, grace_seconds=grace, message=message)
        self._evictions.labels(threshold.signal).inc()
        if self._stats.last is not None:
            age_seconds = self._clock.now() - self._stats.last.observed_at
            self._stats_age.labels(threshold.signal).observe(max(0.0, age_seconds))
