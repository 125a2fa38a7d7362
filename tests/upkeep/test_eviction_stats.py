"""The eviction manager's calls: each a root, and what they showed stays."""

from kubeletsim.upkeep.eviction_stats import EvictionStats


async def test_its_calls_have_no_parent(node, recorder, clock):
    stats = EvictionStats(node.cri, clock=clock)

    await stats.observe()

    assert recorder.roots() == ["ImageFsInfo", "ListContainers", "ListPodSandbox"]
    assert stats.last is not None


async def test_a_runtime_that_fails_leaves_the_last_observation(node, clock):
    stats = EvictionStats(node.cri, clock=clock)
    await stats.observe()
    seen = stats.last
    node.cri.down = True
    await stats.observe()

    assert stats.last is seen
