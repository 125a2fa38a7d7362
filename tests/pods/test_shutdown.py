"""A node that shuts down ends its pods in order, in time, and takes no new ones."""

import asyncio
from pathlib import Path

import pytest
from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import pod_uid
from kubeletsim.pods.shutdown_plan import PriorityPeriod
from tests.fakes.pods import container, make_pod
from tests.fakes.runtime import FakeRuntime, Life
from tests.pods.node import Node

pytestmark = pytest.mark.looptime

STUBBORN = Life(stops_after_seconds=None)
CRITICAL = 2_000_000_000
PERIODS = (PriorityPeriod(0, 20), PriorityPeriod(CRITICAL, 10))


@pytest.fixture
def node(tmp_path: Path, runtime: FakeRuntime) -> Node:
    return Node(tmp_path, runtime, periods=PERIODS)


def pod(name: str, *, grace: int = 5, **spec: object) -> Pod:
    return make_pod(container(name), name=name, uid=name, terminationGracePeriodSeconds=grace, **spec)


def stops(node: Node) -> dict[str, tuple[float, int]]:
    """When each container was told to stop, and how long it got."""
    return {
        call.args["container_id"].rsplit("-", 1)[0]: (call.at, call.args["timeout_seconds"])
        for call in node.runtime.calls
        if call.rpc == "StopContainer"
    }


async def shut_down(node: Node) -> float:
    started = node.clock.monotonic()
    await node.shutdown.shut_down(node.admitter.active_pods())
    return node.clock.monotonic() - started


async def test_pods_end_failed_and_say_that_the_node_did_it(node: Node) -> None:
    web = pod("web")
    async with node.running():
        await node.apply(web)
        await node.until(lambda: node.phase(web) == "Running")
        await shut_down(node)
        status = node.statuses.versioned(pod_uid(web))
        assert not [one for one in await node.runtime.list_containers() if one.state.name == "RUNNING"]

    assert status is not None
    assert status.finished
    assert (status.status.phase, status.status.reason) == ("Failed", "Terminated")
    assert status.status.message == "Pod was terminated in response to imminent node shutdown."
    (first, *_) = status.status.conditions or []
    assert (first.type, first.status, first.reason) == ("DisruptionTarget", "True", "TerminationByKubelet")
    assert first.message == status.status.message
    assert "Shutdown" in node.reasons()
    spans = [span.name for span in node.exporter.get_finished_spans() if span.name.startswith("syncTermin")]
    assert spans == ["syncTerminatingPod", "syncTerminatedPod"]


async def test_critical_pods_end_after_the_others(node: Node) -> None:
    node.runtime.lives.update(plain=STUBBORN, critical=STUBBORN)
    plain, critical = pod("plain"), pod("critical", priority=CRITICAL)
    async with node.running():
        await node.apply(critical, plain)
        await node.until(lambda: [node.phase(plain), node.phase(critical)] == ["Running"] * 2)
        took = await shut_down(node)

    stopped = stops(node)
    assert stopped["plain"][1] == stopped["critical"][1] == 5
    assert stopped["critical"][0] >= stopped["plain"][0] + 5
    assert 10 <= took < 15


async def test_no_pod_gets_more_than_its_groups_time_and_the_next_group_does_not_wait_longer(node: Node) -> None:
    node.runtime.lives["slow"] = STUBBORN
    node.runtime.latencies["StopPodSandbox"] = 100
    slow, critical = pod("slow", grace=300), pod("critical", priority=CRITICAL, grace=300)
    async with node.running():
        await node.apply(slow, critical)
        await node.until(lambda: [node.phase(slow), node.phase(critical)] == ["Running"] * 2)
        took = await shut_down(node)

    stopped = stops(node)
    assert (stopped["slow"][1], stopped["critical"][1]) == (20, 10)
    assert stopped["critical"][0] - stopped["slow"][0] == pytest.approx(20, abs=2)
    assert took == pytest.approx(30, abs=1)


async def test_new_pods_are_rejected_once_it_has_begun(node: Node) -> None:
    node.runtime.lives["old"] = STUBBORN
    old, new = pod("old"), pod("new")
    async with node.running():
        await node.apply(old)
        await node.until(lambda: node.phase(old) == "Running")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(shut_down(node))
            await asyncio.sleep(1)
            await node.apply(old, new)
        status = node.statuses.get(pod_uid(new))

    assert status is not None
    assert (status.phase, status.reason) == ("Failed", "NodeShutdown")
    assert status.message == "Pod was rejected: Pod was rejected as the node is shutting down."
    assert node.metric("admission_rejections_total", reason="NodeShutdown") == 1


async def test_a_node_without_pods_is_done_at_once_and_the_times_are_told(node: Node) -> None:
    async with node.running():
        assert await shut_down(node) == 0

    assert node.metric("graceful_shutdown_start_time_seconds") == node.metric("graceful_shutdown_end_time_seconds") > 0
    assert node.shutdown.is_graceful


async def test_a_pod_that_ended_before_keeps_its_outcome(node: Node) -> None:
    node.runtime.lives["job"] = Life(exits_after_seconds=1)
    job = pod("job", restartPolicy="Never")
    async with node.running():
        await node.apply(job)
        await node.until(lambda: node.phase(job) == "Succeeded")
        await asyncio.sleep(5)
        await shut_down(node)

    status = node.statuses.get(pod_uid(job))
    assert status is not None
    assert (status.phase, status.reason) == ("Succeeded", None)
