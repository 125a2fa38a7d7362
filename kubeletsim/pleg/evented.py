"""The evented PLEG: the runtime tells what happens in it, so that it need not be listed each second.

It runs the generic PLEG beside itself, which then lists everything only each five minutes, for what a stream may have
missed, and single pods on demand as ever. Each event carries the state of its whole pod, which goes into the cache
without a call. Who waits for something newer than the last event, while nothing happens, gets it from the cache's
clock, which is set each five seconds.

A stream that ends counts as a failure, whatever ended it, and is opened again at once, after a relist for what it may
have missed. The fifth failure of the process is the last: from then on the generic PLEG lists each second, as if there
had never been a stream. What has failed five times over weeks is thus given up as well, as upstream.

An event shows one sandbox and what is in it. News of a sandbox that has been replaced, such as its removal by garbage
collection, is therefore no picture of the pod: it only has the pod listed. Upstream takes it for one and, with the gate
on, makes yet another sandbox.

Behind the gate EventedPLEG. Upstream: pkg/kubelet/pleg/evented.go, with the numbers of pkg/kubelet/kubelet.go. Differs
further in that kubelet_running_pods follows the events' sandboxes, which upstream means to do.
"""

import asyncio
import contextvars
import logging
import random
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge, Histogram

from kubeletsim.base.timing import Clock, every
from kubeletsim.model.errors import CRIError
from kubeletsim.model.runtime import (
    ContainerEvent,
    ContainerEventType,
    ObservedPod,
    PodLifecycleEvent,
    PodLifecycleEventType,
    PodUID,
    newest_first,
)
from kubeletsim.pleg.cache import PodCache
from kubeletsim.pleg.generic import DEFAULT_BUCKETS, GenericPLEG, RelistTiming
from kubeletsim.pleg.termination_messages import with_termination_message

log = logging.getLogger(__name__)

BESIDE_EVENTS = RelistTiming(period_seconds=300.0, threshold_seconds=600.0)
"""The generic PLEG's timing while a stream is to be had."""
MAX_STREAM_FAILURES = 5
CACHE_CLOCK_SECONDS = 5.0

_Type = PodLifecycleEventType
_LIFECYCLE: Mapping[ContainerEventType, tuple[PodLifecycleEventType, ...]] = MappingProxyType(
    {
        ContainerEventType.CREATED: (),  # changes the cache; the generic PLEG delivers nothing for it, either
        ContainerEventType.STARTED: (_Type.CONTAINER_STARTED,),
        ContainerEventType.STOPPED: (_Type.CONTAINER_DIED,),
        ContainerEventType.DELETED: (_Type.CONTAINER_DIED, _Type.CONTAINER_REMOVED),
    }
)


class EventService(Protocol):
    """What this module needs of the runtime."""

    def get_container_events(
        self, *, connected: Callable[[], None] | None = None
    ) -> AsyncGenerator[ContainerEvent, None]:
        """Give what happens as it happens."""


class EventedPLEG:
    """Watches the runtime by its events.

    Args:
        cri: whose events.
        generic: lists what events may have missed, and takes over once they cannot be had.
        cache: gets the pods' states.
        registry: gets kubelet_evented_pleg_*.
    """

    def __init__(
        self,
        cri: EventService,
        *,
        generic: GenericPLEG,
        cache: PodCache,
        clock: Clock,
        rng: random.Random,
        registry: CollectorRegistry,
    ) -> None:
        self._cri = cri
        self._generic = generic
        self._cache = cache
        self._clock = clock
        self._rng = rng
        self._metrics = _Metrics(registry)

    async def run(self) -> None:
        """Follow the runtime's events for as long as they can be had, then leave it to the generic PLEG; never returns.

        Whoever runs it, its calls are roots.
        """
        self._generic.retime(BESIDE_EVENTS)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._generic.run(), name="pleg/generic")
            tasks.create_task(self._follow_events(), name="pleg/evented", context=contextvars.Context())

    def health_problem(self) -> str | None:
        """Say why the PLEG is not healthy; None when it is. A stream that is silent or gone is no reason."""
        events = self._generic.events
        if events.full():
            return f"EventedPLEG: pleg event channel capacity is full with {events.qsize()} events"
        self._generic.metrics.last_seen.set(int(self._clock.now()))
        return None

    async def _follow_events(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            ticks = every(CACHE_CLOCK_SECONDS, self._set_cache_clock, name="PLEG cache clock", rng=self._rng)
            clock = tasks.create_task(ticks, name="pleg/cache-clock")
            for _ in range(MAX_STREAM_FAILURES):
                failure = await self._listen()
                self._metrics.failures.inc()
                await self._generic.relist()
                log.warning("Evented PLEG: Failed to get container events, retrying: %s", failure)
            clock.cancel()
        log.warning("Fall back to Generic PLEG relisting since Evented PLEG is not working")
        self._generic.retime(RelistTiming())

    async def _set_cache_clock(self) -> None:
        if self._generic.has_relisted:  # else a pod that runs would pass for one that was never seen
            self._cache.update_time(self._cache.stamp())

    async def _listen(self) -> str:
        """Take events until there are no more; say why."""
        try:
            async with aclosing(self._cri.get_container_events(connected=self._metrics.connections.inc)) as events:
                async for event in events:
                    self._take(event)
        except CRIError as error:
            return str(error)
        return "the runtime has ended the stream"

    def _take(self, event: ContainerEvent) -> None:
        """Have the cache know what an event tells, and the sync loop what has happened."""
        observed = observed_pod(event, observed_at=self._clock.monotonic())
        if observed is None:
            log.error("Evented PLEG: received an event without its pod's sandbox: %s", event)
            return
        uid, age_seconds = observed.uid, self._clock.now() - event.created_at / 1e9
        self._metrics.latency.observe(age_seconds)
        last = self._last(uid)
        if newest_first((*observed.sandboxes, *last.sandboxes))[0].id != observed.sandboxes[0].id:
            self._generic.request_relist(uid)
            return
        self._generic.metrics.changed(last, observed)
        if event.type is ContainerEventType.DELETED:
            if event.container_id in (str(sandbox.id) for sandbox in observed.sandboxes):
                self._cache.delete(uid)
        elif not self._cache.set(uid, observed, stamp=self._cache.stamp_of(age_seconds)):
            return  # what is known is newer
        for type_ in _LIFECYCLE[event.type]:
            self._generic.deliver(PodLifecycleEvent(uid, type_, event.container_id))

    def _last(self, uid: PodUID) -> ObservedPod:
        try:
            return self._cache.get(uid)
        except CRIError:
            return ObservedPod(uid=uid)


def observed_pod(event: ContainerEvent, *, observed_at: float) -> ObservedPod | None:
    """Return the pod as an event shows it (GeneratePodStatus upstream), with the event's sandbox alone.

    None for an event of a pod whose sandbox went away before the runtime could describe it.
    """
    if event.sandbox is None or not event.sandbox.uid:
        return None
    return ObservedPod(
        uid=event.sandbox.uid,
        name=event.sandbox.name,
        namespace=event.sandbox.namespace,
        sandboxes=(event.sandbox,),
        containers=newest_first(map(with_termination_message, event.containers)),
        ips=event.sandbox.ips,
        observed_at=observed_at,
    )


class _Metrics:
    """What is measured about streams. Counters upstream, but the Python client would name them …_total."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.failures = Gauge(
            "kubelet_evented_pleg_connection_error_count",
            "The number of errors encountered during the establishment of streaming connection with the CRI runtime.",
            registry=registry,
        )
        self.connections = Gauge(
            "kubelet_evented_pleg_connection_success_count",
            "The number of times a streaming client was obtained to receive CRI Events.",
            registry=registry,
        )
        self.latency = Histogram(
            "kubelet_evented_pleg_connection_latency_seconds",
            "The latency of streaming connection with the CRI runtime, measured in seconds.",
            buckets=DEFAULT_BUCKETS,
            registry=registry,
        )
