"""The image sweeper: remembers when images were used, and removes unused ones when the disk fills up or they are old.

Three loops share one memory. Every five minutes an `Images/GarbageCollect` span: note which images are in use, remove
those past the maximum age, and when the image file system is fuller than the high threshold, remove until it would be
down at the low one. Every five minutes besides, the same note-taking alone. Every thirty seconds the image list that
the node status shows.

Upstream: pkg/kubelet/images/image_gc_manager.go, StartGarbageCollection in pkg/kubelet/kubelet.go.
"""

import asyncio
import logging
import random
import shutil
import sys
from collections.abc import Awaitable, Callable, Collection
from typing import Literal, Protocol

from opentelemetry.context import Context
from opentelemetry.trace import Tracer
from prometheus_client import CollectorRegistry, Counter

from kubeletsim.base.duration import Duration
from kubeletsim.base.timing import Clock, every
from kubeletsim.model.errors import CRIError, KubeletSimError, NotFound
from kubeletsim.model.events import Event, EventRecorder, ObjectReference
from kubeletsim.model.requests import ImageSpec
from kubeletsim.model.runtime import (
    Container,
    ContainerID,
    ContainerStatus,
    Image,
    ImageFsInfo,
    ImageID,
    Sandbox,
)
from kubeletsim.upkeep.gc import (
    DiskUsage,
    ImageGCPolicy,
    ImageRecord,
    detect_images,
    eviction_order,
    images_in_use,
    plan_image_age_gc,
    plan_image_space_gc,
    removable_images,
)

log = logging.getLogger(__name__)

SCOPE = "k8s.io/kubernetes/pkg/kubelet/images"
GC_PERIOD_SECONDS = 300.0
DETECTION_PERIOD_SECONDS = 300.0
LIST_PERIOD_SECONDS = 30.0

ReadDiskUsage = Callable[[str], DiskUsage]
"""Measures the file system behind a mount point; raises OSError where there is none."""
ForgetPulls = Callable[[Collection[str], float], None]
"""Forgets pulls of images but those still there and those noted at or after a moment in Unix seconds."""


ReadImageFs = Callable[[], Awaitable[ImageFsInfo]]
"""Asks the runtime where images are kept."""


class ImageRuntime(Protocol):
    """What this module needs of the runtime."""

    async def list_images(self) -> list[Image]:
        """List images."""

    async def list_pod_sandbox(self) -> list[Sandbox]:
        """List sandboxes."""

    async def list_containers(self) -> list[Container]:
        """List containers."""

    async def container_status(self, container_id: ContainerID) -> ContainerStatus:
        """Return all that is known of a container."""

    async def image_fs_info(self) -> ImageFsInfo:
        """Return where images are kept."""

    async def remove_image(self, spec: ImageSpec) -> None:
        """Remove an image."""


class ImageGCError(KubeletSimError):
    """A turn of image garbage collection did not get as far as it should have."""


class ImageSweeper:
    """Keeps the image file system from filling up.

    Args:
        cri: where the images are.
        policy: when they have to go.
        disk_usage: measures the file system behind ImageFsInfo's mount point (`read_disk_usage`).
        tracer: of scope SCOPE.
        record: takes ImageGCFailed, FreeDiskSpaceFailed and InvalidDiskCapacity.
        node: what those events are about.
        forget_pulls: called once images have been removed.
        registry: gets kubelet_image_garbage_collected_total.
        image_fs_info: asks where images are; the runtime's own way of saying so unless given. Upstream asks past the
            counts of operations.
    """

    def __init__(
        self,
        cri: ImageRuntime,
        *,
        policy: ImageGCPolicy,
        disk_usage: ReadDiskUsage,
        tracer: Tracer,
        record: EventRecorder,
        node: ObjectReference,
        forget_pulls: ForgetPulls,
        registry: CollectorRegistry,
        clock: Clock,
        rng: random.Random,
        image_fs_info: ReadImageFs | None = None,
    ) -> None:
        self._cri = cri
        self._image_fs_info = image_fs_info if image_fs_info is not None else cri.image_fs_info
        self._policy = policy
        self._disk_usage = disk_usage
        self._tracer = tracer
        self._record = record
        self._node = node
        self._forget_pulls = forget_pulls
        self._clock = clock
        self._rng = rng
        self._began_at = clock.now()
        self._records: dict[ImageID, ImageRecord] = {}
        self._listed: list[Image] = []
        self._initialized = False
        self._failed_before = False
        self._collected = Counter(
            "kubelet_image_garbage_collected",
            "Total number of images garbage collected by the kubelet, whether through disk usage or image age.",
            ["reason"],
            registry=registry,
        )

    def images(self) -> list[Image]:
        """Return the images of the last listing, at most half a minute old, largest first."""
        return list(self._listed)

    async def run(self) -> None:
        """Collect, detect and list on their periods; never returns."""
        async with asyncio.TaskGroup() as tasks:
            if self._policy.enabled:
                gc = every(GC_PERIOD_SECONDS, self.sweep, name="image garbage collection", rng=self._rng)
                tasks.create_task(gc, name="image-gc")
            detection = every(DETECTION_PERIOD_SECONDS, self._detect_alone, name="image detection", rng=self._rng)
            tasks.create_task(detection, name="image-detection")
            listing = every(LIST_PERIOD_SECONDS, self._list, name="image list", rng=self._rng)
            tasks.create_task(listing, name="image-list")

    async def sweep(self) -> None:
        """Take one turn in a trace of its own. What fails becomes a log line, and in a row an event."""
        # The span does not tell of a failure: upstream gives it neither status nor exception.
        span = self._tracer.start_as_current_span(
            "Images/GarbageCollect", context=Context(), record_exception=False, set_status_on_exception=False
        )
        try:
            with span:
                await self._collect()
        except (CRIError, ImageGCError) as error:
            if self._failed_before:
                log.error("Image garbage collection failed multiple times in a row: %s", error)  # noqa: TRY400
                self._warn("ImageGCFailed", str(error))
            else:
                log.warning("Image garbage collection failed once, the runtime may still be starting: %s", error)
            self._failed_before = True
        else:
            self._failed_before = False

    async def delete_unused(self) -> None:
        """Remove every image that nobody uses or is about to, for a short disk; what fails becomes a log line."""
        try:
            now = self._clock.now()
            in_use = await self._detect(detected_at=now)
            images = eviction_order(self._records, in_use=in_use)
            candidates = removable_images(images, policy=self._policy, now=now)
            await self._free(candidates, bytes_to_free=sys.maxsize, began_at=now)
        except (CRIError, ImageGCError) as error:
            log.warning("Failed to delete unused images: %s", error)

    async def _collect(self) -> None:
        now = self._clock.now()
        in_use = await self._detect(detected_at=now)
        images = eviction_order(self._records, in_use=in_use)
        images = await self._remove_old(images, now=now)
        disk = await self._read_disk()
        plan = plan_image_space_gc(images, disk=disk, policy=self._policy, now=now)
        if plan is None:
            return
        log.info(
            "Image file system is %d%% full, at or above %d%%: trying to free %d bytes",
            plan.usage_percent,
            self._policy.high_threshold_percent,
            plan.bytes_to_free,
        )
        freed = await self._free(plan.candidates, bytes_to_free=plan.bytes_to_free, began_at=now)
        if freed < plan.bytes_to_free:
            used = f"{plan.usage_percent}% of {format_size(disk.capacity_bytes)} used"
            message = (
                f"Insufficient free disk space on the node's image filesystem ({used}). "
                f"Failed to free sufficient space by deleting unused images (freed {freed} bytes). "
                "Investigate disk usage, as it could be used by active images, logs, volumes, or other data."
            )
            self._warn("FreeDiskSpaceFailed", message)
            raise ImageGCError(message)

    async def _remove_old(self, images: list[ImageRecord], *, now: float) -> list[ImageRecord]:
        """Remove what is past the maximum age and return the rest."""
        old = plan_image_age_gc(images, policy=self._policy, began_at=self._began_at, now=now)
        failures = []
        for image in old:
            try:
                await self._remove(image, reason="age")
            except CRIError as error:
                failures.append(str(error))
        if failures:
            raise ImageGCError(
                f"wanted to free images older than {Duration.of(seconds=self._policy.max_age_seconds)}, "
                f"encountered errors in image deletion: {_aggregate(failures)}"
            )
        if old:
            self._forget_pulls(self._records.keys(), now)
        return [image for image in images if image.id in self._records]

    async def _free(self, candidates: tuple[ImageRecord, ...], *, bytes_to_free: int, began_at: float) -> int:
        """Remove candidates until enough is freed and return how much that is, in bytes."""
        freed, failures = 0, []
        for image in candidates:
            if freed >= bytes_to_free:
                break
            try:
                await self._remove(image, reason="space")
            except CRIError as error:
                failures.append(str(error))
            else:
                freed += image.size_bytes
        if failures:
            raise ImageGCError(
                f"wanted to free {bytes_to_free} bytes, but freed {freed} bytes space "
                f"with errors in image deletion: {_aggregate(failures)}"
            )
        self._forget_pulls(self._records.keys(), began_at)
        return freed

    async def _remove(self, image: ImageRecord, *, reason: Literal["space", "age"]) -> None:
        log.info("Removing image %s (%d bytes): %s", image.id, image.size_bytes, reason)
        try:
            await self._cri.remove_image(ImageSpec(image=image.id))
        except NotFound:
            log.debug("Image %s is gone already", image.id)
        self._records.pop(image.id, None)
        self._collected.labels(reason=reason).inc()

    async def _read_disk(self) -> DiskUsage:
        """Measure the disk that holds the images: where it is comes from the runtime, its size from the system."""
        info = await self._image_fs_info()
        if not info.image_filesystems:
            raise ImageGCError("failed to get image stats: the runtime reports no image file system")
        mountpoint = info.image_filesystems[0].mountpoint
        try:
            disk = self._disk_usage(mountpoint)
        except OSError as error:
            # A runtime in another mount namespace, say: to upstream that is a disk without capacity, too.
            log.warning("Cannot measure the image file system at %s: %s", mountpoint, error)
            disk = DiskUsage(capacity_bytes=0, available_bytes=0)
        if disk.capacity_bytes <= 0:
            message = "invalid capacity 0 on image filesystem"
            self._warn("InvalidDiskCapacity", message)
            raise ImageGCError(message)
        return disk

    async def _detect(self, *, detected_at: float) -> set[ImageID]:
        """Bring the records up to date and return the images in use."""
        images = await self._cri.list_images()
        await self._cri.list_pod_sandbox()
        containers = await self._cri.list_containers()
        mounted: set[str] = set()
        for container in containers:
            try:
                status = await self._cri.container_status(container.id)
            except NotFound:
                log.debug("Container %s went away while its images were looked up", container.id)
            else:
                volumes = [mount.image for mount in status.mounts if mount.image is not None]
                mounted.update(name for volume in volumes for name in (volume.image, volume.image_ref) if name)
        in_use = images_in_use(containers, images, mounted=mounted)
        self._records = detect_images(
            self._records, images, in_use=in_use, detected_at=detected_at, now=self._clock.now()
        )
        return in_use

    async def _detect_alone(self) -> None:
        """Note which images are in use. Those of the first listing count as having been there for ever."""
        try:
            await self._detect(detected_at=self._clock.now() if self._initialized else 0.0)
        except CRIError as error:
            log.warning("Failed to monitor images: %s", error)
        else:
            self._initialized = True

    async def _list(self) -> None:
        try:
            images = await self._cri.list_images()
        except CRIError as error:
            log.warning("Failed to update image list: %s", error)
        else:
            self._listed = sorted(images, key=lambda image: image.size_bytes, reverse=True)

    def _warn(self, reason: str, message: str) -> None:
        self._record(Event(regarding=self._node, type="Warning", reason=reason, message=message))


def _aggregate(failures: list[str]) -> str:
    """Return several errors as Go's aggregate shows them: one bare, several in brackets, each once."""
    texts = list(dict.fromkeys(failures))
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def format_size(size_bytes: int) -> str:
    """Print an amount of bytes with one decimal in the unit that fits (formatSize upstream)."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    exponent = min((size_bytes.bit_length() - 1) // 10, 4)
    return f"{size_bytes / 1024**exponent:.1f} {'KMGT'[exponent - 1]}iB"


def read_disk_usage(mountpoint: str) -> DiskUsage:
    """Measure the file system behind a mount point, as an unprivileged process sees it.

    Raises:
        OSError: there is no such path.
    """
    usage = shutil.disk_usage(mountpoint)
    return DiskUsage(capacity_bytes=usage.total, available_bytes=usage.free)
