"""Claims about the volume manager: who waits for what, how long, and what is told."""

import asyncio
from pathlib import Path

import pytest
from lightkube.models.core_v1 import Pod

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.events import Event
from kubeletsim.model.pod import metadata
from kubeletsim.pods.failures import MountFailure
from kubeletsim.pods.requests import NodeFacts
from kubeletsim.pods.volumes import VolumeManager
from tests.fakes.pods import UID, container, make_pod

pytestmark = pytest.mark.looptime


class Volumes:
    """A volume manager in a directory of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: list[Event] = []
        self.going_down = False
        facts = NodeFacts(name="vm", root_dir=str(root))
        self.manager = VolumeManager(node=facts, clock=LoopClock(), record=self.events.append)

    def path(self, plugin: str) -> Path:
        return self.root / "pods" / UID / "volumes" / f"kubernetes.io~{plugin}" / "data"

    async def mount(self, pod: Pod) -> float:
        """Return how long it took."""
        begin = asyncio.get_running_loop().time()
        await self.manager.wait_for_mounts(pod, pod_ips=(), going_down=lambda: self.going_down)
        return round(asyncio.get_running_loop().time() - begin, 3)


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    return Volumes(tmp_path)


def with_volume(**source: object) -> Pod:
    app = container("app", volumeMounts=[{"name": "data", "mountPath": "/data"}])
    return make_pod(app, volumes=[{"name": "data", **source}])


async def test_a_pod_without_volumes_waits_for_nothing(volumes: Volumes) -> None:
    assert await volumes.mount(make_pod()) == 0


async def test_the_first_sync_waits_for_one_look_and_later_ones_do_not(volumes: Volumes) -> None:
    pod = with_volume(emptyDir={})

    assert await volumes.mount(pod) == 0.3
    assert volumes.path("empty-dir").is_dir()
    assert await volumes.mount(pod) == 0
    assert volumes.events == []


async def test_an_image_volume_is_waited_for_as_well_and_leaves_nothing(volumes: Volumes) -> None:
    pod = with_volume(image={"reference": "files:1"})

    assert await volumes.mount(pod) == 0.3
    await volumes.manager.unmount(pod)
    assert list(volumes.root.iterdir()) == []


async def test_a_volume_that_fails_is_tried_again_ever_later_and_told_each_time(
    volumes: Volumes, tmp_path: Path
) -> None:
    pod = with_volume(hostPath={"path": str(tmp_path / "absent"), "type": "Directory"})

    with pytest.raises(MountFailure) as caught:
        await volumes.mount(pod)

    assert str(caught.value) == (
        "unmounted volumes=[data], unattached volumes=[], failed to process volumes=[]: context deadline exceeded"
    )
    assert 123 <= asyncio.get_running_loop().time() <= 123.5
    text = (
        f'MountVolume.SetUp failed for volume "data" : hostPath type check failed: {tmp_path}/absent is not a directory'
    )
    assert {(event.type, event.reason, event.message) for event in volumes.events} == {("Warning", "FailedMount", text)}
    assert len(volumes.events) == 8  # at 0.3 s, and after 0.5, 1, 2, 4, 8, 16, 32 and 64 s as far as there is time


async def test_a_volume_that_mends_lets_the_pod_go_on(volumes: Volumes, tmp_path: Path) -> None:
    pod = with_volume(hostPath={"path": str(tmp_path / "late"), "type": "Directory"})

    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(volumes.mount(pod))
        await asyncio.sleep(2)
        (tmp_path / "late").mkdir()

    assert waiting.result() < 5


async def test_a_pod_that_is_to_end_waits_no_longer(volumes: Volumes, tmp_path: Path) -> None:
    volumes.going_down = True

    with pytest.raises(MountFailure, match=r"unmounted volumes=\[data\], .* context canceled"):
        await volumes.mount(with_volume(hostPath={"path": str(tmp_path / "absent"), "type": "File"}))

    assert asyncio.get_running_loop().time() == pytest.approx(0.3)


async def test_facts_about_the_pod_follow_the_pod(volumes: Volumes) -> None:
    item = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    pod = with_volume(downwardAPI={"items": [item]})
    await volumes.mount(pod)
    assert (volumes.path("downward-api") / "labels").read_text() == ""

    metadata(pod).labels = {"tier": "web"}
    assert await volumes.mount(pod) == 0
    assert (volumes.path("downward-api") / "labels").read_text() == 'tier="web"'


async def test_a_directory_that_cannot_be_made_is_told_as_go_tells_it(volumes: Volumes) -> None:
    volumes.path("empty-dir").parent.mkdir(parents=True)
    volumes.path("empty-dir").touch()
    volumes.manager._record = lambda event: (volumes.events.append(event), setattr(volumes, "going_down", True))

    with pytest.raises(MountFailure):
        await volumes.mount(with_volume(emptyDir={}))

    (event,) = volumes.events
    assert event.message.endswith("/data: file exists")


async def test_what_a_pod_had_is_gone_when_it_has_ended(volumes: Volumes) -> None:
    pod = with_volume(emptyDir={})
    await volumes.mount(pod)
    (volumes.path("empty-dir") / "file").touch()

    await volumes.manager.unmount(pod)

    assert not volumes.path("empty-dir").exists()
    assert await volumes.mount(pod) == 0.3


async def test_a_fact_that_cannot_be_told_fails_at_once(volumes: Volumes) -> None:
    pod = with_volume(downwardAPI={"items": [{"path": "x", "fieldRef": {"fieldPath": "spec.color"}}]})

    with pytest.raises(MountFailure, match="unsupported fieldPath"):
        await volumes.mount(pod)
    await volumes.manager.unmount(pod)
    assert [event.reason for event in volumes.events] == ["FailedMount"]
