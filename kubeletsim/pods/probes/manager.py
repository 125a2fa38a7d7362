"""The probe manager: a worker for each probe of each wanted pod, and what they say, for syncs and statuses.

A worker runs in the context of the sync that brought its pod, so the ExecSync spans of exec probes are children of
that sync's span although it has long ended: that is what recordings of a real kubelet show.

Upstream: pkg/kubelet/prober/prober_manager.go.
"""

import asyncio
import contextvars
import random
from collections.abc import Callable, Collection

from lightkube.models.core_v1 import Pod, PodStatus

from kubeletsim.base.timing import Clock
from kubeletsim.model.pod import full_name, pod_uid, regular_containers
from kubeletsim.model.runtime import ContainerState, ObservedPod, PodUID
from kubeletsim.pods.actions import ProbeResults, latest
from kubeletsim.pods.probes.metrics import ProbeMetrics
from kubeletsim.pods.probes.prober import Prober
from kubeletsim.pods.probes.results import ProbeUpdate, ResultStore
from kubeletsim.pods.probes.rules import RESTART_GRACE_SECONDS, ProbeKind, ProbeResult, targets
from kubeletsim.pods.probes.worker import ProbeWorker
from kubeletsim.pods.status import ProbeView

Key = tuple[str, ProbeKind]
"""Container name and kind."""


class ProbeManager:
    """Every probe of one node.

    Args:
        prober: runs probes.
        status: returns a pod's newest status; None when there is none.
        metrics: counts.
        clock: what periods and delays are measured with.
        rng: spreads the first probes of a node that has just begun.
    """

    def __init__(
        self,
        prober: Prober,
        *,
        status: Callable[[PodUID], PodStatus | None],
        metrics: ProbeMetrics,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._prober = prober
        self._status = status
        self._metrics = metrics
        self._clock = clock
        self._rng = rng
        self.updates: asyncio.Queue[ProbeUpdate] = asyncio.Queue()
        """What has changed, for the sync loop."""
        self._results = ResultStore(self.updates.put_nowait)
        self._workers: dict[PodUID, dict[Key, ProbeWorker]] = {}
        self._launches: asyncio.Queue[tuple[ProbeWorker, contextvars.Context]] = asyncio.Queue()
        self._started: tuple[float, float] | None = None

    async def run(self) -> None:
        """Own the workers' tasks; never returns, and when it is cancelled none is left."""
        self._begin()
        async with asyncio.TaskGroup() as tasks:
            while True:
                worker, context = await self._launches.get()
                target = worker.target
                name = f"probe/{full_name(target.pod)}/{target.container.name}/{target.kind.value}"
                tasks.create_task(worker.run(), name=name, context=context)

    def add_pod(self, pod: Pod) -> None:
        """Have a pod's containers probed from now on, in the caller's context.

        A probe that has ended begins anew at each sync, such as that of a container which is done in a pod that goes
        on: the first thing it does is to cause the next sync. Upstream stops looking at the first probe that goes on.
        """
        uid = pod_uid(pod)
        started, monotonic = self._begin()
        workers = self._workers.setdefault(uid, {})
        for target in targets(pod):
            present = workers.get((target.container.name, target.kind))
            if present is not None and not present.ended:
                return
            worker = ProbeWorker(
                target,
                prober=self._prober,
                results=self._results,
                status=lambda: self._status(uid),
                metrics=self._metrics,
                clock=self._clock,
                rng=self._rng,
                node_started=started,
                uptime_seconds=self._clock.monotonic() - monotonic,
            )
            workers[target.container.name, target.kind] = worker
            self._launches.put_nowait((worker, contextvars.copy_context()))

    def stop_liveness_and_startup(self, pod: Pod) -> None:
        """End the probes that could kill a container of a pod that is ending; whether it is ready is still asked.

        Those of sidecars go on, as upstream, until nothing of the pod runs.
        """
        regular = {container.name for container in regular_containers(pod)}
        for (name, kind), worker in self._workers.get(pod_uid(pod), {}).items():
            if kind is not ProbeKind.READINESS and name in regular:
                worker.stop()

    def remove_pod(self, uid: PodUID) -> None:
        """End all probes of a pod."""
        for worker in self._workers.pop(uid, {}).values():
            worker.stop()

    def keep_only(self, uids: Collection[PodUID]) -> None:
        """End the probes of all other pods (CleanupPods upstream)."""
        for uid in [uid for uid in self._workers if uid not in uids]:
            self.remove_pod(uid)

    def results(self, uid: PodUID) -> ProbeResults:
        """Return what a sync has to know of a pod's containers."""
        return self._results.of_pod(uid)

    def view(self, pod: Pod, observed: ObservedPod) -> ProbeView:
        """Return what the probes say of a pod's running containers; who is not ready is asked again at once."""
        uid, started, ready = pod_uid(pod), {}, {}
        shown = _shown_as_started(self._status(uid))
        for target in targets(pod):
            name, seen = target.container.name, latest(observed, target.container.name)
            if seen is None or seen.state is not ContainerState.RUNNING:
                continue
            held = self._results.get(target.kind, seen.id)
            if target.kind is ProbeKind.STARTUP:
                if held is not None:
                    started[name] = held is ProbeResult.SUCCESS
                elif self._is_probed(uid, (name, target.kind)):
                    started[name] = name in shown  # until the probe takes note of the new instance
            elif target.kind is ProbeKind.READINESS and started.get(name, True):
                if held is ProbeResult.SUCCESS:
                    ready[name] = True
                elif self._is_probed(uid, (name, target.kind)):
                    ready[name] = False
                    self._workers[uid][name, target.kind].trigger()
                elif seen.started_at / 1e9 < self._begin()[0] - RESTART_GRACE_SECONDS:
                    ready[name] = False  # it was there before this process, and nobody remembers that it was ready
        return ProbeView(started=started, ready=ready)

    def _is_probed(self, uid: PodUID, key: Key) -> bool:
        """Tell whether there is a worker. A pod's first sync shows its status before it brings them, as upstream."""
        worker = self._workers.get(uid, {}).get(key)
        return worker is not None and not worker.ended

    def _begin(self) -> tuple[float, float]:
        """Return when the node began to probe: Unix seconds, monotonic seconds."""
        if self._started is None:
            self._started = self._clock.now(), self._clock.monotonic()
        return self._started


def _shown_as_started(status: PodStatus | None) -> set[str]:
    """Return the containers that the last status showed as started."""
    if status is None:
        return set()
    every = (*(status.initContainerStatuses or ()), *(status.containerStatuses or ()))
    return {shown.name for shown in every if shown.started}
