"""Claims about a probe worker's timing: the first look, the period, being called, being slow, being stopped."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from lightkube.models.core_v1 import ContainerState, ContainerStateRunning, ContainerStatus, PodStatus
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.runtime import ContainerID
from kubeletsim.pods.probes import ProbeMetrics, ProbeResult, ProbeUpdate
from kubeletsim.pods.probes.results import ResultStore
from kubeletsim.pods.probes.rules import ProbeKind, Target, targets
from kubeletsim.pods.probes.worker import ProbeWorker
from tests.fakes.pods import container, make_pod

pytestmark = pytest.mark.looptime
PERIOD = 10
READY = PodStatus(
    phase="Running",
    containerStatuses=[
        ContainerStatus(
            name="app",
            image="",
            imageID="",
            ready=True,
            restartCount=0,
            started=True,
            containerID="fake://app-0",
            state=ContainerState(running=ContainerStateRunning(startedAt=datetime.fromtimestamp(1_600_000_000, UTC))),
        )
    ],
)


@dataclass
class Probing:
    """A worker whose probes only note their times."""

    uptime_seconds: float = 1000
    takes_seconds: float = 0
    trouble: Exception | None = None
    times: list[float] = field(default_factory=list)
    updates: list[ProbeUpdate] = field(default_factory=list)

    def __post_init__(self) -> None:
        probe = {"exec": {"command": ["x"]}, "periodSeconds": PERIOD}
        (target,) = targets(make_pod(container("app", readinessProbe=probe)))
        self.results = ResultStore(self.updates.append)
        self.worker = ProbeWorker(
            target,
            prober=self,  # type: ignore[arg-type]
            results=self.results,
            status=lambda: READY,
            metrics=ProbeMetrics(CollectorRegistry()),
            clock=LoopClock(),
            rng=random.Random(1),
            node_started=0,
            uptime_seconds=self.uptime_seconds,
        )

    async def probe(self, target: Target, *, container_id: ContainerID, pod_ip: str) -> ProbeResult | None:
        self.times.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.takes_seconds)
        if self.trouble is not None:
            raise self.trouble
        return ProbeResult.SUCCESS

    async def run_for(self, seconds: float) -> list[float]:
        task = asyncio.create_task(self.worker.run())
        await asyncio.sleep(seconds)
        self.worker.stop()
        await task
        return self.times


async def test_on_a_settled_node_the_first_look_is_at_once_and_then_each_period() -> None:
    assert await Probing().run_for(35) == [0, 10, 20, 30]


async def test_on_a_fresh_node_the_first_look_is_at_a_random_moment_of_the_first_period() -> None:
    first, second, *_ = await Probing(uptime_seconds=3).run_for(35)

    assert 0 < first < PERIOD
    assert second - first == pytest.approx(PERIOD)


async def test_a_call_is_answered_at_once_and_the_period_begins_anew() -> None:
    probing = Probing()
    asyncio.get_running_loop().call_later(4, probing.worker.trigger)

    assert await probing.run_for(25) == [0, 4, 14, 24]


async def test_a_slow_probe_is_followed_by_the_next_at_once_and_what_was_missed_is_not_made_up() -> None:
    assert await Probing(takes_seconds=25).run_for(70) == [0, 25, 50]


async def test_a_bug_in_a_probe_costs_that_probe_alone() -> None:
    assert await Probing(trouble=RuntimeError("a bug")).run_for(15) == [0, 10]


async def test_a_worker_ends_when_it_is_stopped_even_before_its_first_look_and_leaves_nothing() -> None:
    early, late = Probing(uptime_seconds=0), Probing()

    async with asyncio.timeout(0.5):
        assert await early.run_for(0.01) == []
    await late.run_for(1)

    assert [update.result for update in late.updates] == [ProbeResult.FAILURE, ProbeResult.SUCCESS]
    assert late.results.get(ProbeKind.READINESS, ContainerID("app-0")) is None
    assert late.worker.ended
