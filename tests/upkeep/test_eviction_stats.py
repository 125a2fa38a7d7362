"""The eviction manager's calls: after the runtime is ready, every ten seconds, each a root."""

import asyncio
import random

import pytest

from kubeletsim.upkeep.eviction_stats import EvictionStats


@pytest.mark.looptime
async def test_it_waits_for_the_runtime_and_then_looks_every_ten_seconds_in_calls_without_a_parent(
    node, recorder, clock
):
    ready = asyncio.Event()
    stats = EvictionStats(node.cri, wait_ready=ready.wait, clock=clock, rng=random.Random(1))
    task = asyncio.create_task(stats.run())
    await asyncio.sleep(30)
    assert node.cri.calls == []
    ready.set()
    await asyncio.sleep(11)
    task.cancel()

    assert recorder.roots() == ["ImageFsInfo", "ListContainers", "ListPodSandbox"] * 2
    assert stats.last is not None
    assert stats.last.observed_at == clock.epoch + 40


@pytest.mark.looptime
async def test_a_runtime_that_fails_leaves_the_last_observation(node, clock):
    stats = EvictionStats(node.cri, wait_ready=asyncio.Event().wait, clock=clock, rng=random.Random(1))
    await stats.observe()
    seen = stats.last
    node.cri.down = True
    await stats.observe()

    assert stats.last is seen
