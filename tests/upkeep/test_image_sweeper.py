"""The image sweeper: the recorded calls, what goes at which threshold, and how failures are told."""

import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from kubeletsim.model.events import ObjectReference
from kubeletsim.model.requests import ImageSpec, Mount
from kubeletsim.upkeep.gc import DiskUsage, ImageGCPolicy
from kubeletsim.upkeep.image_sweeper import SCOPE, ImageSweeper, format_size, read_disk_usage

GOLDEN = Path(__file__).parent.parent / "golden"
ROOT = "Images/GarbageCollect"
NODE = ObjectReference(kind="Node", name="node-1", uid="node-1")
COLLECTED = "kubelet_image_garbage_collected_total"


class Disk:
    """A file system of a hundred bytes."""

    def __init__(self) -> None:
        self.available = 90
        self.asked: list[str] = []
        self.missing = False

    def __call__(self, mountpoint: str) -> DiskUsage:
        self.asked.append(mountpoint)
        if self.missing:
            raise FileNotFoundError(mountpoint)
        return DiskUsage(capacity_bytes=100, available_bytes=self.available)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def forgotten() -> list[tuple[set[str], float]]:
    """What was left when pulls were forgotten, and from when on they were not."""
    return []


@pytest.fixture
def make(node, recorder, clock, disk, registry, forgotten):
    def make(policy: ImageGCPolicy | None = None) -> ImageSweeper:
        return ImageSweeper(
            node.cri,
            policy=policy or ImageGCPolicy(),
            disk_usage=disk,
            tracer=recorder.tracer(SCOPE),
            record=recorder.events.append,
            node=NODE,
            forget_pulls=lambda present, began_at: forgotten.append((set(present), began_at)),
            registry=registry,
            clock=clock,
            rng=random.Random(1),
        )

    return make


@pytest.mark.looptime
async def test_a_turn_makes_the_recorded_calls(make, node, recorder):
    await node.container("crash", "app")
    await make().sweep()

    roots = json.loads((GOLDEN / "crash.json").read_text())["roots"]
    recorded = [[c["name"].rpartition("/")[2] for c in root["children"]] for root in roots if root["name"] == ROOT]
    assert recorder.children(ROOT) == recorded


@pytest.mark.looptime
async def test_the_span_is_a_bare_root_like_the_recorded_one_even_when_the_turn_fails(make, node, recorder):
    node.cri.fail("ListImages", "no answer")
    with recorder.tracer("caller").start_as_current_span("whoever started the agent"):
        await make().sweep()

    span = next(span for span in recorder.spans() if span.name == ROOT)
    golden = next(s for s in json.loads((GOLDEN / "spans.json").read_text()) if s["name"] == ROOT)
    assert span.parent is None
    assert span.kind.name == golden["kind"]
    assert span.instrumentation_scope.name == golden["scope"]
    assert dict(span.attributes) == golden["attributes"]
    assert span.status.status_code.name == "UNSET"
    assert span.events == ()


@pytest.mark.looptime
async def test_collection_detection_and_listing_keep_their_periods(make, node):
    task = asyncio.create_task(make().run())
    await asyncio.sleep(301)
    task.cancel()

    lists = [round(call.at) for call in node.cri.calls if call.rpc == "ListImages"]
    assert [round(call.at) for call in node.cri.calls if call.rpc == "ImageFsInfo"] == [0, 300]
    assert lists == [0, 0, *range(0, 300, 30), 300, 300, 300]


@pytest.mark.looptime
async def test_collection_that_is_off_leaves_detection_and_listing_on(make, node):
    task = asyncio.create_task(make(ImageGCPolicy(high_threshold_percent=100)).run())
    await asyncio.sleep(31)
    task.cancel()

    assert node.cri.count("ImageFsInfo") == 0
    assert node.cri.count("ListImages") == 3


@pytest.mark.looptime
async def test_a_full_disk_loses_its_longest_unused_images_until_the_low_threshold(make, node, disk, registry):
    """At 90 % with a low threshold of 80 ten bytes have to go: the unused image seen first is enough."""
    sweeper = make(ImageGCPolicy(min_age_seconds=10))
    node.cri.add_image("old", size_bytes=10)
    await sweeper.sweep()
    await asyncio.sleep(20)
    node.cri.add_image("newer", size_bytes=10)
    node.cri.add_image("busybox", size_bytes=10)
    await node.container("web", "app", image="busybox")
    await sweeper.sweep()
    await asyncio.sleep(20)
    disk.available = 10

    await sweeper.sweep()

    assert sorted({image.repo_tags[0] for image in node.cri.images.values()}) == ["busybox", "newer"]
    assert registry.get_sample_value(COLLECTED, {"reason": "space"}) == 1
    assert set(disk.asked) == {"/"}


@pytest.mark.looptime
async def test_an_image_that_a_container_mounts_as_a_volume_stays_on_a_full_disk(make, node, disk):
    sweeper = make(ImageGCPolicy(min_age_seconds=0))
    node.cri.add_image("data", size_bytes=10)
    node.cri.add_image("unused", size_bytes=10)
    container_id = await node.container("web", "app")
    volume = Mount(container_path="/data", image=ImageSpec(image="data"))
    held = node.cri._containers[container_id]
    held.status = replace(held.status, mounts=(volume,))
    await sweeper.sweep()
    await asyncio.sleep(1)
    disk.available = 1

    await sweeper.sweep()

    assert {image.repo_tags[0] for image in node.cri.images.values()} == {"data"}


@pytest.mark.looptime
async def test_too_little_to_free_is_told_at_once_and_as_a_failed_turn_from_the_second_on(make, disk, recorder):
    sweeper = make()
    disk.available = 10
    await sweeper.sweep()
    assert recorder.reasons() == ["FreeDiskSpaceFailed"]
    await sweeper.sweep()

    assert recorder.reasons() == ["FreeDiskSpaceFailed", "FreeDiskSpaceFailed", "ImageGCFailed"]
    assert "by deleting unused images (freed 0 bytes)" in recorder.events[0].message
    assert recorder.events[0].regarding == NODE

    disk.available = 90
    await sweeper.sweep()
    disk.available = 10
    await sweeper.sweep()
    assert recorder.reasons()[3:] == ["FreeDiskSpaceFailed"]


@pytest.mark.looptime
async def test_a_file_system_that_cannot_be_measured_has_an_invalid_capacity(make, disk, recorder):
    disk.missing = True
    await make().sweep()

    (event,) = recorder.events
    assert (event.reason, event.message) == ("InvalidDiskCapacity", "invalid capacity 0 on image filesystem")


@pytest.mark.looptime
async def test_images_past_the_maximum_age_go_whatever_the_disk_says(make, node, registry):
    sweeper = make(ImageGCPolicy(max_age_seconds=3600))
    node.cri.add_image("unused")
    node.cri.add_image("busybox")
    await node.container("web", "app", image="busybox")
    await sweeper.sweep()
    assert node.cri.count("RemoveImage") == 0
    await asyncio.sleep(3601)
    await sweeper.sweep()

    assert {image.repo_tags[0] for image in node.cri.images.values()} == {"busybox"}
    assert registry.get_sample_value(COLLECTED, {"reason": "age"}) == 1


@pytest.mark.looptime
async def test_an_image_that_cannot_be_removed_hinders_no_other_and_fails_the_turn(make, node, disk, recorder):
    sweeper = make(ImageGCPolicy(min_age_seconds=0))
    node.cri.add_image("one", size_bytes=10)
    node.cri.add_image("two", size_bytes=10)
    await sweeper.sweep()
    await asyncio.sleep(1)
    disk.available = 10
    node.cri.fail("RemoveImage", "image is busy", times=3)

    await sweeper.sweep()
    await sweeper.sweep()

    assert recorder.reasons() == ["ImageGCFailed"]
    assert "image is busy" in recorder.events[0].message
    assert {image.repo_tags[0] for image in node.cri.images.values()} == {"one"}


@pytest.mark.looptime
async def test_the_image_list_is_the_last_good_one_largest_first(make, node):
    sweeper = make()
    node.cri.add_image("small", size_bytes=1)
    node.cri.add_image("large", size_bytes=2)
    task = asyncio.create_task(sweeper.run())
    await asyncio.sleep(1)
    node.cri.down = True
    await asyncio.sleep(60)
    task.cancel()

    assert [image.repo_tags[0] for image in sweeper.images()] == ["large", "small"]


def test_the_disk_is_measured_where_the_runtime_says(tmp_path):
    disk = read_disk_usage(str(tmp_path))

    assert disk.capacity_bytes > disk.available_bytes > 0
    with pytest.raises(OSError, match="no-such"):
        read_disk_usage(str(tmp_path / "no-such"))


@pytest.mark.looptime
async def test_a_short_disk_costs_every_unused_image_but_no_pinned_one(make, node, recorder):
    node.cri.add_image("used", size_bytes=10)
    node.cri.add_image("idle", size_bytes=10)
    pinned = replace(node.cri.add_image("pinned", size_bytes=10), pinned=True)
    node.cri.images["pinned"] = node.cri.images[pinned.id] = pinned
    await node.container("web", "app", running=True, image="used")
    sweeper = make()

    await sweeper.delete_unused()
    assert "idle" in node.cri.images  # seen for the first time, it may be about to be used
    await asyncio.sleep(120)
    await sweeper.delete_unused()

    assert {"used", "pinned"} <= node.cri.images.keys()
    assert "idle" not in node.cri.images
    assert recorder.children(ROOT) == []
    node.cri.down = True
    await sweeper.delete_unused()  # a failure is logged


@pytest.mark.looptime
async def test_pulls_of_removed_images_are_forgotten_and_those_since_the_turn_began_are_not(
    make, node, clock, forgotten
):
    kept = node.cri.add_image("kept", size_bytes=10)
    await node.container("web", "app", running=True, image="kept")
    node.cri.add_image("idle", size_bytes=10)
    sweeper = make(ImageGCPolicy(min_age_seconds=0))

    began_at = clock.now()
    await sweeper.delete_unused()

    assert forgotten == [({kept.id}, began_at)]


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1024**2 - 1, "1024.0 KiB"),
        (100 * 1024**3, "100.0 GiB"),
        (3 * 1024**5, "3072.0 TiB"),
    ],
)
def test_a_disks_size_is_shown_in_the_unit_that_fits(size_bytes, shown):
    assert format_size(size_bytes) == shown
