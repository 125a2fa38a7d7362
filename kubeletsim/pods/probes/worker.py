"""A probe worker: one container's probe of one kind, again and again.

It looks up the newest instance in the pod's status each time, so it lives as long as the pod is wanted and not as long
as a process. Its first look comes at once; on a node that has only just begun it comes at a random moment of the first
period, so that a restarted node does not probe everything at the same time.

Upstream: pkg/kubelet/prober/worker.go.
"""

import asyncio
import logging
import random
from collections.abc import Callable

from lightkube.models.core_v1 import PodStatus

from kubeletsim.base.timing import Clock
from kubeletsim.model.pod import describe, pod_uid
from kubeletsim.model.runtime import ContainerID
from kubeletsim.pods.probes.metrics import ProbeMetrics
from kubeletsim.pods.probes.prober import Prober
from kubeletsim.pods.probes.results import ResultStore
from kubeletsim.pods.probes.rules import Action, ProbeKind, ProbeResult, Streak, Target, next_turn

log = logging.getLogger(__name__)


class ProbeWorker:
    """Probes one container for one purpose.

    Args:
        target: what, how and what for.
        prober: runs the probe.
        results: where what is held of the container is kept.
        status: returns the pod's newest status.
        metrics: counts.
        node_started: when the node began to probe, in Unix seconds.
        uptime_seconds: how long ago that was.
    """

    def __init__(
        self,
        target: Target,
        *,
        prober: Prober,
        results: ResultStore,
        status: Callable[[], PodStatus | None],
        metrics: ProbeMetrics,
        clock: Clock,
        rng: random.Random,
        node_started: float,
        uptime_seconds: float,
    ) -> None:
        self.target = target
        self._prober = prober
        self._results = results
        self._status = status
        self._metrics = metrics
        self._clock = clock
        self._rng = rng
        self._node_started = node_started
        self._period_seconds = float(target.probe.periodSeconds or 10)
        self._starts_late = self._period_seconds > uptime_seconds
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self.ended = False
        """It has nothing to do with the pod any more."""
        self._container_id: ContainerID | None = None
        self._streak = Streak()
        self._on_hold = False

    def stop(self) -> None:
        """Have it end after what it is doing now."""
        self._stopping.set()
        self._wake.set()

    def trigger(self) -> None:
        """Have it take its next turn now, and the one after that a period later."""
        self._wake.set()

    async def run(self) -> None:
        """Probe until there is nothing more to probe; then nothing is held of the container any more."""
        try:
            if self._starts_late and await self._is_stopped_within(self._rng.random() * self._period_seconds):
                return
            next_tick = self._clock.monotonic() + self._period_seconds
            while await self._turn_safely():
                next_tick = await self._wait(next_tick)
                if self._stopping.is_set():
                    return
        finally:
            self.ended = True
            if self._container_id is not None:
                self._results.remove(self.target.kind, self._container_id)
            self._metrics.forget(self.target)

    async def _is_stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                return await self._stopping.wait()
        except TimeoutError:
            return False

    async def _wait(self, next_tick: float) -> float:
        """Wait for the tick, or to be told; return when the tick after that comes. What was missed is not made up."""
        now = self._clock.monotonic()
        try:
            async with asyncio.timeout(max(0.0, next_tick - now)):
                await self._wake.wait()
        except TimeoutError:
            now = self._clock.monotonic()
            missed = max(0.0, now - next_tick) // self._period_seconds
            return next_tick + (1 + missed) * self._period_seconds
        self._wake.clear()
        return self._clock.monotonic() + self._period_seconds

    async def _turn_safely(self) -> bool:
        try:
            return await self._turn()
        except Exception:  # a bug; the container is probed again in its time, and the others do not notice
            log.exception("%s probe of %s in %s", self.target.kind, self.target.container.name, self._pod())
            return True

    async def _turn(self) -> bool:
        """Do what is due; tell whether there will be more."""
        status = self._status()
        turn = next_turn(
            self.target,
            status,
            container_id=self._container_id,
            on_hold=self._on_hold,
            now=self._clock.now(),
            node_started=self._node_started,
        )
        if turn.container_id != self._container_id:
            if self._container_id is not None:
                self._results.remove(self.target.kind, self._container_id)
            self._container_id = turn.container_id
            self._on_hold = False
        for result in turn.results:
            self._hold(result)
        if turn.action is Action.PROBE and turn.container_id is not None and status is not None:
            await self._probe(turn.container_id, pod_ip=status.podIP or "")
        return turn.action is not Action.END

    async def _probe(self, container_id: ContainerID, *, pod_ip: str) -> None:
        started = self._clock.monotonic()
        result = await self._prober.probe(self.target, container_id=container_id, pod_ip=pod_ip)
        if result is None:
            return
        self._metrics.count(self.target, result, seconds=self._clock.monotonic() - started)
        self._streak = self._streak.after(result)
        if not self._streak.counts(self.target.probe):
            return
        self._hold(result)
        if result is ProbeResult.FAILURE and self.target.kind is not ProbeKind.READINESS:
            # The container is about to be killed; a command started in it now might outlive it.
            self._on_hold = True
            self._streak = Streak()

    def _hold(self, result: ProbeResult) -> None:
        if self._container_id is not None:
            self._results.set(self.target.kind, self._container_id, result, uid=pod_uid(self.target.pod))

    def _pod(self) -> str:
        return describe(self.target.pod)
