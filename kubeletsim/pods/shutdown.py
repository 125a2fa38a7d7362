"""Graceful node shutdown: ends the node's pods group by group before the node goes, and lets no new ones in.

A kubelet hears of a shutdown from logind and holds it back; here it is the process' SIGTERM, and the process ends when
the pods have. Upstream: pkg/kubelet/nodeshutdown/nodeshutdown_manager_linux.go, whose wait for the pods' volumes is a
wait here until nothing of a pod is left.
"""

import asyncio
import logging
from collections.abc import Sequence

from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Gauge

from kubeletsim.base.timing import Clock
from kubeletsim.model.events import Event, EventRecorder, ObjectReference
from kubeletsim.model.pod import describe, pod_uid
from kubeletsim.pods.admission import Rejection
from kubeletsim.pods.disruption import disrupted
from kubeletsim.pods.failures import PodNotKilledInTime
from kubeletsim.pods.shutdown_plan import PriorityPeriod, ShutdownGroup, grace_seconds, shutdown_groups
from kubeletsim.pods.status_manager import StatusManager
from kubeletsim.pods.workers import Kill, PodWorkers

log = logging.getLogger(__name__)

MESSAGE = "Pod was terminated in response to imminent node shutdown."
POLL_SECONDS = 0.1


class NodeShutdown:
    """Shuts the node's pods down.

    Args:
        periods: from `shutdown_periods`; without any, shutdowns are not graceful and pods are left running.
        workers: who ends pods.
        statuses: tells of which pods nothing is left.
        record: takes NodeShutdown.
        node: the node, as its events name it.
        registry: gets kubelet_graceful_shutdown_start_time_seconds and its end.
    """

    def __init__(
        self,
        periods: Sequence[PriorityPeriod],
        *,
        workers: PodWorkers,
        statuses: StatusManager,
        clock: Clock,
        record: EventRecorder,
        node: ObjectReference,
        registry: CollectorRegistry,
    ) -> None:
        self._periods = tuple(periods)
        self._workers = workers
        self._statuses = statuses
        self._clock = clock
        self._record = record
        self._node = node
        self._under_way = False
        self._start_time, self._end_time = (
            Gauge(
                f"kubelet_graceful_shutdown_{which}_time_seconds",
                f"Last graceful shutdown {which} time since unix epoch in seconds",
                registry=registry,
            )
            for which in ("start", "end")
        )

    @property
    def is_graceful(self) -> bool:
        """Whether pods are ended before the node goes."""
        return bool(self._periods)

    def refusal(self, pod: Pod) -> Rejection | None:  # noqa: ARG002  no pod is an exception
        """Return why no pod may come any more, once the node is shutting down."""
        if not self._under_way:
            return None
        return Rejection("NodeShutdown", "Pod was rejected as the node is shutting down.")

    async def shut_down(self, pods: Sequence[Pod]) -> None:
        """End the pods; returns when nothing of them is left, or the time of their groups is up.

        Args:
            pods: the node's active pods.
        """
        self._under_way = True
        self._start_time.set(self._clock.now())
        log.info("Shutdown manager detected new shutdown event: %d pods to end", len(pods))
        self._record(Event(regarding=self._node, reason="Shutdown", message="Shutdown manager detected shutdown event"))
        for group in shutdown_groups(pods, self._periods):
            try:
                async with asyncio.timeout(group.seconds):
                    await self._end(group)
            except TimeoutError:
                log.warning("Shutdown manager pod killing time out: %d pods had %d s", len(group.pods), group.seconds)
        self._end_time.set(self._clock.now())

    async def _end(self, group: ShutdownGroup) -> None:
        async with asyncio.TaskGroup() as tasks:
            for pod in group.pods:
                tasks.create_task(self._end_pod(pod, group), name=f"shutdown/{pod_uid(pod)}")

    async def _end_pod(self, pod: Pod, group: ShutdownGroup) -> None:
        seconds = grace_seconds(pod, group)
        log.info("Shutdown manager killing pod %s with a grace period of %d s", describe(pod), seconds)
        status_fn = disrupted(reason="Terminated", message=MESSAGE, now=self._clock.now(), keep_success=True)
        try:
            await self._workers.kill_pod(pod, Kill(grace_seconds=seconds, status_fn=status_fn))
        except PodNotKilledInTime as error:
            log.error("Shutdown manager failed killing pod %s: %s", describe(pod), error)  # noqa: TRY400  expected
            return
        log.info("Shutdown manager finished killing pod %s", describe(pod))
        while not self._has_finished(pod):  # noqa: ASYNC110  polled as upstream polls for volumes to be unmounted
            await asyncio.sleep(POLL_SECONDS)

    def _has_finished(self, pod: Pod) -> bool:
        kept = self._statuses.versioned(pod_uid(pod))
        return kept is None or kept.finished
