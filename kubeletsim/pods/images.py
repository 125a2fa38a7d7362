"""The image manager: makes sure that a container's image is on the node before the container is created.

An image that is there by the pull policy's rules costs one ImageStatus. Otherwise it is pulled, one image at a time
unless the node is configured for parallel pulls, and a pull that failed is not tried again before its backoff is over.
The calls and their order are those of every trace: ImageStatus, PullImage, and ImageStatus once more for the size.

Differs from pkg/kubelet/images/image_manager.go: no pull secrets and no records of which secret brought which image.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Counter, Histogram

from kubeletsim.base.duration import Duration
from kubeletsim.base.timing import Backoff, Clock
from kubeletsim.model.errors import CRIError, go_quote
from kubeletsim.model.events import Event, EventRecorder, ObjectReference
from kubeletsim.model.pod import AnyContainer, pod_uid
from kubeletsim.model.requests import AuthConfig, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import Image
from kubeletsim.pods.failures import StartFailure
from kubeletsim.pods.pod_events import pod_reference
from kubeletsim.pods.requests import RequestError, image_spec

INITIAL_BACKOFF_SECONDS = 10.0
MAX_BACKOFF_SECONDS = 300.0
UNKNOWN_CODE = "Unknown"

PULL_DURATION_BUCKETS = (1, 5, 10, 20, 30, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200, 1800, 2700, 3600)
SIZE_STEPS_GB = ((1, 5), (5, 10), (10, 20), (20, 30), (30, 40), (40, 60), (60, 100))

SPECIAL_PULL_ERRORS = {
    "RegistryUnavailable": "image pull failed for {image} because the registry is unavailable{rest}",
    "SignatureValidationFailed": "image pull failed for {image} because the signature validation failed{rest}",
}
"""Error texts of runtimes that begin with a reason of their own, and what is made of the rest."""


class ImageService(Protocol):
    """What this module needs of the runtime."""

    async def image_status(self, spec: ImageSpec) -> Image | None:
        """Return the image, None when it is absent."""

    async def pull_image(
        self, spec: ImageSpec, *, auth: AuthConfig | None = None, sandbox_config: SandboxConfig | None = None
    ) -> str:
        """Pull the image and return its reference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullLimits:
    """How fast images may be pulled."""

    qps: float = 5.0
    """registryPullQPS: pulls a second in the long run; 0 for no limit."""
    burst: int = 10
    """registryBurst: pulls at once after a quiet time."""
    serialize: bool = True
    """serializeImagePulls: one at a time."""
    max_parallel: int | None = None
    """maxParallelImagePulls, for parallel pulls; None for no limit."""


@dataclass
class TokenBucket:
    """A rate limit that refuses instead of waiting (client-go's TryAccept)."""

    qps: float
    burst: int
    _tokens: float = field(init=False)
    _filled_at: float | None = None

    def __post_init__(self) -> None:
        self._tokens = float(self.burst)

    def try_accept(self, *, now: float) -> bool:
        """Take a token if there is one; `now` is in monotonic seconds."""
        if self.qps <= 0:
            return True
        since = now - self._filled_at if self._filled_at is not None else 0.0
        self._tokens = min(float(self.burst), self._tokens + since * self.qps)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class ImageManager:
    """Brings images to the node.

    Args:
        images: the runtime's image service.
        limits: how fast.
        clock: backoff runs on its wall clock, rates and durations on its monotonic one.
        record: takes what happens to images as events of the pods that want them.
        registry: gets kubelet_image_pull_duration_seconds and kubelet_image_manager_ensure_image_requests_total.
    """

    def __init__(
        self,
        images: ImageService,
        *,
        limits: PullLimits,
        clock: Clock,
        record: EventRecorder,
        registry: CollectorRegistry,
    ) -> None:
        self._images = images
        self._clock = clock
        self._record = record
        self._bucket = TokenBucket(limits.qps, limits.burst)
        self._turn = _turns(limits)
        self._backoff = Backoff(INITIAL_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS)
        self._last_errors: dict[str, str] = {}
        self._pull_duration = Histogram(
            "kubelet_image_pull_duration_seconds",
            "Duration in seconds to pull an image.",
            ["image_size_in_bytes"],
            buckets=PULL_DURATION_BUCKETS,
            registry=registry,
        )
        self._requests = Counter(
            "kubelet_image_manager_ensure_image_requests_total",
            "Number of ensure-image requests processed by the kubelet.",
            ["pull_policy", "present_locally", "pull_required"],
            registry=registry,
        )

    async def ensure_image_exists(self, pod: Pod, container: AnyContainer, *, sandbox_config: SandboxConfig) -> str:
        """Return the id or reference of the container's image once it is on the node.

        Raises:
            StartFailure: it is not there and cannot be brought, with the waiting reason of kubelet-behaviour §6.7.
        """
        requested = container.image or ""
        about = pod_reference(pod, container=container.name)
        try:
            spec = image_spec(pod, requested)
        except RequestError as error:
            self._tell(about, "InspectFailed", str(error), warning=True)
            raise StartFailure("InvalidImageName", str(error)) from error
        present = await self._find(spec, about, container, requested)
        if present is not None:
            text = f"Container image {go_quote(requested)} already present on machine and can be accessed by the pod"
            self._tell(about, "Pulled", text)
            return present
        return await self._pull(
            spec, about, requested, key=f"{pod_uid(pod)}_{requested}", sandbox_config=sandbox_config
        )

    def collect(self) -> None:
        """Forget the backoff of images that nobody has asked for in a long time."""
        self._backoff.collect(now=self._clock.now())

    async def _find(
        self, spec: ImageSpec, about: ObjectReference, container: AnyContainer, requested: str
    ) -> str | None:
        """Return the image's id where the pull policy is content with what is there."""
        policy = container.imagePullPolicy or "IfNotPresent"
        if policy == "Always":
            self._count(policy, present="unknown", required="true")
            return None
        try:
            image = await self._images.image_status(spec)
        except CRIError as error:
            text = f"Failed to inspect image {go_quote(requested)}: {error}"
            self._tell(about, "InspectFailed", text, warning=True)
            raise StartFailure("ImageInspectError", text) from error
        required = image is None and policy != "Never"
        self._count(policy, present=_yes_no(image is not None), required=_yes_no(required))
        if image is None and policy == "Never":
            text = f"Container image {go_quote(requested)} is not present with pull policy of Never"
            self._tell(about, "ErrImageNeverPull", text, warning=True)
            raise StartFailure("ErrImageNeverPull", text)
        return image.id if image is not None else None

    async def _pull(
        self, spec: ImageSpec, about: ObjectReference, requested: str, *, key: str, sandbox_config: SandboxConfig
    ) -> str:
        if self._backoff.remaining(key, now=self._clock.now()) > 0:
            text = f"Back-off pulling image {go_quote(requested)}"
            self._tell(about, "BackOff", text)
            last = self._last_errors.get(key)
            # No `backoff_until`: the recordings show such a pod again after the delay of any other error.
            raise StartFailure("ImagePullBackOff", f"{text}: {last}" if last else text)
        self._last_errors.pop(key, None)
        self._tell(about, "Pulling", f"Pulling image {go_quote(requested)}")
        started = self._clock.monotonic()
        try:
            reference, size_bytes, pulling_seconds = await self._pull_in_turn(spec, sandbox_config)
        except CRIError as error:
            # A code of Unknown adds nothing, and without it the runtime's own reasons stand at the beginning.
            text = error.desc if error.code == UNKNOWN_CODE else str(error)
            self._tell(about, "Failed", f"Failed to pull image {go_quote(requested)}: {text}", warning=True)
            self._backoff.advance(key, now=self._clock.now())
            reason, message = _pull_failure(requested, text)
            self._last_errors[key] = f"{reason}: {message}"
            raise StartFailure(reason, message) from error
        waited_seconds = self._clock.monotonic() - started
        self._tell(
            about,
            "Pulled",
            f"Successfully pulled image {go_quote(requested)} in {_milliseconds(pulling_seconds)} "
            f"({_milliseconds(waited_seconds)} including waiting). Image size: {size_bytes} bytes.",
        )
        self._pull_duration.labels(size_bucket(size_bytes)).observe(waited_seconds)
        self.collect()
        return reference

    async def _pull_in_turn(self, spec: ImageSpec, sandbox_config: SandboxConfig) -> tuple[str, int, float]:
        """Pull when it is this image's turn; return its reference, its size and the seconds without the waiting."""
        async with self._turn():
            started = self._clock.monotonic()
            if not self._bucket.try_accept(now=started):
                raise CRIError("pull QPS exceeded")
            reference = await self._images.pull_image(spec, sandbox_config=sandbox_config)
            took_seconds = self._clock.monotonic() - started
            try:
                image = await self._images.image_status(spec)
            except CRIError:
                image = None  # only the event and the metric miss the size
            return reference, image.size_bytes if image is not None else 0, took_seconds

    def _tell(self, about: ObjectReference, reason: str, message: str, *, warning: bool = False) -> None:
        self._record(Event(regarding=about, type="Warning" if warning else "Normal", reason=reason, message=message))

    def _count(self, policy: str, *, present: str, required: str) -> None:
        self._requests.labels(pull_policy=policy.lower(), present_locally=present, pull_required=required).inc()


def size_bucket(size_bytes: int) -> str:
    """Return the label of an image's size in kubelet_image_pull_duration_seconds."""
    mega, giga = 1024**2, 1024**3
    if size_bytes <= 0:
        return "N/A"
    steps = [(0, 10 * mega, "0-10MB"), (10 * mega, 100 * mega, "10MB-100MB"), (100 * mega, 500 * mega, "100MB-500MB")]
    steps.append((500 * mega, giga, "500MB-1GB"))
    steps += [(low * giga, high * giga, f"{low}GB-{high}GB") for low, high in SIZE_STEPS_GB]
    return next((name for low, high, name in steps if low <= size_bytes < high), "GT100GB")


def _turns(limits: PullLimits) -> Callable[[], AbstractAsyncContextManager[object]]:
    """Return what a pull waits in: a queue of one, a queue of some, or nothing."""
    if limits.serialize:
        lock = asyncio.Lock()
        return lambda: lock
    if limits.max_parallel is not None:
        places = asyncio.Semaphore(limits.max_parallel)
        return lambda: places
    return nullcontext


def _pull_failure(image: str, text: str) -> tuple[str, str]:
    """Return reason and message of a failed pull; runtimes may name a reason of their own first."""
    for reason, wording in SPECIAL_PULL_ERRORS.items():
        if text.startswith(reason):
            return reason, wording.format(image=image, rest=text.removeprefix(reason))
    return "ErrImagePull", text


def _milliseconds(seconds: float) -> Duration:
    """Return a duration cut to whole milliseconds, as event texts show it."""
    return Duration.of(milliseconds=int(seconds * 1000))


def _yes_no(value: bool) -> str:
    return "true" if value else "false"
