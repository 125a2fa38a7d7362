"""The eviction manager: looks each ten seconds, collects garbage for a short disk, and evicts one pod a turn."""

import asyncio
import random
from dataclasses import dataclass, field

import pytest
from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry

from kubeletsim.model.events import Event, ObjectReference
from kubeletsim.model.pressure import NodePressure
from kubeletsim.model.requests import ContainerConfig, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import PodUID
from kubeletsim.upkeep.eviction import Observed, read_thresholds
from kubeletsim.upkeep.eviction_manager import EvictionManager, EvictionPolicy
from kubeletsim.upkeep.eviction_stats import EvictionStats
from tests.fakes.pods import container, make_pod

pytestmark = pytest.mark.looptime

LOW, ENOUGH = Observed(50, 1000), Observed(900, 1000)
HARD = {"memory.available": "10%", "nodefs.available": "10%", "imagefs.available": "10%"}


@dataclass
class Bench:
    """A manager, and all it asks and does."""

    signals: dict[str, Observed] = field(default_factory=dict)
    pods: list[Pod] = field(default_factory=list)
    after_reclaim: dict[str, Observed] = field(default_factory=dict)
    reclaimed: int = 0
    dedicated: bool = False
    evicted: list[tuple[str, int, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    pressure: NodePressure = field(default_factory=NodePressure)
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    def read(self, *, image_mountpoint: str | None) -> dict[str, Observed]:
        assert image_mountpoint == "/"
        return dict(self.signals)

    def has_dedicated_image_fs(self, image_mountpoint: str) -> bool:
        return self.dedicated

    async def reclaim(self) -> None:
        self.reclaimed += 1
        self.signals.update(self.after_reclaim)

    async def evict(self, pod: Pod, *, grace_seconds: int, message: str) -> None:
        assert pod.metadata is not None
        self.evicted.append((pod.metadata.name or "", grace_seconds, message))
        self.pods.remove(pod)

    def manager(self, node, clock) -> EvictionManager:
        return EvictionManager(
            EvictionStats(node.cri, clock=clock),
            signals=self,
            policy=EvictionPolicy(
                thresholds=read_thresholds(hard=HARD, soft={}, soft_grace={}, minimum_reclaim={}),
                transition_seconds=30,
            ),
            pressure=self.pressure,
            reclaims=[self.reclaim],
            active_pods=lambda: list(self.pods),
            evict=self.evict,
            wait_ready=self.ready.wait,
            clock=clock,
            rng=random.Random(1),
            record=self.events.append,
            node=ObjectReference(kind="Node", name="vm"),
            registry=self.registry,
        )


async def test_it_waits_for_the_runtime_and_then_looks_every_ten_seconds(node, recorder, clock):
    bench = Bench(signals={"memory.available": ENOUGH})
    task = asyncio.create_task(bench.manager(node, clock).run())
    await asyncio.sleep(30)
    assert node.cri.calls == []
    bench.ready.set()
    await asyncio.sleep(11)
    task.cancel()

    assert recorder.roots() == ["ImageFsInfo", "ListContainers", "ListPodSandbox"] * 2
    reasons = ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"]
    assert [event.reason for event in bench.events] == reasons
    assert bench.events[0].message == "Node vm status is now: NodeHasSufficientMemory"


async def test_for_memory_one_pod_a_turn_is_evicted_at_once(node, clock):
    bench = Bench(signals={"memory.available": LOW})
    bench.pods = [make_pod(name=name, uid=name, source="api") for name in ("first", "second")]
    manager = bench.manager(node, clock)

    await manager.synchronize()

    text = "The node was low on resource: memory. Threshold quantity: 100, available: 50. "
    assert bench.evicted == [("first", 1, text)]
    assert bench.reclaimed == 0
    assert bench.pressure.conditions == {"MemoryPressure"}
    begun, event = bench.events
    assert (begun.type, begun.reason) == ("Normal", "NodeHasInsufficientMemory")
    assert (event.type, event.reason, event.message) == (
        "Warning",
        "EvictionThresholdMet",
        "Attempting to reclaim memory",
    )
    assert bench.registry.get_sample_value("kubelet_evictions", {"eviction_signal": "memory.available"}) == 1


async def test_what_pods_use_is_asked_for_when_one_has_to_go_and_the_greediest_goes(node, clock):
    bench = Bench(signals={"memory.available": LOW})
    bench.pods = [make_pod(container(name), name=name, uid=name, source="api") for name in ("modest", "greedy")]
    for name, used in (("modest", 10), ("greedy", 20)):
        await start(node.cri, name)
        node.cri.memory_bytes[name] = used
    node.cri.calls.clear()

    await bench.manager(node, clock).synchronize()

    assert node.cri.names() == ["ImageFsInfo", "ListContainers", "ListPodSandbox", "ListContainerStats"]
    ((name, _, message),) = bench.evicted
    assert (name, message.rpartition("50. ")[2]) == (
        "greedy",
        "Container greedy was using 20, request is 0, has larger consumption of memory. ",
    )
    age = {"eviction_signal": "memory.available"}
    assert bench.registry.get_sample_value("kubelet_eviction_stats_age_seconds_count", age) == 1


async def test_pods_are_ranked_without_their_usage_when_the_runtime_does_not_tell(node, clock):
    bench = Bench(signals={"memory.available": LOW}, pods=[make_pod(source="api")])
    node.cri.fail("ListContainerStats", "out of order")

    await bench.manager(node, clock).synchronize()

    assert len(bench.evicted) == 1


async def start(cri, name):
    labels = {"io.kubernetes.pod.uid": name}
    sandbox = SandboxConfig(name=name, namespace="default", uid=PodUID(name), labels=labels)
    sandbox_id = await cri.run_pod_sandbox(sandbox)
    config = ContainerConfig(name=name, image=ImageSpec(image="busybox"), labels=labels)
    await cri.start_container(await cri.create_container(sandbox_id, config, sandbox))


async def test_a_disk_that_the_garbage_fills_costs_no_pod(node, clock):
    bench = Bench(signals={"nodefs.available": LOW}, after_reclaim={"nodefs.available": ENOUGH})
    bench.pods = [make_pod(source="api")]

    await bench.manager(node, clock).synchronize()

    assert (bench.reclaimed, bench.evicted) == (1, [])


@pytest.mark.parametrize(("signal", "reclaimed"), [("nodefs.available", 0), ("imagefs.available", 1)])
async def test_images_that_are_elsewhere_are_not_removed_for_the_pods_disk(node, clock, signal, reclaimed):
    bench = Bench(signals={signal: LOW}, pods=[make_pod(source="api")], dedicated=True)

    await bench.manager(node, clock).synchronize()

    assert (bench.reclaimed, len(bench.evicted)) == (reclaimed, 1)


async def test_a_disk_that_stays_short_costs_a_pod(node, clock):
    bench = Bench(signals={"nodefs.available": LOW}, pods=[make_pod(source="api")])

    await bench.manager(node, clock).synchronize()

    assert (bench.reclaimed, len(bench.evicted)) == (1, 1)


async def test_static_pods_stay_whatever_is_short(node, clock):
    bench = Bench(signals={"memory.available": LOW}, pods=[make_pod(source="file")])

    await bench.manager(node, clock).synchronize()

    assert bench.evicted == []
    assert [event.reason for event in bench.events] == ["NodeHasInsufficientMemory", "EvictionThresholdMet"]


async def test_pressure_ends_a_transition_period_after_its_cause(node, clock):
    bench = Bench(signals={"memory.available": LOW})
    manager = bench.manager(node, clock)
    await manager.synchronize()
    bench.signals = {"memory.available": ENOUGH}

    await asyncio.sleep(29)
    await manager.synchronize()
    assert bench.pressure.conditions == {"MemoryPressure"}
    await asyncio.sleep(1)
    await manager.synchronize()
    assert bench.pressure.conditions == frozenset()
