"""Claims about the generic PLEG: events tell the difference of two lists, each second, and at once on demand."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import CRIError
from kubeletsim.model.requests import ContainerConfig, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import (
    Container,
    ContainerID,
    ContainerState,
    PodLifecycleEventType,
    PodUID,
    RuntimePod,
    SandboxID,
)
from kubeletsim.pleg.cache import PodCache
from kubeletsim.pleg.generic import EVENT_CAPACITY, REQUEST_CAPACITY, GenericPLEG, RelistTiming, diff_pods
from kubeletsim.pleg.reader import RuntimeReader
from tests.fakes.runtime import FakeRuntime, Life

pytestmark = pytest.mark.looptime
UID = PodUID("uid-1")
LABELS = {"io.kubernetes.pod.uid": UID}
SANDBOX = SandboxConfig(name="web", namespace="default", uid=UID, labels=LABELS)
STARTED, DIED, REMOVED, CHANGED, _ = PodLifecycleEventType
CREATED, RUNNING, EXITED, UNKNOWN = ContainerState


def pod(**states: ContainerState) -> RuntimePod:
    containers = (
        Container(id=ContainerID(name), sandbox_id=SandboxID("s"), name=name, state=state)
        for name, state in states.items()
    )
    return RuntimePod(uid=UID, name="web", namespace="default", containers=tuple(containers))


@pytest.mark.parametrize(
    ("old", "new", "events"),
    [
        (None, RUNNING, [STARTED]),
        (None, EXITED, [DIED]),
        (None, CREATED, [CHANGED]),
        (CREATED, RUNNING, [STARTED]),
        (CREATED, UNKNOWN, []),
        (RUNNING, RUNNING, []),
        (RUNNING, EXITED, [DIED]),
        (RUNNING, UNKNOWN, [CHANGED]),
        (RUNNING, None, [DIED, REMOVED]),
        (EXITED, None, [REMOVED]),
    ],
)
def test_a_containers_two_states_tell_what_happened(
    old: ContainerState | None, new: ContainerState | None, events: list[PodLifecycleEventType]
) -> None:
    before = pod(a=old) if old else None
    after = pod(a=new) if new else None

    assert [event.type for event in diff_pods(before, after)] == events


state_maps = st.dictionaries(st.sampled_from("abc"), st.sampled_from(ContainerState))


@given(state_maps, state_maps)
def test_no_difference_no_event_and_each_container_that_stopped_running_died_once(
    old: dict[str, ContainerState], new: dict[str, ContainerState]
) -> None:
    events = diff_pods(pod(**old), pod(**new))

    assert not diff_pods(pod(**new), pod(**new))
    stopped = [id_ for id_, state in old.items() if state is RUNNING and new.get(id_) in (EXITED, None)]
    assert set(stopped) <= {event.container_id for event in events if event.type is DIED}
    assert len({(event.container_id, event.type) for event in events}) == len(events)


class Watch:
    """A PLEG on a fake runtime, with what it needs."""

    def __init__(self) -> None:
        self.runtime = FakeRuntime()
        self.clock = LoopClock()
        self.cache = PodCache(self.clock)
        self.registry = CollectorRegistry()
        self.pleg = GenericPLEG(
            RuntimeReader(self.runtime, clock=self.clock),
            cache=self.cache,
            clock=self.clock,
            rng=random.Random(0),
            registry=self.registry,
        )

    async def start_container(self, name: str, life: Life | None = None) -> None:
        self.runtime.lives[name] = life or Life()
        if not self.runtime.sandboxes():
            await self.runtime.run_pod_sandbox(SANDBOX)
        config = ContainerConfig(name=name, image=ImageSpec(image="busybox"), labels=LABELS)
        container_id = await self.runtime.create_container(self.runtime.sandboxes()[0].id, config, SANDBOX)
        await self.runtime.start_container(container_id)
        self.runtime.calls.clear()

    def taken(self) -> list[PodLifecycleEventType]:
        events = self.pleg.events
        return [events.get_nowait().type for _ in range(events.qsize())]

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def watch() -> AsyncIterator[Watch]:
    made = Watch()
    task = asyncio.create_task(made.pleg.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_everything_is_listed_each_second_and_nothing_else_asked_while_nothing_changes(watch: Watch) -> None:
    await asyncio.sleep(3.5)

    assert [(call.rpc, call.at) for call in watch.runtime.calls] == [
        (rpc, second) for second in range(4) for rpc in ("ListPodSandbox", "ListContainers")
    ]


async def test_the_next_relist_begins_a_second_after_the_last_ones_end(watch: Watch) -> None:
    watch.runtime.latencies["ListContainers"] = 0.5

    await asyncio.sleep(4)

    assert [call.at for call in watch.runtime.calls if call.rpc == "ListPodSandbox"] == [0, 1.5, 3]
    assert watch.metric("kubelet_pleg_relist_interval_seconds_sum") == 3
    assert watch.metric("kubelet_pleg_relist_duration_seconds_sum") == 1.5


async def test_a_changed_pod_is_read_before_its_events_are_delivered(watch: Watch) -> None:
    await asyncio.sleep(0.5)
    await watch.start_container("app")

    event = await watch.pleg.events.get()

    assert (event.uid, event.type) == (UID, STARTED)
    assert [one.name for one in watch.cache.get(UID).containers] == ["app"]
    assert watch.runtime.names() == ["ListPodSandbox", "ListContainers", "PodSandboxStatus", "ContainerStatus"]
    assert watch.taken() == [STARTED]  # the sandbox's
    assert watch.metric("kubelet_running_pods") == 1
    assert watch.metric("kubelet_running_containers", container_state="running") == 1


async def test_a_death_and_a_removal_are_reported_once(watch: Watch) -> None:
    await watch.start_container("app", Life(exits_after_seconds=1.5, exit_code=3))
    await asyncio.sleep(1.2)
    watch.taken()

    await asyncio.sleep(2)
    assert watch.taken() == [DIED]
    await watch.runtime.remove_container(watch.runtime.containers()[0].id)
    await asyncio.sleep(2)

    assert watch.taken() == [REMOVED]


async def test_on_demand_one_pod_is_relisted_at_once_and_the_period_does_not_shift(watch: Watch) -> None:
    await asyncio.sleep(0.3)
    await watch.start_container("app")

    watch.pleg.request_relist(UID)
    await asyncio.sleep(0.1)

    assert watch.runtime.names() == ["ListPodSandbox", "ListContainers", "PodSandboxStatus", "ContainerStatus"]
    assert [call.args["labels"] for call in watch.runtime.calls[:2]] == [LABELS, LABELS]
    assert watch.taken() == [STARTED, STARTED]
    await asyncio.sleep(0.7)
    assert [call.at for call in watch.runtime.calls[4:]] == [1, 1]
    assert watch.taken() == []


async def test_on_demand_a_pod_counts_as_seen_although_nothing_is_new(watch: Watch) -> None:
    await watch.start_container("app")
    await asyncio.sleep(1.5)
    worker = asyncio.create_task(watch.cache.get_newer_than(UID, watch.cache.stamp()))

    watch.pleg.request_relist(UID)
    await asyncio.sleep(0.1)

    assert worker.done()
    assert watch.clock.monotonic() == pytest.approx(1.6)


async def test_a_request_that_a_relist_of_everything_has_served_costs_nothing(watch: Watch) -> None:
    watch.runtime.latencies["ListContainers"] = 2
    await asyncio.sleep(1)
    watch.pleg.request_relist(UID)  # lasts from 2 to 4, and the next relist of everything from 4 to 6
    await asyncio.sleep(1.5)
    watch.pleg.request_relist(UID)
    await asyncio.sleep(4)

    assert [call.args["labels"] for call in watch.runtime.calls if call.rpc == "ListPodSandbox"] == [{}, LABELS, {}]


async def test_at_another_timing_the_next_relist_begins_at_once(watch: Watch) -> None:
    await asyncio.sleep(0.5)
    watch.pleg.retime(RelistTiming(period_seconds=300, threshold_seconds=600))
    await asyncio.sleep(700)

    assert [call.at for call in watch.runtime.calls if call.rpc == "ListPodSandbox"] == [0, 0.5, 300.5, 600.5]


async def test_a_pod_that_could_not_be_read_is_synced_once_it_can_although_nothing_is_new(watch: Watch) -> None:
    await watch.start_container("app")
    await asyncio.sleep(1.1)
    watch.taken()
    watch.pleg._unread.add(UID)  # what had happened has been undone since
    await asyncio.sleep(1)

    assert watch.taken() == [PodLifecycleEventType.POD_SYNC]


async def test_what_is_read_is_as_old_as_the_list_that_named_it(watch: Watch) -> None:
    await watch.start_container("old")
    watch.runtime.latencies["PodSandboxStatus"] = 0.5  # a sync may start a container meanwhile
    await asyncio.sleep(1.1)
    await watch.start_container("new")
    after_start = watch.cache.stamp()

    seen = await watch.cache.get_newer_than(UID, after_start)

    assert {one.name for one in seen.containers} == {"old", "new"}


async def test_requests_beyond_the_queue_are_dropped(watch: Watch) -> None:
    for _ in range(REQUEST_CAPACITY + 5):
        watch.pleg.request_relist(UID)

    await asyncio.sleep(0.5)

    assert watch.runtime.count("ListPodSandbox") <= REQUEST_CAPACITY + 1


async def test_a_runtime_that_is_down_costs_health_only_after_the_threshold(watch: Watch) -> None:
    assert watch.pleg.health_problem() == "pleg has yet to be successful"
    await asyncio.sleep(0.5)
    assert watch.pleg.health_problem() is None

    watch.runtime.down = True
    await asyncio.sleep(179.5)
    assert watch.pleg.health_problem() is None
    await asyncio.sleep(1.25)
    assert watch.pleg.health_problem() == "pleg was last seen active 3m1.25s ago; threshold is 3m0s"

    watch.runtime.heal()
    await asyncio.sleep(1)
    assert watch.pleg.health_problem() is None


async def test_a_pod_whose_state_cannot_be_read_is_tried_again_and_its_events_come_then(watch: Watch) -> None:
    await asyncio.sleep(0.5)
    await watch.start_container("app")
    watch.runtime.fail("ContainerStatus", "trouble")

    await asyncio.sleep(1)
    assert watch.taken() == []
    with pytest.raises(CRIError, match="trouble"):
        watch.cache.get(UID)
    await asyncio.sleep(1)

    assert watch.taken() == [STARTED, STARTED]
    assert watch.cache.get(UID).containers


async def test_a_pod_keeps_its_address_when_its_network_is_gone(watch: Watch) -> None:
    await watch.start_container("app")
    await asyncio.sleep(1.1)
    address = watch.cache.get(UID).ips

    await watch.runtime.stop_pod_sandbox(watch.runtime.sandboxes()[0].id)
    await asyncio.sleep(1.1)

    assert watch.cache.get(UID).sandboxes[0].ips == ()
    assert watch.cache.get(UID).ips == address != ()


async def test_events_beyond_the_channel_are_dropped_and_counted(watch: Watch) -> None:
    await asyncio.sleep(0.5)
    for _ in range(EVENT_CAPACITY):
        watch.pleg.events.put_nowait(diff_pods(None, pod(a=RUNNING))[0])
    await watch.start_container("app")

    await asyncio.sleep(1)

    assert watch.metric("kubelet_pleg_discard_events") == 2


async def test_a_pod_that_vanished_is_forgotten(watch: Watch) -> None:
    await watch.start_container("app")
    await asyncio.sleep(1.1)
    watch.taken()

    await watch.runtime.remove_pod_sandbox(watch.runtime.sandboxes()[0].id)
    await asyncio.sleep(1.1)

    assert sorted(event.value for event in watch.taken()) == [
        "ContainerDied",
        "ContainerDied",
        "ContainerRemoved",
        "ContainerRemoved",
    ]
    assert watch.cache.get(UID).containers == ()
