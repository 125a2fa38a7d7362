"""The sync loop: takes what happens, one thing after another, and passes pods to their workers.

Sources of events are the pod configuration, the PLEG, the probes, a tick each second that asks the work queue who is
due, and a tick each two seconds for housekeeping. While the runtime has errors nothing is taken. The loop itself does
little and waits only for admission, which asks the runtime's Version and may have to end a pod, and for housekeeping's
two lists: the work is the workers'.

All PLEG events that are there are taken in one turn, before any worker runs: the start of a sandbox and of its
containers is one cause for a sync, not three. Upstream: syncLoop and syncLoopIteration in pkg/kubelet/kubelet.go.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from lightkube.models.core_v1 import Pod
from opentelemetry.context import Context, attach, detach

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import CRIError
from kubeletsim.model.pod import metadata, pod_uid
from kubeletsim.model.runtime import ObservedPod, PodLifecycleEvent, PodLifecycleEventType, PodUID
from kubeletsim.pods.admitter import PodAdmitter
from kubeletsim.pods.container_deletor import ContainerDeletor
from kubeletsim.pods.housekeeping import Housekeeper
from kubeletsim.pods.pod_manager import PodManager
from kubeletsim.pods.probes import ProbeKind, ProbeResult, ProbeUpdate
from kubeletsim.pods.sources import PodConfig, PodOp, PodUpdate
from kubeletsim.pods.status import is_past_deadline, with_ready, with_started
from kubeletsim.pods.status_manager import StatusManager
from kubeletsim.pods.sync import UpdateType
from kubeletsim.pods.work_queue import WorkQueue
from kubeletsim.pods.workers import PodWorkers

log = logging.getLogger(__name__)

SYNC_TICK_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 2.0
HOUSEKEEPING_WARNING_SECONDS = 1.0
FIRST_GATE_PAUSE_SECONDS = 0.1
LONGEST_GATE_PAUSE_SECONDS = 5.0


class CachedPods(Protocol):
    """What this module needs of the PLEG's cache."""

    def get(self, uid: PodUID) -> ObservedPod:
        """Return the last observation; CRIError when it could not be made."""


class SyncLoop:
    """The node's heart beat.

    Args:
        config: the pods to run, as a stream of updates.
        pleg_events: what happened in the runtime.
        probe_updates: what has changed in what is held of containers.
        observed: the PLEG's cache.
        pods: where the wanted pods are kept.
        statuses: since when each of them is active.
        workers: who does the work.
        queue: who is due.
        admitter: who may come.
        deletor: removes dead containers.
        housekeeper: cleans up.
        runtime_errors: why nothing may be done now; empty when all is well.
        clock: its monotonic time; its wall clock ends deadlines.
    """

    def __init__(
        self,
        *,
        config: PodConfig,
        pleg_events: asyncio.Queue[PodLifecycleEvent],
        probe_updates: asyncio.Queue[ProbeUpdate],
        observed: CachedPods,
        pods: PodManager,
        statuses: StatusManager,
        workers: PodWorkers,
        queue: WorkQueue,
        admitter: PodAdmitter,
        deletor: ContainerDeletor,
        housekeeper: Housekeeper,
        runtime_errors: Callable[[], Sequence[str]],
        clock: Clock,
    ) -> None:
        self._config = config
        self._pleg_events = pleg_events
        self._probe_updates = probe_updates
        self._observed = observed
        self._pods = pods
        self._statuses = statuses
        self._workers = workers
        self._queue = queue
        self._admitter = admitter
        self._deletor = deletor
        self._housekeeper = housekeeper
        self._runtime_errors = runtime_errors
        self._clock = clock
        self._last_turn: float | None = None
        self._gate_pause_seconds = FIRST_GATE_PAUSE_SECONDS

    def last_sync_loop(self) -> float | None:
        """Return when the loop last took a turn, in monotonic seconds; None before the first."""
        return self._last_turn

    async def run(self) -> None:
        """Turn for ever."""
        token = attach(Context())  # what the loop calls itself is a root, whoever started the loop
        try:
            async with asyncio.TaskGroup() as tasks:
                inbox = _Inbox(
                    _Mailbox(self._config.updates, tasks, name="sync-loop/config"),
                    _Mailbox(self._pleg_events, tasks, name="sync-loop/pleg"),
                    _Mailbox(self._probe_updates, tasks, name="sync-loop/probes"),
                )
                ticks = _Ticks(self._clock.monotonic())
                while True:
                    if await self._is_gated():
                        continue
                    self._last_turn = self._clock.monotonic()
                    await self._turn(inbox, ticks)
                    self._last_turn = self._clock.monotonic()
        finally:
            detach(token)

    async def _is_gated(self) -> bool:
        """Pause when the runtime has errors, longer each time; tell whether there was cause."""
        errors = self._runtime_errors()
        if not errors:
            self._gate_pause_seconds = FIRST_GATE_PAUSE_SECONDS
            return False
        log.error("Skipping pod synchronization: %s", ", ".join(errors))
        await asyncio.sleep(self._gate_pause_seconds)
        self._gate_pause_seconds = min(2 * self._gate_pause_seconds, LONGEST_GATE_PAUSE_SECONDS)
        return True

    async def _turn(self, inbox: "_Inbox", ticks: "_Ticks") -> None:
        """Wait for the next thing to happen and deal with it; one turn may find several."""
        await inbox.wait(timeout_seconds=ticks.next_seconds(self._clock.monotonic()))
        updates = inbox.config.take(at_most=1)
        for update in updates:
            await self._handle_update(update)
        if not updates:  # else the workers of new pods begin first: an event would take their first update's place
            for event in inbox.events.take():
                self._handle_event(event)
            for probed in inbox.probes.take():
                self._handle_probe(probed)
        now = self._clock.monotonic()
        if ticks.sync_is_due(now):
            self._sync_due_pods()
        if ticks.housekeeping_is_due(now) and self._config.sources_ready():
            await self._housekeep()

    async def _handle_update(self, update: PodUpdate) -> None:
        match update.op:
            case PodOp.ADD:
                for pod in sorted(update.pods, key=_created):
                    await self._add(pod)
            case PodOp.UPDATE | PodOp.DELETE:  # a deletion with its grace period is an update with a timestamp
                for pod in update.pods:
                    self._pods.set(pod)
                    self._workers.update_pod(UpdateType.UPDATE, pod=pod)
            case PodOp.REMOVE:
                for pod in update.pods:
                    self._remove(pod)
            case PodOp.RECONCILE:
                for pod in update.pods:
                    self._pods.set(pod)
        self._config.handled(update)

    async def _add(self, pod: Pod) -> None:
        self._pods.set(pod)
        if await self._admitter.admit(pod):
            self._workers.update_pod(UpdateType.CREATE, pod=pod)

    def _remove(self, pod: Pod) -> None:
        self._pods.remove(pod)
        if self._config.sources_ready():
            self._workers.update_pod(UpdateType.KILL, pod=pod)
        else:  # another source may still want it; housekeeping will see to it once all have reported
            log.info("Pod %s is not removed before every source has reported", pod_uid(pod))

    def _handle_event(self, event: PodLifecycleEvent) -> None:
        pod = self._pods.get(event.uid)
        if pod is not None and event.type is not PodLifecycleEventType.CONTAINER_REMOVED:
            self._workers.update_pod(UpdateType.SYNC, pod=pod)
        if event.type is PodLifecycleEventType.CONTAINER_DIED:
            self._delete_dead_containers(event)

    def _handle_probe(self, update: ProbeUpdate) -> None:
        """Show what probes say, and sync the pod that it is about; that a container lives is no news."""
        if update.kind is ProbeKind.LIVENESS and update.result is not ProbeResult.FAILURE:
            return
        pod = self._pods.get(update.uid)
        if pod is None:
            return
        good, status = update.result is ProbeResult.SUCCESS, self._statuses.get(update.uid)
        if status is not None and update.kind is ProbeKind.READINESS:
            changed = with_ready(pod, status, update.container_id, ready=good, now=self._clock.now())
            self._statuses.set(pod, changed)
        elif status is not None and update.kind is ProbeKind.STARTUP:
            self._statuses.set(pod, with_started(status, update.container_id, started=good))
        self._workers.update_pod(UpdateType.SYNC, pod=pod)

    def _delete_dead_containers(self, event: PodLifecycleEvent) -> None:
        try:
            observed = self._observed.get(event.uid)
        except CRIError:
            return  # nothing is known of the pod now; garbage collection comes by
        if self._workers.should_content_be_removed(event.uid):
            self._deletor.delete_all(observed)
        else:
            self._deletor.delete_dead(observed, exited_id=event.container_id)

    def _sync_due_pods(self) -> None:
        due = self._queue.take_due()
        for pod in self._pods.pods():
            if pod_uid(pod) in due or self._is_overdue(pod):
                self._workers.update_pod(UpdateType.SYNC, pod=pod)

    def _is_overdue(self, pod: Pod) -> bool:
        """Tell whether a pod that has passed its deadline has not been told to end yet; its next sync will find out."""
        uid = pod_uid(pod)
        if self._workers.is_going_down(uid) or self._pods.is_rejected(uid):
            return False
        status = self._statuses.get(uid)
        return is_past_deadline(pod, started=status.startTime if status else None, now=self._clock.now())

    async def _housekeep(self) -> None:
        started = self._clock.monotonic()
        try:
            await self._housekeeper.clean_up()
        except Exception:  # a bug, but not one that may cost the node its heart beat
            log.exception("Failed cleaning pods")
        took_seconds = self._clock.monotonic() - started
        if took_seconds > HOUSEKEEPING_WARNING_SECONDS:
            log.error("Housekeeping took longer than expected: %.3fs", took_seconds)


Item = TypeVar("Item")


class _Mailbox(Generic[Item]):
    """A queue, and a wait for its next item; what is taken from the queue is never lost."""

    def __init__(self, queue: asyncio.Queue[Item], tasks: asyncio.TaskGroup, *, name: str) -> None:
        self._queue, self._tasks, self._name = queue, tasks, name
        self.next = tasks.create_task(queue.get(), name=name)

    def take(self, *, at_most: int | None = None) -> list[Item]:
        """Return the items that are there, oldest first."""
        if not self.next.done():
            return []
        items = [self.next.result()]
        while not self._queue.empty() and (at_most is None or len(items) < at_most):
            items.append(self._queue.get_nowait())
        self.next = self._tasks.create_task(self._queue.get(), name=self._name)
        return items


@dataclass(frozen=True, slots=True)
class _Inbox:
    """The queues, and a wait for any of them."""

    config: _Mailbox[PodUpdate]
    events: _Mailbox[PodLifecycleEvent]
    probes: _Mailbox[ProbeUpdate]

    async def wait(self, *, timeout_seconds: float) -> None:
        """Return when something is there, or the time is up."""
        every: set[asyncio.Task[Any]] = {self.config.next, self.events.next, self.probes.next}
        await asyncio.wait(every, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)


class _Ticks:
    """When to look for due pods and when to clean up: at a fixed rate, and what was missed is not made up for."""

    def __init__(self, now: float) -> None:
        self._sync = now + SYNC_TICK_SECONDS
        self._housekeeping = now + HOUSEKEEPING_SECONDS

    def next_seconds(self, now: float) -> float:
        """Return how long it is until the next tick."""
        return max(0.0, min(self._sync, self._housekeeping) - now)

    def sync_is_due(self, now: float) -> bool:
        """Tell whether the second is over, and begin the next."""
        due = now >= self._sync
        self._sync = _next(self._sync, now, SYNC_TICK_SECONDS)
        return due

    def housekeeping_is_due(self, now: float) -> bool:
        """Tell whether it is time to clean up, and begin the next period."""
        due = now >= self._housekeeping
        self._housekeeping = _next(self._housekeeping, now, HOUSEKEEPING_SECONDS)
        return due


def _next(tick: float, now: float, period: float) -> float:
    """Return the first tick after now."""
    return tick if now < tick else tick + period * (1 + (now - tick) // period)


def _created(pod: Pod) -> float:
    """Return what additions are sorted by, oldest first; static pods have no creation time and come as they are."""
    created = metadata(pod).creationTimestamp
    return created.timestamp() if created is not None else 0.0
