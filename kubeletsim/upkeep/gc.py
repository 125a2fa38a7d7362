"""The garbage collector's rules: which containers, sandboxes, log directories and images have to go.

Everything here decides and nothing acts: the plans are lists in the order of removal, and the sweepers carry them out.
Whether a pod's content should go (the pod is deleted or evicted, and terminated) is the pod workers' knowledge and
comes in as a function.

Upstream decides and deletes in one loop (pkg/kubelet/kuberuntime/kuberuntime_gc.go, pkg/kubelet/images/
image_gc_manager.go); the decisions are the same, except that where upstream walks a Go map and so removes in random
order, the order here is the runtime's own.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from kubeletsim.model.labels import POD_UID_LABEL
from kubeletsim.model.runtime import (
    Container,
    ContainerState,
    Image,
    ImageID,
    PodUID,
    Sandbox,
    SandboxState,
    newest_first,
)

ContentShouldGo = Callable[[PodUID], bool]
"""Whether nothing of a pod may stay: it is deleted or evicted, and terminated (ShouldPodContentBeRemoved upstream)."""

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerGCPolicy:
    """How many dead containers may stay, for a later look at their logs and exit codes."""

    min_age_seconds: float = 0.0
    """Younger ones stay: --minimum-container-ttl-duration. Counted from creation, as upstream does."""
    max_per_pod_container: int = 1
    """Kept of each container of each pod: --maximum-dead-containers-per-container; negative: no limit."""
    max_containers: int = -1
    """Kept on the whole node: --maximum-dead-containers; negative: no limit."""


def plan_container_gc(
    containers: Iterable[Container],
    *,
    policy: ContainerGCPolicy,
    content_should_go: ContentShouldGo,
    sources_ready: bool,
    now: float,
) -> list[Container]:
    """Name the dead containers to remove, in order of removal.

    Before every pod source has reported, a pod that nobody knows is no proof that it is gone, so whole pods go only
    with `sources_ready`. `now` is Unix seconds.
    """
    units = _evict_units(containers, min_age_seconds=policy.min_age_seconds, now=now)
    removals: list[Container] = []
    if sources_ready:
        for key in [key for key in units if content_should_go(key[0])]:
            removals += reversed(units.pop(key))
    if policy.max_per_pod_container >= 0:
        removals += _trim(units, keep=policy.max_per_pod_container)
    if 0 <= policy.max_containers < _count(units):
        removals += _trim(units, keep=max(1, policy.max_containers // len(units)))
        left = sorted((dead for unit in units.values() for dead in unit), key=_created)
        removals += left[: max(0, len(left) - policy.max_containers)]
    return removals


def plan_sandbox_gc(
    sandboxes: Iterable[Sandbox], containers: Iterable[Container], *, content_should_go: ContentShouldGo
) -> list[Sandbox]:
    """Name the sandboxes to remove: the dead ones without containers, except the newest of a pod that stays.

    A sandbox that still has a container, dead or alive, waits until that container is gone.
    """
    occupied = {container.sandbox_id for container in containers}
    by_pod: defaultdict[PodUID, list[Sandbox]] = defaultdict(list)
    for sandbox in sandboxes:
        by_pod[sandbox.uid].append(sandbox)
    removals: list[Sandbox] = []
    for uid, mine in by_pod.items():
        oldest_first = newest_first(mine)[::-1]
        evictable = oldest_first if content_should_go(uid) else oldest_first[:-1]
        removals += [
            sandbox for sandbox in evictable if sandbox.state is not SandboxState.READY and sandbox.id not in occupied
        ]
    return removals


def plan_log_dir_gc(names: Iterable[str], *, content_should_go: ContentShouldGo) -> list[str]:
    """Name the directories of podLogsDir to delete; they are called `<namespace>_<name>_<uid>`."""
    return [name for name in names if content_should_go(PodUID(name.rpartition("_")[2]))]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageGCPolicy:
    """When images have to go. The percentages are of the image file system's capacity in use."""

    high_threshold_percent: int = 85
    low_threshold_percent: int = 80
    min_age_seconds: float = 120.0
    """imageMinimumGCAge: an image seen for a shorter time than this stays, it may be about to be used."""
    max_age_seconds: float = 0.0
    """imageMaximumGCAge: an image unused for longer than this goes; 0 turns that off."""

    @property
    def enabled(self) -> bool:
        """Tell whether images are collected at all; 100 % and no maximum age mean never."""
        return self.high_threshold_percent < 100 or self.max_age_seconds > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """What the collector remembers about an image. Times are Unix seconds."""

    id: ImageID
    first_detected: float
    """When the image was first listed; 0 for those that were there before the kubelet."""
    last_used: float = 0.0
    """When a container was last seen to use it; 0 when none ever was, which counts as long ago."""
    size_bytes: int = 0
    pinned: bool = False


ImageRecords = Mapping[ImageID, ImageRecord]


def images_in_use(
    containers: Iterable[Container], images: Iterable[Image] = (), *, mounted: Collection[str] = ()
) -> set[ImageID]:
    """Return the images of all containers, dead ones included: a restart must not pull again.

    `mounted` names what containers mount as image volumes, by id, tag or digest. A sandbox's image is not among the
    used ones; runtimes pin it instead.
    """
    by_containers = {container.image_id or ImageID(container.image_ref) for container in containers}
    names = frozenset(mounted)
    by_volumes = {
        image.id for image in images if not names.isdisjoint((image.id, *image.repo_tags, *image.repo_digests))
    }
    return by_containers | by_volumes


def detect_images(
    records: ImageRecords, images: Iterable[Image], *, in_use: Collection[ImageID], detected_at: float, now: float
) -> dict[ImageID, ImageRecord]:
    """Return the records brought up to date with a list of images.

    New images get `detected_at`, those in use `now`; what is no longer listed is forgotten.
    """
    detected: dict[ImageID, ImageRecord] = {}
    for image in images:
        known = records.get(image.id) or ImageRecord(id=image.id, first_detected=detected_at)
        last_used = now if image.id in in_use else known.last_used
        detected[image.id] = replace(known, last_used=last_used, size_bytes=image.size_bytes, pinned=image.pinned)
    return detected


def eviction_order(records: ImageRecords, *, in_use: Collection[ImageID]) -> list[ImageRecord]:
    """Return the images that may go at all, first to go first: longest unused, then longest known."""
    evictable = [record for record in records.values() if record.id not in in_use and not record.pinned]
    return sorted(evictable, key=lambda record: (record.last_used, record.first_detected))


def plan_image_age_gc(
    images: Sequence[ImageRecord], *, policy: ImageGCPolicy, began_at: float, now: float
) -> list[ImageRecord]:
    """Name the images that are unused for longer than the maximum age.

    Nothing goes before the kubelet itself (`began_at`) is that old: until then it cannot know.
    """
    if policy.max_age_seconds <= 0 or now - began_at <= policy.max_age_seconds:
        return []
    return [image for image in images if now - image.last_used > policy.max_age_seconds]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUsage:
    """The file system that holds the images, in bytes."""

    capacity_bytes: int
    available_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpacePlan:
    """Remove the candidates one by one until `bytes_to_free` are freed."""

    usage_percent: int
    bytes_to_free: int
    candidates: tuple[ImageRecord, ...]


def plan_image_space_gc(
    images: Sequence[ImageRecord], *, disk: DiskUsage, policy: ImageGCPolicy, now: float
) -> ImageSpacePlan | None:
    """Say what to free when the disk is at or above the high threshold; None below it.

    `images` is in eviction order and `disk.capacity_bytes` is positive. A plan's candidates may be too few, and a
    removal may fail: the sweeper sees that.
    """
    available = min(disk.available_bytes, disk.capacity_bytes)
    usage_percent = 100 - available * 100 // disk.capacity_bytes
    if usage_percent < policy.high_threshold_percent:
        return None
    wanted_bytes = disk.capacity_bytes * (100 - policy.low_threshold_percent) // 100
    return ImageSpacePlan(
        usage_percent=usage_percent,
        bytes_to_free=wanted_bytes - available,
        candidates=removable_images(images, policy=policy, now=now),
    )


def removable_images(images: Iterable[ImageRecord], *, policy: ImageGCPolicy, now: float) -> tuple[ImageRecord, ...]:
    """Return those that may go for want of space: unused since before `now`, and not so new that somebody waits."""
    return tuple(
        image for image in images if image.last_used < now and now - image.first_detected >= policy.min_age_seconds
    )


_Units = dict[tuple[PodUID, str], list[Container]]


def _evict_units(containers: Iterable[Container], *, min_age_seconds: float, now: float) -> _Units:
    """Group the dead containers that are old enough by pod and container name, newest first.

    One of the future was made before the clock was put back, which is as much as is known of its age.
    """
    newest_allowed, present = (now - min_age_seconds) * NANOSECONDS, now * NANOSECONDS
    units: defaultdict[tuple[PodUID, str], list[Container]] = defaultdict(list)
    for container in containers:
        is_old = container.created_at <= newest_allowed or container.created_at > present
        if container.state is not ContainerState.RUNNING and is_old:
            units[PodUID(container.labels.get(POD_UID_LABEL, "")), container.name].append(container)
    return {key: list(newest_first(unit)) for key, unit in units.items()}


def _trim(units: _Units, *, keep: int) -> list[Container]:
    """Cut each unit down to its `keep` newest and return the rest, oldest first within a unit."""
    removals: list[Container] = []
    for key, unit in list(units.items()):
        removals += reversed(unit[keep:])
        if keep == 0:
            del units[key]
        else:
            units[key] = unit[:keep]
    return removals


def _count(units: _Units) -> int:
    return sum(len(unit) for unit in units.values())


def _created(container: Container) -> int:
    return container.created_at
