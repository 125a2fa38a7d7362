"""Claims about carrying out a plan: what goes on after a failure, what is given up, what is cleared away."""

import asyncio
import contextlib

import pytest

from kubeletsim.model.errors import KubeletSimError
from tests.fakes.pods import container, make_pod, sidecar
from tests.fakes.runtime import Life
from tests.pods.node import Node

pytestmark = pytest.mark.looptime
START = ["ImageStatus", "ImageStatus", "CreateContainer", "StartContainer"]


async def test_several_failures_are_one_text_in_brackets_and_the_others_start(node: Node) -> None:
    node.runtime.fail("CreateContainer", "one")
    node.runtime.fail("CreateContainer", "two")

    with pytest.raises(KubeletSimError) as caught:
        await node.sync_once(make_pod(container("a"), container("b"), container("c")))

    assert str(caught.value) == (
        '[failed to "StartContainer" for "a" with CreateContainerError: "one", '
        'failed to "StartContainer" for "b" with CreateContainerError: "two"]'
    )
    assert [one.name for one in node.runtime.running()] == ["c"]


async def test_a_normal_init_container_that_does_not_start_ends_the_sync_and_a_sidecar_does_not(node: Node) -> None:
    pod = make_pod(init=[sidecar("side"), container("last")])
    await node.sync_once(pod)
    node.runtime.exit("side")
    await asyncio.sleep(1)
    node.runtime.fail("CreateContainer", "no")

    with pytest.raises(KubeletSimError, match='"side"'):
        await node.sync_once(pod)
    await asyncio.sleep(11)  # the sidecar has crashed once, and this was its first restart
    assert (await node.sync_once(pod)).acted
    await node.sync_once(pod)

    assert [one.name for one in node.runtime.running()] == ["side", "last"]


async def test_a_sandbox_that_fails_while_the_pod_is_going_down_is_no_failure(node: Node) -> None:
    node.runtime.latencies["RunPodSandbox"] = 1
    node.runtime.fail("RunPodSandbox", "network is gone")
    loop = asyncio.get_running_loop()

    await node.sync_once(make_pod(), going_down=lambda: loop.time() >= 1)

    assert node.runtime.names() == ["Version", "RunPodSandbox"]


async def test_a_lost_sandbox_is_replaced_and_init_begins_again(node: Node) -> None:
    pod = make_pod(init=[container("init")])
    node.runtime.lives["init"] = Life(exits_after_seconds=0)
    await node.sync_once(pod)
    await node.sync_once(pod)
    node.runtime.reboot()
    await asyncio.sleep(1)

    await node.sync_once(pod)

    names = node.runtime.names()
    purge = ["ContainerStatus", "ContainerStatus", "RemoveContainer"]
    assert names == ["Version", "StopPodSandbox", *purge, "RunPodSandbox", "PodSandboxStatus", *START]
    assert [one.attempt for one in node.runtime.sandboxes()] == [0, 1]
    assert "SandboxChanged" in node.reasons()


async def test_only_the_newest_dead_init_container_is_kept(node: Node) -> None:
    pod = make_pod(init=[container("init")])
    node.runtime.lives["init"] = Life(exits_after_seconds=0, exit_code=1)
    for _ in range(4):
        with contextlib.suppress(KubeletSimError):
            await node.sync_once(pod)
        await asyncio.sleep(700)  # past any backoff

    assert len([one for one in node.runtime.containers() if one.name == "init"]) == 2
