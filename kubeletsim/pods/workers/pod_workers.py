"""The pod workers: a pod is never worked on twice at a time, and no pod waits for another.

Updates coalesce: a worker that is busy finds only the latest when it is done. Before a run it waits until the PLEG's
cache is newer than its last run; after a run the work queue brings the pod back some day. When a worker moves to
another state it repeats its last update there, again after the cache has become newer, hence the up to one second
between syncTerminatingPod and syncTerminatedPod.

Workers are tasks of `run`, begun with an empty context: nothing they do may hang under the span of whoever woke them.
Upstream: pkg/kubelet/pod_workers.go; `pods/lifecycle.py` has the states and the rules about time. A pod that is to end
does not interrupt what its sync has begun in the runtime, there as here.
"""

import asyncio
import contextvars
import logging
import math
import random
from collections.abc import Callable, Iterable

from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Histogram

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import CRIError, KubeletSimError
from kubeletsim.model.events import EventRecorder
from kubeletsim.model.pod import full_name, is_static, metadata, pod_uid, regular_containers
from kubeletsim.model.runtime import ObservedPod, PodUID, RuntimePod
from kubeletsim.pods.failures import PodNotKilledInTime
from kubeletsim.pods.lifecycle import (
    REQUEUE_AFTER_ERROR_SECONDS,
    REQUEUE_JITTER,
    WorkerEvent,
    WorkerState,
    effective_grace_seconds,
    requeue_seconds,
)
from kubeletsim.pods.pod_events import pod_event
from kubeletsim.pods.status import TERMINAL_PHASES
from kubeletsim.pods.sync import DEFAULT_BUCKETS, SyncOutcome, UpdateType
from kubeletsim.pods.work_queue import WorkQueue
from kubeletsim.pods.workers.seams import ObservedPods, PodSyncer
from kubeletsim.pods.workers.static_pods import StaticPods
from kubeletsim.pods.workers.worker import Kill, Worker, WorkerUpdate

log = logging.getLogger(__name__)

NEVER = -math.inf
LEAST_KILL_PATIENCE_SECONDS = 10.0
KILL_PATIENCE_PER_GRACE_SECOND = 1.5
CONTAINERS_PER_POD_BUCKETS = (1, 2, 4, 8, 16)


class PodWorkers:
    """Every pod's worker.

    Args:
        sync: what workers do.
        observed: the PLEG's cache.
        queue: brings pods back later.
        sync_frequency_seconds: syncFrequency, how often a pod is looked at without a cause.
        request_relist: asks the PLEG to look at a pod at once.
        jitter: gives each pod, by its full name, what the jitter of its requeues is drawn from; what one pod draws
            depends neither on the others nor on how often they ran.
        record: takes FailedSync and ExceededGracePeriod.
        registry: gets kubelet_pod_worker_duration_seconds and kubelet_containers_per_pod_count.
    """

    def __init__(
        self,
        sync: PodSyncer,
        *,
        observed: ObservedPods,
        queue: WorkQueue,
        sync_frequency_seconds: float,
        request_relist: Callable[[PodUID], None],
        clock: Clock,
        jitter: Callable[[str], random.Random],
        record: EventRecorder,
        registry: CollectorRegistry,
    ) -> None:
        self._sync = sync
        self._observed = observed
        self._queue = queue
        self._sync_frequency_seconds = sync_frequency_seconds
        self._request_relist = request_relist
        self._clock = clock
        self._jitter = jitter
        self._record = record
        self._workers: dict[PodUID, Worker] = {}
        self._launches: asyncio.Queue[Worker] = asyncio.Queue()
        self._static = StaticPods()
        self._pods_synced = False
        self._duration = Histogram(
            "kubelet_pod_worker_duration_seconds",
            "Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync",
            ["operation_type"],
            buckets=DEFAULT_BUCKETS,
            registry=registry,
        )
        self._containers_per_pod = Histogram(
            "kubelet_containers_per_pod_count",
            "The number of containers per pod.",
            buckets=CONTAINERS_PER_POD_BUCKETS,
            registry=registry,
        )

    async def run(self) -> None:
        """Own the workers' tasks; never returns, and when it is cancelled none is left."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                worker = await self._launches.get()
                name = f"pod-worker/{worker.full_name}"
                tasks.create_task(self._work(worker), name=name, context=contextvars.Context())

    def update_pod(
        self,
        update_type: UpdateType,
        *,
        pod: Pod | None = None,
        running_pod: RuntimePod | None = None,
        kill: Kill | None = None,
    ) -> None:
        """Have a pod's worker look at it; returns at once.

        Args:
            update_type: why. KILL ends the pod; so do a deletion timestamp and a terminal phase.
            pod: the pod as it is to be.
            running_pod: instead of `pod`, what the runtime shows of a pod that no source knows; can only be killed.
            kill: how it is to end.
        """
        if pod is not None:
            worker, is_new = self._worker(pod_uid(pod), full_name(pod))
        elif running_pod is not None and update_type is UpdateType.KILL:
            worker, is_new = self._worker(running_pod.uid, f"{running_pod.name}_{running_pod.namespace}")
            worker.seen_in_runtime = True
        else:
            raise ValueError("a pod without a spec can only be killed")
        if worker.is_going_down and update_type is UpdateType.CREATE and not is_new:
            worker.restart_requested = True
            worker.story.append("added again while it ends")
            return
        if worker.state is WorkerState.FINISHED or (worker.has_stopped and pod is None):
            return
        self._end_if_due(worker, update_type, pod, kill or Kill())
        spec = pod or worker.pod
        worker.put(
            WorkerUpdate(
                update_type=update_type,
                pod=spec,
                running_pod=running_pod if spec is None else None,
                asked_at=self._clock.monotonic(),
            )
        )
        if not worker.launched:
            worker.launched = True
            if spec is not None and is_static(spec):
                self._static.queue(worker)
            self._launches.put_nowait(worker)

    async def kill_pod(self, pod: Pod, kill: Kill) -> None:
        """End a pod and wait until nothing of it runs, as eviction, preemption and shutdown do (killPodNow upstream).

        Raises:
            PodNotKilledInTime: it took longer than half as much again as its grace period.
        """
        self.update_pod(UpdateType.KILL, pod=pod, kill=kill)
        worker = self._workers[pod_uid(pod)]
        patience = max(LEAST_KILL_PATIENCE_SECONDS, KILL_PATIENCE_PER_GRACE_SECOND * (worker.grace_seconds or 0))
        try:
            async with asyncio.timeout(patience):
                await worker.stopped.wait()
        except TimeoutError:
            text = "Container runtime did not kill the pod within specified grace period."
            self._record(pod_event(pod, "ExceededGracePeriod", text, warning=True))
            raise PodNotKilledInTime("timeout waiting to kill pod") from None

    def sync_known_pods(self, desired: Iterable[Pod]) -> dict[PodUID, Worker]:
        """Reconcile with the configuration: end pods that are in it no more, forget those that have ended.

        Called by housekeeping, once every source has reported. Returns the workers that are left, by pod UID; a desired
        pod that is not among them has to be started (anew).
        """
        self._pods_synced = True
        known = {pod_uid(pod) for pod in desired}
        for uid, worker in list(self._workers.items()):
            orphan = uid not in known
            if (orphan or worker.restart_requested) and self._has_gone(worker, orphan=orphan):
                del self._workers[uid]
                self._static.release(worker)
                self._queue.forget(uid)
        return dict(self._workers)

    def should_content_be_removed(self, uid: PodUID) -> bool:
        """Tell whether nothing of a pod may stay: it was deleted or evicted, and has stopped, or nobody knows it."""
        worker = self._workers.get(uid)
        if worker is None:
            return self._pods_synced
        return worker.evicted or (worker.deleted and worker.has_stopped)

    def is_going_down(self, uid: PodUID) -> bool:
        """Tell whether a pod is known and is to end, or has ended."""
        worker = self._workers.get(uid)
        return worker is not None and worker.is_going_down

    def has_stopped(self, uid: PodUID) -> bool:
        """Tell whether a pod is known and nothing of it runs any more."""
        worker = self._workers.get(uid)
        return worker is not None and worker.has_stopped

    def story(self, uid: PodUID) -> list[str]:
        """Return the last changes of a pod's worker, oldest first; empty for a pod without one."""
        worker = self._workers.get(uid)
        return list(worker.story) if worker is not None else []

    def _worker(self, uid: PodUID, name: str) -> tuple[Worker, bool]:
        worker = self._workers.get(uid)
        if worker is not None:
            return worker, False
        worker = self._workers[uid] = Worker(uid, name, rng=self._jitter(name))
        return worker, True

    def _end_if_due(self, worker: Worker, update_type: UpdateType, pod: Pod | None, kill: Kill) -> None:
        """Move to TERMINATING when there is cause, and shorten the grace period of a termination."""
        deletion = pod is not None and metadata(pod).deletionTimestamp is not None
        phase = pod.status.phase if pod is not None and pod.status is not None else None
        if not worker.is_going_down:
            if not (update_type is UpdateType.KILL or deletion or phase in TERMINAL_PHASES):
                return
            worker.deleted = worker.deleted or deletion or pod is None
            worker.evicted = worker.evicted or kill.evict
            worker.advance(WorkerEvent.KILL)
        if worker.state is WorkerState.TERMINATING:
            worker.grace_seconds = effective_grace_seconds(
                pod or worker.pod, current=worker.grace_seconds, override=kill.grace_seconds
            )
            worker.status_fn = kill.status_fn or worker.status_fn

    def _has_gone(self, worker: Worker, *, orphan: bool) -> bool:
        """Tell whether a worker can be forgotten; drive an orphan to its end otherwise (removeTerminatedWorker)."""
        if worker.state is WorkerState.FINISHED:
            return True
        if not orphan:
            return False
        worker.deleted = True
        if not worker.started and not worker.seen_in_runtime:
            worker.abandon()
            return True
        if not worker.is_going_down:
            worker.advance(WorkerEvent.KILL)
            worker.grace_seconds = effective_grace_seconds(worker.pod, current=None, override=None)
        worker.repeat(asked_at=self._clock.monotonic())
        return False

    async def _work(self, worker: Worker) -> None:
        """Do what the worker is told until its pod has finished."""
        newer_than = NEVER
        while worker.state is not WorkerState.FINISHED:
            await worker.wake.wait()
            worker.wake.clear()
            update = self._take(worker)
            if update is not None:
                newer_than = await self._serve(worker, update, newer_than=newer_than)
        self._static.release(worker)

    def _take(self, worker: Worker) -> WorkerUpdate | None:
        """Return what is pending, unless the worker may not begin yet, or never will (startPodSync upstream)."""
        update, worker.pending = worker.pending, None
        if update is None:
            return None
        if not worker.started and update.pod is not None:
            if is_static(update.pod) and worker.is_going_down:
                worker.abandon()
                return None
            if is_static(update.pod) and not self._static.may_start(worker):
                worker.pending = update
                delay = REQUEUE_AFTER_ERROR_SECONDS * (1 + REQUEUE_JITTER * worker.rng.random())
                self._queue.enqueue(worker.uid, delay_seconds=delay)
                return None
            worker.started = True
            self._containers_per_pod.observe(len(regular_containers(update.pod)))
        worker.active = update
        return update

    async def _serve(self, worker: Worker, update: WorkerUpdate, *, newer_than: float) -> float:
        """Run once for an update; return the stamp that the next run's observation has to be newer than."""
        state, outcome = worker.state, SyncOutcome()
        error: Exception | None = None
        try:
            observed = await self._observe(worker, update, newer_than)
            try:
                outcome = await self._run_once(worker, state, update, observed)
            finally:
                newer_than = self._observed.stamp()
        except KubeletSimError as caught:
            log.error("Error syncing pod %s(%s), skipping: %s", worker.full_name, worker.uid, caught)  # noqa: TRY400
            error = caught
        except Exception as caught:  # a bug; this pod is tried again like any other, and the node goes on
            log.exception("Error syncing pod %s(%s), skipping", worker.full_name, worker.uid)
            error = caught
        if outcome.acted:
            self._request_relist(worker.uid)
        if outcome.again and worker.pending is None:
            worker.put(WorkerUpdate(update_type=UpdateType.UPDATE, pod=update.pod, asked_at=self._clock.monotonic()))
        transition = error is None and self._move_on(worker, state, update, terminal=outcome.terminal)
        self._complete(worker, state, update, error, transition=transition)
        return newer_than

    async def _observe(self, worker: Worker, update: WorkerUpdate, newer_than: float) -> ObservedPod:
        if update.running_pod is not None:
            return ObservedPod(uid=worker.uid)  # what the runtime showed came with the update
        try:
            return await self._observed.get_newer_than(worker.uid, newer_than)
        except CRIError as error:
            if update.pod is not None:
                text = f"error determining status: {error}"
                self._record(pod_event(update.pod, "FailedSync", text, warning=True))
            raise

    async def _run_once(
        self, worker: Worker, state: WorkerState, update: WorkerUpdate, observed: ObservedPod
    ) -> SyncOutcome:
        if update.pod is None:
            if update.running_pod is not None:
                await self._sync.sync_terminating_runtime_pod(update.running_pod)
            return SyncOutcome()
        if state is WorkerState.TERMINATED:
            await self._sync.sync_terminated_pod(update.pod, observed)
        elif state is WorkerState.TERMINATING:
            await self._sync.sync_terminating_pod(
                update.pod, observed, grace_seconds=worker.grace_seconds, status_fn=worker.status_fn
            )
        else:
            return await self._sync.sync_pod(
                update.pod,
                observed,
                update_type=update.update_type,
                going_down=lambda: worker.is_going_down,
            )
        return SyncOutcome()

    def _move_on(self, worker: Worker, state: WorkerState, update: WorkerUpdate, *, terminal: bool) -> bool:
        """Draw the consequences of a run that succeeded; tell whether the worker has more to do in another state."""
        if state is WorkerState.TERMINATED:
            worker.advance(WorkerEvent.CLEANED)
            return False
        if state is WorkerState.TERMINATING:
            worker.advance(WorkerEvent.STOPPED)
            if update.pod is None:  # nobody has a spec of it, so there is nothing to clean up by
                worker.advance(WorkerEvent.CLEANED)
                return False
        elif terminal:
            worker.advance(WorkerEvent.KILL)
        else:
            return False
        worker.repeat(asked_at=self._clock.monotonic())
        return True

    def _complete(
        self, worker: Worker, state: WorkerState, update: WorkerUpdate, error: Exception | None, *, transition: bool
    ) -> None:
        operation = "terminated" if state is WorkerState.TERMINATED else update.update_type.value
        self._duration.labels(operation).observe(self._clock.monotonic() - update.asked_at)
        worker.story.append(f"{state.name} run by {update.update_type.value}: {error or 'done'}")
        if worker.state is WorkerState.FINISHED:
            return
        delay_seconds = requeue_seconds(
            error,
            phase_transition=transition,
            sync_frequency_seconds=self._sync_frequency_seconds,
            now=self._clock.now(),
            rng=worker.rng,
        )
        self._queue.enqueue(worker.uid, delay_seconds=delay_seconds)
