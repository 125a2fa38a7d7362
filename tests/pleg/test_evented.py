"""Claims about the evented PLEG: events go where lists went, lists fill the gaps, and five lost streams are enough."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import RuntimeUnavailable
from kubeletsim.model.runtime import (
    ContainerEvent,
    ContainerEventType,
    ContainerID,
    ContainerState,
    ContainerStatus,
    PodLifecycleEvent,
    PodLifecycleEventType,
    PodUID,
    SandboxID,
    SandboxState,
    SandboxStatus,
)
from kubeletsim.pleg.cache import NEVER, PodCache
from kubeletsim.pleg.evented import MAX_STREAM_FAILURES, EventedPLEG
from kubeletsim.pleg.generic import EVENT_CAPACITY, GenericPLEG
from kubeletsim.pleg.reader import RuntimeReader
from tests.fakes.runtime import FakeRuntime

pytestmark = pytest.mark.looptime
UID = PodUID("uid-1")
SANDBOX = SandboxStatus(
    id=SandboxID("s"), name="web", namespace="default", uid=UID, state=SandboxState.READY, ips=("10.88.0.2",)
)
STARTED, DIED, REMOVED, _, _ = PodLifecycleEventType


class Streams:
    """The runtime's event streams, one after another; each gives what the test puts, and ends when the test says."""

    def __init__(self) -> None:
        self.opened = 0
        self._items: asyncio.Queue[ContainerEvent | None] = asyncio.Queue()
        self.refuses = False

    def put(self, event: ContainerEvent) -> None:
        self._items.put_nowait(event)

    def cut(self) -> None:
        self._items.put_nowait(None)

    async def get_container_events(
        self, *, connected: Callable[[], None] | None = None
    ) -> AsyncGenerator[ContainerEvent, None]:
        self.opened += 1
        if self.refuses:
            raise RuntimeUnavailable("connection refused", rpc="GetContainerEvents")
        assert connected is not None
        connected()
        while (event := await self._items.get()) is not None:
            yield event


class Watch:
    """An evented PLEG on scripted streams beside a generic one on an empty runtime."""

    def __init__(self) -> None:
        self.streams = Streams()
        self.runtime = FakeRuntime()
        self.clock = LoopClock()
        self.cache = PodCache(self.clock)
        self.registry = CollectorRegistry()
        rng = random.Random(0)
        self.generic = GenericPLEG(
            RuntimeReader(self.runtime, clock=self.clock),
            cache=self.cache,
            clock=self.clock,
            rng=rng,
            registry=self.registry,
        )
        self.pleg = EventedPLEG(
            self.streams, generic=self.generic, cache=self.cache, clock=self.clock, rng=rng, registry=self.registry
        )

    def event(
        self,
        type_: ContainerEventType,
        container_id: str = "c",
        *,
        state: ContainerState = ContainerState.RUNNING,
        age_seconds: float = 0.0,
        sandbox: SandboxStatus | None = SANDBOX,
    ) -> ContainerEvent:
        return ContainerEvent(
            container_id=ContainerID(container_id),
            type=type_,
            created_at=int((self.clock.now() - age_seconds) * 1e9),
            sandbox=sandbox,
            containers=(ContainerStatus(id=ContainerID("c"), name="app", state=state),),
        )

    def taken(self) -> list[PodLifecycleEventType]:
        events = self.generic.events
        return [events.get_nowait().type for _ in range(events.qsize())]

    def relists(self) -> list[float]:
        return [call.at for call in self.runtime.calls if call.rpc == "ListPodSandbox"]

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    made = Watch()
    task = asyncio.create_task(made.pleg.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_while_events_flow_everything_is_listed_each_five_minutes(watch: Watch) -> None:
    await asyncio.sleep(700)

    assert watch.relists() == [0, 300, 600]
    assert watch.metric("kubelet_evented_pleg_connection_success_count") == 1


async def test_an_event_brings_its_pods_state_without_a_call(watch: Watch) -> None:
    await asyncio.sleep(0.1)
    watch.runtime.calls.clear()
    watch.streams.put(watch.event(ContainerEventType.STARTED))
    await asyncio.sleep(0.1)

    seen = watch.cache.get(UID)
    assert ([one.name for one in seen.containers], seen.sandboxes, seen.ips) == (["app"], (SANDBOX,), ("10.88.0.2",))
    assert watch.taken() == [STARTED]
    assert watch.runtime.calls == []
    assert watch.metric("kubelet_running_pods") == 1
    assert watch.metric("kubelet_running_containers", container_state="running") == 1


@pytest.mark.parametrize(
    ("type_", "delivered"),
    [
        (ContainerEventType.CREATED, []),
        (ContainerEventType.STARTED, [STARTED]),
        (ContainerEventType.STOPPED, [DIED]),
        (ContainerEventType.DELETED, [DIED, REMOVED]),
    ],
)
async def test_the_sync_loop_hears_of_an_event_what_it_hears_of_a_list(
    watch: Watch, type_: ContainerEventType, delivered: list[PodLifecycleEventType]
) -> None:
    watch.streams.put(watch.event(type_))
    await asyncio.sleep(0.1)

    assert watch.taken() == delivered


async def test_a_pod_is_forgotten_with_its_sandbox_and_not_with_a_container(watch: Watch) -> None:
    watch.streams.put(watch.event(ContainerEventType.STOPPED, state=ContainerState.EXITED))
    watch.streams.put(watch.event(ContainerEventType.DELETED))
    await asyncio.sleep(0.1)
    assert watch.cache.get(UID).containers[0].state is ContainerState.EXITED

    watch.streams.put(watch.event(ContainerEventType.DELETED, "s"))
    await asyncio.sleep(0.1)

    assert watch.cache.get(UID).sandboxes == ()


@pytest.mark.parametrize("type_", [ContainerEventType.STOPPED, ContainerEventType.DELETED])
async def test_news_of_a_replaced_sandbox_has_the_pod_listed_and_changes_nothing_else(
    watch: Watch, type_: ContainerEventType
) -> None:
    await asyncio.sleep(0.1)
    newer = replace(SANDBOX, id=SandboxID("s1"), attempt=1)
    watch.streams.put(watch.event(ContainerEventType.STARTED, sandbox=newer))
    await asyncio.sleep(0.1)
    watch.taken()
    watch.runtime.calls.clear()

    watch.streams.put(watch.event(type_, "s", sandbox=replace(SANDBOX, state=SandboxState.NOTREADY)))
    await asyncio.sleep(0.1)

    assert watch.cache.get(UID).sandboxes == (newer,)
    assert watch.runtime.names() == ["ListPodSandbox", "ListContainers"]


async def test_a_pod_whose_network_is_gone_keeps_its_address(watch: Watch) -> None:
    await asyncio.sleep(0.1)
    gone = replace(SANDBOX, state=SandboxState.NOTREADY, ips=())
    watch.streams.put(watch.event(ContainerEventType.STARTED))
    watch.streams.put(watch.event(ContainerEventType.STOPPED, sandbox=gone, state=ContainerState.EXITED))
    await asyncio.sleep(0.1)

    assert watch.cache.get(UID).ips == ("10.88.0.2",)
    assert watch.metric("kubelet_running_pods") == 0
    assert watch.metric("kubelet_running_containers", container_state="exited") == 1


async def test_an_event_that_is_older_than_what_is_known_changes_nothing(watch: Watch) -> None:
    watch.streams.put(watch.event(ContainerEventType.STOPPED, state=ContainerState.EXITED))
    watch.streams.put(watch.event(ContainerEventType.STARTED, age_seconds=0.05))
    await asyncio.sleep(0.1)

    assert watch.cache.get(UID).containers[0].state is ContainerState.EXITED
    assert watch.taken() == [DIED]


async def test_an_event_from_before_a_workers_run_is_not_news_to_it(watch: Watch) -> None:
    await asyncio.sleep(1)
    ran = watch.cache.stamp()
    worker = asyncio.create_task(watch.cache.get_newer_than(UID, ran))
    watch.streams.put(watch.event(ContainerEventType.CREATED, age_seconds=0.5))
    await asyncio.sleep(0.1)
    assert not worker.done()

    watch.streams.put(watch.event(ContainerEventType.STARTED))

    assert (await worker).containers[0].name == "app"


async def test_who_waits_for_news_while_nothing_happens_waits_for_the_caches_clock(watch: Watch) -> None:
    await asyncio.sleep(1)
    await watch.cache.get_newer_than(UID, watch.cache.stamp())

    assert watch.clock.monotonic() == pytest.approx(5, abs=0.01)


async def test_before_the_first_list_nobody_is_told_that_there_is_nothing(watch: Watch) -> None:
    watch.runtime.down = True
    worker = asyncio.create_task(watch.cache.get_newer_than(UID, NEVER))
    await asyncio.sleep(100)
    assert not worker.done()

    watch.runtime.down = False
    await watch.generic.relist()

    assert (await worker).sandboxes == ()


async def test_an_event_without_its_sandbox_is_left_to_the_next_list(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    watch.streams.put(watch.event(ContainerEventType.STARTED, sandbox=None))
    await asyncio.sleep(0.1)

    assert watch.taken() == []
    assert "received an event without its pod's sandbox" in caplog.text


async def test_a_lost_stream_is_opened_again_after_a_relist(watch: Watch) -> None:
    await asyncio.sleep(10)
    watch.streams.cut()
    await asyncio.sleep(1)
    watch.streams.put(watch.event(ContainerEventType.STARTED))
    await asyncio.sleep(1)

    assert watch.relists() == [0, 10]
    assert (watch.streams.opened, watch.taken()) == (2, [STARTED])
    assert watch.metric("kubelet_evented_pleg_connection_error_count") == 1
    assert watch.metric("kubelet_evented_pleg_connection_success_count") == 2


async def test_after_the_fifth_failure_the_generic_pleg_goes_on_alone(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.sleep(0.5)
    watch.streams.refuses = True
    watch.streams.cut()
    await asyncio.sleep(0.5)
    assert "Fall back to Generic PLEG relisting since Evented PLEG is not working" in caplog.text
    watch.runtime.calls.clear()

    await asyncio.sleep(3)

    assert len(watch.relists()) == 3
    assert watch.streams.opened == MAX_STREAM_FAILURES
    assert watch.metric("kubelet_evented_pleg_connection_error_count") == MAX_STREAM_FAILURES


async def test_the_generic_pleg_is_given_ten_minutes_while_events_flow_and_three_afterwards(watch: Watch) -> None:
    await asyncio.sleep(1)
    watch.runtime.down = True
    await asyncio.sleep(599)
    assert watch.generic.health_problem() is None
    await asyncio.sleep(2)
    assert watch.generic.health_problem() == "pleg was last seen active 10m2s ago; threshold is 10m0s"

    watch.streams.refuses = True
    watch.streams.cut()
    await asyncio.sleep(1)

    problem = watch.generic.health_problem()
    assert problem is not None
    assert problem.endswith("threshold is 3m0s")


async def test_only_a_full_channel_makes_the_evented_pleg_itself_unhealthy(watch: Watch) -> None:
    watch.runtime.down = True
    await asyncio.sleep(1000)
    assert watch.pleg.health_problem() is None
    assert watch.metric("kubelet_pleg_last_seen_seconds") == int(watch.clock.now())

    for _ in range(EVENT_CAPACITY):
        watch.generic.deliver(PodLifecycleEvent(UID, DIED))

    assert watch.pleg.health_problem() == "EventedPLEG: pleg event channel capacity is full with 1000 events"
