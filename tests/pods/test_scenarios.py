"""A node on the fake runtime leaves the traces that a real kubelet left on containerd: names, order, errors, roots."""

import asyncio
from pathlib import Path

import pytest
from lightkube.models.core_v1 import Pod

from tests.fakes.pods import IMAGE, UID, as_from_source
from tests.fakes.runtime import FakeRuntime, Life
from tests.pods.node import Node
from tests.pods.traces import observed_tree, orphan_calls, recorded_tree, recording, without_childless_syncs

pytestmark = pytest.mark.looptime

SLEEP = Life(stops_after_seconds=None)
"""`sleep` as PID 1 ignores SIGTERM."""
LATENCIES = {"RunPodSandbox": 0.1, "CreateContainer": 0.008, "StartContainer": 0.06, "StopPodSandbox": 0.06}
RESOLVE_ERROR = (
    'failed to pull and unpack image "registry.invalid/none:1": failed to resolve image: failed to do request: '
    'Head "https://registry.invalid/v2/none/manifests/1": dial tcp: lookup registry.invalid on 10.0.0.10:53: '
    "no such host"
)


def scenario_pod(name: str) -> Pod:
    return as_from_source(recording(name)["pod"], name=f"{name}-vm", uid=UID)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    runtime = FakeRuntime(latencies=dict(LATENCIES))
    runtime.add_image(IMAGE)
    return Node(tmp_path, runtime, sync_frequency_seconds=10)


async def live(node: Node, name: str) -> list[str]:
    """Run a recording's pod for as long as it ran there, remove it, and return its tree."""
    async with node.running():
        await asyncio.sleep(0.5)
        await node.apply(scenario_pod(name))
        await asyncio.sleep(recording(name)["manifest_removed_at_ms"] / 1000)
        await node.apply()
        await asyncio.sleep(8)
    return observed_tree(node.exporter.get_finished_spans(), f"{name}-vm")


@pytest.mark.parametrize("name", ["single", "two"])
async def test_a_pod_starts_and_ends_as_recorded(node: Node, name: str) -> None:
    node.runtime.lives.update(app=SLEEP, a=SLEEP, b=SLEEP)

    tree = await live(node, name)

    assert without_childless_syncs(tree) == without_childless_syncs(recorded_tree(name))


async def test_the_second_sync_follows_at_once_and_the_periodic_one_not_before_its_time(node: Node) -> None:
    node.runtime.lives["app"] = SLEEP

    tree = await live(node, "single")

    assert tree[:10] == recorded_tree("single")[:10]


async def test_init_containers_and_sidecars_start_and_end_as_recorded(node: Node) -> None:
    node.runtime.lives.update(i1=Life(exits_after_seconds=0.1), side=SLEEP, i2=Life(exits_after_seconds=1), app=SLEEP)

    tree = await live(node, "init")

    assert without_childless_syncs(tree) == without_childless_syncs(recorded_tree("init"))


async def test_an_image_that_cannot_be_pulled_backs_off_as_recorded(node: Node) -> None:
    node.runtime.pull_errors["registry.invalid/none:1"] = RESOLVE_ERROR

    tree = await live(node, "noimage")

    recorded = recorded_tree("noimage")
    assert tree[:9] == recorded[:9]  # the pull, and the backoff seen with the next relist
    assert set(tree) == set(recorded)


async def test_a_crash_loop_restarts_as_recorded(node: Node) -> None:
    node.runtime.lives["app"] = Life(exits_after_seconds=1, exit_code=3)

    tree = await live(node, "crash")

    assert set(tree) == set(recorded_tree("crash"))
    starts = [call.at for call in node.runtime.calls if call.rpc == "StartContainer"]
    recorded_starts = [0.23, 2.29, 15.49, 38.49]
    assert len(starts) == len(recorded_starts)
    assert [start - starts[0] for start in starts] == pytest.approx(recorded_starts, abs=8)


async def test_whatever_is_not_a_pods_own_work_is_a_root_of_its_own(node: Node) -> None:
    node.runtime.lives["app"] = SLEEP

    await live(node, "single")

    calls = orphan_calls(node.exporter.get_finished_spans())
    assert calls.count("Version") == 1
    assert calls.count("RemoveContainer") == 1
    assert set(calls) == {
        "ListPodSandbox",
        "ListContainers",
        "PodSandboxStatus",
        "ContainerStatus",
        "Version",
        "RemoveContainer",
    }


@pytest.mark.parametrize("offset", [number / 20 for number in range(20)])
async def test_a_relist_in_the_middle_of_a_start_adds_no_sync(node: Node, offset: float) -> None:
    node.runtime.lives.update(a=SLEEP, b=SLEEP)
    async with node.running():
        await asyncio.sleep(0.5 + offset)
        await node.apply(scenario_pod("two"))
        await asyncio.sleep(5)

    spans = node.exporter.get_finished_spans()
    assert observed_tree(spans, "two-vm") == recorded_tree("two")[:14]
