"""The generic PLEG: lists what is in the runtime, compares it with the last list, and reports what changed.

A relist of everything begins one second after the last one's end, or five minutes after it while the runtime streams
its events (see `evented`). After a sync that did something the pod alone is
relisted at once, so that its worker need not wait for that second. Before an event is delivered, the pod's state has
been read into the cache.

A container that is created, dies and is removed between two relists is never seen; nobody may rely on ContainerDied for
correctness. Upstream: pkg/kubelet/pleg/generic.go.
"""

import asyncio
import contextvars
import logging
import random
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge, Histogram

from kubeletsim.base.duration import Duration
from kubeletsim.base.timing import Clock, every
from kubeletsim.model.errors import CRIError
from kubeletsim.model.runtime import (
    ContainerState,
    ObservedPod,
    PodLifecycleEvent,
    PodLifecycleEventType,
    PodUID,
    RuntimePod,
    SandboxState,
)
from kubeletsim.pleg.cache import PodCache
from kubeletsim.pleg.reader import RuntimeReader

log = logging.getLogger(__name__)

EVENT_CAPACITY = 1000
REQUEST_CAPACITY = 200

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The Go client's, which the Python client's differ from."""

_Type = PodLifecycleEventType


@dataclass(frozen=True, slots=True)
class RelistTiming:
    """How often everything is listed."""

    period_seconds: float = 1.0
    """From the end of a relist to the begin of the next."""
    threshold_seconds: float = 180.0
    """Without a relist for this long the PLEG is not healthy, and the sync loop stands still."""


def diff_pods(old: RuntimePod | None, new: RuntimePod | None) -> list[PodLifecycleEvent]:
    """Return what happened to a pod between two lists; a sandbox counts as one of its containers."""
    before, after = _states(old), _states(new)
    uid = (new or old or RuntimePod(uid=PodUID(""), name="", namespace="")).uid
    return [
        PodLifecycleEvent(uid, type_, id_)
        for id_ in dict.fromkeys([*before, *after])
        for type_ in _event_types(before.get(id_), after.get(id_))
    ]


def _states(pod: RuntimePod | None) -> dict[str, ContainerState]:
    """Return the states of a pod's containers and sandboxes; a created container is as good as unknown."""
    if pod is None:
        return {}
    states: dict[str, ContainerState] = {
        container.id: ContainerState.UNKNOWN if container.state is ContainerState.CREATED else container.state
        for container in pod.containers
    }
    for sandbox in pod.sandboxes:
        ready = sandbox.state is SandboxState.READY
        states[sandbox.id] = ContainerState.RUNNING if ready else ContainerState.EXITED
    return states


def _event_types(old: ContainerState | None, new: ContainerState | None) -> Iterator[PodLifecycleEventType]:
    if old is new:
        return
    match new:
        case ContainerState.RUNNING:
            yield _Type.CONTAINER_STARTED
        case ContainerState.EXITED:
            yield _Type.CONTAINER_DIED
        case None:
            if old is not ContainerState.EXITED:  # else its death was reported before
                yield _Type.CONTAINER_DIED
            yield _Type.CONTAINER_REMOVED
        case _:
            yield _Type.CONTAINER_CHANGED


class GenericPLEG:
    """Watches the runtime by listing it.

    Args:
        reader: reads the runtime.
        cache: gets each changed pod's state, and the time of each relist.
        clock: its monotonic time decides about health.
        registry: gets kubelet_pleg_*, kubelet_running_pods and kubelet_running_containers.
        timing: until `retime`.
    """

    def __init__(
        self,
        reader: RuntimeReader,
        *,
        cache: PodCache,
        clock: Clock,
        rng: random.Random,
        registry: CollectorRegistry,
        timing: RelistTiming = RelistTiming(),
    ) -> None:
        self.events: asyncio.Queue[PodLifecycleEvent] = asyncio.Queue(EVENT_CAPACITY)
        """What happened, for the sync loop; when it is full, events are dropped and counted."""
        self._reader = reader
        self._cache = cache
        self._clock = clock
        self._rng = rng
        self.metrics = PLEGMetrics(registry)
        self._timing = timing
        self._retimed = asyncio.Event()
        self._requests: asyncio.Queue[tuple[PodUID, float]] = asyncio.Queue(REQUEST_CAPACITY)
        self._one_at_a_time = asyncio.Lock()
        self._known: dict[PodUID, RuntimePod] = {}
        self._unread: set[PodUID] = set()
        self._relisted_at: float | None = None
        self.has_relisted = False
        """Whether every pod of the runtime has been looked at once."""

    async def run(self) -> None:
        """Relist each second, or as `retime` has it, and single pods on demand; never returns."""
        async with asyncio.TaskGroup() as tasks:
            relists = every(
                lambda: self._timing.period_seconds,
                self.relist,
                name="PLEG relist",
                rng=self._rng,
                hurry=self._retimed,
            )
            # Whoever runs the PLEG, its calls are roots.
            tasks.create_task(relists, name="pleg/relist", context=contextvars.Context())
            tasks.create_task(self._serve_requests(), name="pleg/on-demand", context=contextvars.Context())

    def retime(self, timing: RelistTiming) -> None:
        """Relist at once, and from then on at other intervals."""
        self._timing = timing
        self._retimed.set()

    def request_relist(self, uid: PodUID) -> None:
        """Ask for a relist of one pod as soon as possible; dropped when too many wait, the next full one will do."""
        try:
            self._requests.put_nowait((uid, self._clock.monotonic()))
        except asyncio.QueueFull:
            log.error("Relist request channel full; dropping relist request of pod %s", uid)  # noqa: TRY400

    def health_problem(self) -> str | None:
        """Say why the PLEG is not healthy; None when it is. RuntimeState puts `PLEG is not healthy: ` in front."""
        if self._relisted_at is None:
            return "pleg has yet to be successful"
        elapsed_seconds = self._clock.monotonic() - self._relisted_at
        threshold_seconds = self._timing.threshold_seconds
        if elapsed_seconds <= threshold_seconds:
            return None
        elapsed, threshold = Duration.of(seconds=elapsed_seconds), Duration.of(seconds=threshold_seconds)
        return f"pleg was last seen active {elapsed} ago; threshold is {threshold}"

    async def relist(self) -> None:
        """List everything and report what changed. A runtime that does not answer is logged; nothing changes then."""
        async with self._one_at_a_time:
            started = self._clock.monotonic()
            if self._relisted_at is not None:
                self.metrics.interval.observe(started - self._relisted_at)
            try:
                await self._relist_all(started)
            except CRIError as error:
                log.error("Unable to retrieve pods: %s", error)  # noqa: TRY400  expected, no traceback
            finally:
                self.metrics.duration.observe(self._clock.monotonic() - started)

    async def _relist_all(self, started: float) -> None:
        stamp = self._cache.stamp()
        pods = await self._reader.list_pods()
        self._relisted_at = started
        self.metrics.seen(pods, now=self._clock.now())
        for uid in dict.fromkeys([*self._known, *pods]):
            await self._inspect(uid, pods.get(uid), stamp=stamp)
        self._cache.update_time(stamp)
        self.has_relisted = True

    async def _serve_requests(self) -> None:
        while True:
            uid, asked_at = await self._requests.get()
            async with self._one_at_a_time:
                if self._relisted_at is None or asked_at > self._relisted_at:  # else everything was listed since
                    await self._relist_pod(uid)

    async def _relist_pod(self, uid: PodUID) -> None:
        started, stamp = self._clock.monotonic(), self._cache.stamp()
        try:
            pods = await self._reader.list_pods(uid=uid)
        except CRIError as error:  # the next relist of everything will do
            log.error("Unable to retrieve pod %s: %s", uid, error)  # noqa: TRY400  expected, no traceback
        else:
            await self._inspect(uid, pods.get(uid), stamp=stamp)
            self._cache.set_observed(uid, stamp=stamp)
        finally:
            self.metrics.pod_duration.observe(self._clock.monotonic() - started)

    async def _inspect(self, uid: PodUID, pod: RuntimePod | None, *, stamp: float) -> None:
        """Compare a pod, listed after `stamp`, with what was known; when it changed, read it and deliver its events."""
        events = diff_pods(self._known.get(uid), pod)
        if not events and uid not in self._unread:
            return
        if not await self._update_cache(uid, pod, stamp=stamp):
            return  # what is known stays as it was, so that the next relist finds the same events again
        if not events:  # it could not be read before: whatever is new, somebody has to look
            events = [PodLifecycleEvent(uid, _Type.POD_SYNC)]
        if pod is None:
            self._known.pop(uid, None)
        else:
            self._known[uid] = pod
        for event in events:
            if event.type is not _Type.CONTAINER_CHANGED:
                self.deliver(event)

    async def _update_cache(self, uid: PodUID, pod: RuntimePod | None, *, stamp: float) -> bool:
        """Read the pod's state into the cache; tell whether it is there now.

        What is read is as new as the list that named it: a container made since then is not in it.
        """
        if pod is None:
            self._cache.delete(uid)
            self._unread.discard(uid)
            return True
        try:
            observed = await self._reader.read_status(pod)
        except CRIError as error:
            log.warning("Unable to read the status of pod %s_%s(%s): %s", pod.name, pod.namespace, uid, error)
            self._cache.set(uid, ObservedPod(uid=uid), stamp=stamp, error=error)
            self._unread.add(uid)
            return False
        self._unread.discard(uid)
        return self._cache.set(uid, observed, stamp=stamp)

    def deliver(self, event: PodLifecycleEvent) -> None:
        """Tell the sync loop of an event, unless too many wait for it already."""
        try:
            self.events.put_nowait(event)
        except asyncio.QueueFull:
            self.metrics.discarded.inc()
            log.error("Event channel is full, discard this relist() cycle event %s", event)  # noqa: TRY400


class PLEGMetrics:
    """What is measured about relists and seen in them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def histogram(name: str, text: str) -> Histogram:
            return Histogram(f"kubelet_{name}", text, buckets=DEFAULT_BUCKETS, registry=registry)

        self.duration = histogram("pleg_relist_duration_seconds", "Duration in seconds for relisting pods in PLEG.")
        self.interval = histogram("pleg_relist_interval_seconds", "Interval in seconds between relisting in PLEG.")
        self.pod_duration = histogram(
            "pleg_pod_relist_duration_seconds", "Duration in seconds for relisting a single pod in PLEG."
        )
        # A counter upstream, but the Python client would name it kubelet_pleg_discard_events_total.
        self.discarded = Gauge(
            "kubelet_pleg_discard_events", "The number of discard events in PLEG.", registry=registry
        )
        self.last_seen = Gauge(
            "kubelet_pleg_last_seen_seconds", "Timestamp in seconds when PLEG was last seen active.", registry=registry
        )
        self._pods = Gauge("kubelet_running_pods", "Number of pods that have a running pod sandbox", registry=registry)
        self._containers = Gauge(
            "kubelet_running_containers",
            "Number of containers currently running",
            ["container_state"],
            registry=registry,
        )

    def seen(self, pods: dict[PodUID, RuntimePod], *, now: float) -> None:
        """Count what a relist found; `now` is Unix seconds."""
        self.last_seen.set(int(now))
        self._pods.set(sum(pod.has_ready_sandbox for pod in pods.values()))
        states = [container.state for pod in pods.values() for container in pod.containers]
        for state in ContainerState:
            self._containers.labels(state.name.lower()).set(states.count(state))

    def changed(self, before: ObservedPod, after: ObservedPod) -> None:
        """Count what an event made of one pod."""
        self._pods.inc(after.has_ready_sandbox - before.has_ready_sandbox)
        for state in ContainerState:
            more, fewer = (sum(one.state is state for one in pod.containers) for pod in (after, before))
            self._containers.labels(state.name.lower()).inc(more - fewer)
