"""Claims about the start of one container: its files, its number, and the pauses it earns by crashing."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from kubeletsim.model.errors import KubeletSimError
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.requests import pod_dir
from tests.fakes.pods import UID, container, make_pod
from tests.fakes.runtime import Life
from tests.pods.node import Node

pytestmark = pytest.mark.looptime
START = ["ImageStatus", "ImageStatus", "CreateContainer", "StartContainer"]


async def test_the_containers_get_their_directories_and_logs_are_linked(node: Node) -> None:
    pod = make_pod(container("app", terminationMessagePath="/dev/termination-log"))
    logs = node.root / "logs" / f"default_web_{UID}" / "app"

    await node.sync_once(pod)

    assert logs.stat().st_mode & 0o777 == 0o755
    termination_logs = list((Path(pod_dir(PodUID(UID), node=node.facts)) / "containers" / "app").iterdir())
    assert [path.stat().st_mode & 0o777 for path in termination_logs] == [0o666]
    assert not (node.root / "links").exists()  # the fake runtime writes no log to link to

    (logs / "1.log").touch()
    node.runtime.exit("app")
    await node.sync_once(pod)
    (link,) = (node.root / "links").iterdir()
    assert link.name == f"web_default_app-{node.runtime.running()[0].id}.log"
    assert link.resolve() == (logs / "1.log").resolve()


async def test_restarts_are_counted_on_and_by_the_logs_when_the_runtime_forgot_them(node: Node) -> None:
    pod = make_pod()
    (node.root / "logs" / f"default_web_{UID}" / "app").mkdir(parents=True)
    (node.root / "logs" / f"default_web_{UID}" / "app" / "6.log").touch()

    await node.sync_once(pod)
    node.runtime.exit("app")
    await asyncio.sleep(1)
    await node.sync_once(pod)

    assert [one.attempt for one in node.runtime.containers()] == [7, 8]


async def crash_waits(node: Node, *, ran_seconds: float = 1, crashes: int = 8) -> list[int]:
    """Return how long a container that crashes again and again is kept waiting, crash by crash."""
    pod = make_pod()
    node.runtime.lives["app"] = Life(exits_after_seconds=ran_seconds, exit_code=1)
    loop, waits = asyncio.get_running_loop(), []
    await node.sync_once(pod)
    for _ in range(crashes):
        await asyncio.sleep(ran_seconds)
        crashed_at = loop.time()
        while not node.runtime.running():
            with contextlib.suppress(KubeletSimError):
                await node.sync_once(pod)
            if not node.runtime.running():
                await asyncio.sleep(5)
        waits.append(round(loop.time() - crashed_at))
    return waits


async def test_the_first_restart_is_at_once_and_the_pauses_double_up_to_five_minutes(node: Node) -> None:
    assert await crash_waits(node) == [0, 10, 20, 40, 80, 160, 300, 300]


async def test_a_container_that_ran_for_more_than_ten_minutes_starts_anew(node: Node) -> None:
    assert await crash_waits(node, ran_seconds=601, crashes=4) == [0, 0, 0, 0]
    assert "BackOff" not in node.reasons()


async def test_a_crash_loops_text_is_upstreams(node: Node) -> None:
    pod = make_pod()
    node.runtime.lives["app"] = Life(exits_after_seconds=0, exit_code=1)
    await node.sync_once(pod)
    await node.sync_once(pod)

    with pytest.raises(KubeletSimError) as caught:
        await node.sync_once(pod)

    assert str(caught.value) == (
        'failed to "StartContainer" for "app" with CrashLoopBackOff: '
        f'"back-off 10s restarting failed container=app pod=web_default({UID})"'
    )
    assert node.runtime.names() == ["Version"]
    assert node.events[-1].message == f"Back-off restarting failed container app in pod web_default({UID})"


async def test_the_event_of_a_failed_start_names_the_container_in_place_of_its_id(node: Node) -> None:
    await node.sync_once(make_pod())
    stem, _, number = node.runtime.running()[0].id.rpartition("-")
    coming = f"{stem}-{int(number) + 1}"
    node.runtime.exit("app")
    node.runtime.fail("StartContainer", f'container "{coming}" has no task')

    with pytest.raises(KubeletSimError, match=coming):
        await node.sync_once(make_pod())

    assert node.events[-1].message == 'Error: container "app" has no task'
