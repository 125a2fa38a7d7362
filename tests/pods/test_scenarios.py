"""A node on the fake runtime leaves the traces that a real kubelet left on containerd: names, order, errors, roots."""

import asyncio
from pathlib import Path

import pytest
from lightkube.models.core_v1 import Pod

from tests.fakes.pods import IMAGE, UID, as_from_source
from tests.fakes.runtime import FakeRuntime, Life
from tests.pods.node import Node
from tests.pods.traces import observed_tree, orphan_calls, recorded_tree, recording
from tests.recordings import call_starts

pytestmark = pytest.mark.looptime

SLEEP = Life(stops_after_seconds=None)
"""`sleep` as PID 1 ignores SIGTERM."""
LIVES = {
    "single": {"app": SLEEP},
    "two": {"a": SLEEP, "b": SLEEP},
    "init": {"i1": Life(exits_after_seconds=0.1), "side": SLEEP, "i2": Life(exits_after_seconds=1), "app": SLEEP},
    "crash": {"app": Life(exits_after_seconds=1, exit_code=3)},
    "noimage": {},
}
LATENCIES = {"RunPodSandbox": 0.13, "CreateContainer": 0.01, "StartContainer": 0.08, "StopPodSandbox": 0.06}
RELISTS = {"single": 0.5, "two": 0.5, "init": 0.66, "crash": 0.2, "noimage": 0.96}
"""How long after its manifest the first relist of a recorded pod came, in seconds; two never showed, between starts."""
SEED = "4345698"
"""Jitter much like the recordings'."""
RESOLVE_ERROR = (
    'failed to pull and unpack image "registry.invalid/none:1": failed to resolve image: failed to do request: '
    'Head "https://registry.invalid/v2/none/manifests/1": dial tcp: lookup registry.invalid on 10.0.0.10:53: '
    "no such host"
)


def scenario_pod(name: str) -> Pod:
    return as_from_source(recording(name)["pod"], name=f"{name}-vm", uid=UID)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    runtime = FakeRuntime(latencies=dict(LATENCIES), pull_errors={"registry.invalid/none:1": RESOLVE_ERROR})
    runtime.add_image(IMAGE)
    return Node(tmp_path, runtime, sync_frequency_seconds=10, jitter_seed=SEED)


async def live(node: Node, name: str) -> list[str]:
    """Run a recording's pod for as long as it ran there, remove it, and return its tree."""
    node.runtime.lives.update(LIVES[name])
    async with node.running():
        await asyncio.sleep(1 - RELISTS[name])
        await node.apply(scenario_pod(name))
        await asyncio.sleep(recording(name)["manifest_removed_at_ms"] / 1000)
        await node.apply()
        await asyncio.sleep(8)
    return observed_tree(node.exporter.get_finished_spans(), f"{name}-vm")


@pytest.mark.parametrize("name", LIVES)
async def test_a_pod_lives_as_recorded(node: Node, name: str) -> None:
    tree = await live(node, name)

    assert tree == recorded_tree(name)


async def test_a_crash_loop_restarts_when_the_recorded_one_did(node: Node) -> None:
    await live(node, "crash")

    starts = [call.at for call in node.runtime.calls if call.rpc == "StartContainer"]
    recorded = call_starts(recording("crash"), "StartContainer")
    assert [start - starts[0] for start in starts] == pytest.approx([at - recorded[0] for at in recorded], rel=0.1)


async def test_whatever_is_not_a_pods_own_work_is_a_root_of_its_own(node: Node) -> None:
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
async def test_a_relist_in_the_middle_of_a_start_adds_one_sync_and_no_other_does(node: Node, offset: float) -> None:
    node.runtime.lives.update(LIVES["two"])
    async with node.running():
        await asyncio.sleep(0.5 + offset)
        await node.apply(scenario_pod("two"))
        await asyncio.sleep(5)

    sandbox_ready, all_started = 0.13, 0.13 + 2 * (0.01 + 0.08)
    hit = sandbox_ready <= (0.5 - offset) % 1 < all_started
    syncs = ["syncPod sync default/two-vm", "  runtime.v1.RuntimeService/Version"]
    observed = observed_tree(node.exporter.get_finished_spans(), "two-vm")
    assert observed == recorded_tree("two")[:14] + (syncs if hit else [])
