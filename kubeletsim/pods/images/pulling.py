"""The puller: pulls when it is an image's turn, no faster than configured, with one credential after another.

Upstream: pkg/kubelet/images/{puller,serialized_image_puller,parallel_image_puller,throttled_puller}.go, PullImage in
pkg/kubelet/kuberuntime/kuberuntime_image.go.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import CRIError, KubeletSimError
from kubeletsim.model.requests import AuthConfig, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import Image

UNKNOWN_CODE = "Unknown"


class ImageService(Protocol):
    """What pulling needs of the runtime."""

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


@dataclass(frozen=True, slots=True)
class Pulled:
    """A pull that worked."""

    reference: str
    size_bytes: int
    """0 where the runtime did not say."""
    seconds: float
    """How long it took, without the waiting for its turn."""


class PullFailed(KubeletSimError):
    """A pull that did not; its text is the runtime's, or one for each credential."""


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


class Puller:
    """Pulls images.

    Args:
        images: the runtime's image service.
        limits: how fast.
        clock: its monotonic time measures rates and durations.
    """

    def __init__(self, images: ImageService, *, limits: PullLimits, clock: Clock) -> None:
        self._images = images
        self._clock = clock
        self._bucket = TokenBucket(limits.qps, limits.burst)
        self._turn = _turns(limits)

    async def pull(
        self, spec: ImageSpec, *, credentials: Sequence[AuthConfig], sandbox_config: SandboxConfig
    ) -> Pulled:
        """Pull an image when it is its turn.

        Args:
            spec: what.
            credentials: tried in order until one works; without any the pull is anonymous, and only then.
            sandbox_config: the pod it is for.

        Raises:
            PullFailed: none worked, or too many pulls were asked for.
        """
        async with self._turn():
            started = self._clock.monotonic()
            if not self._bucket.try_accept(now=started):
                raise PullFailed("pull QPS exceeded")
            reference = await self._try(spec, credentials or [None], sandbox_config)
            took_seconds = self._clock.monotonic() - started
            try:
                image = await self._images.image_status(spec)
            except CRIError:
                image = None  # only the event and the metric miss the size
            return Pulled(reference, image.size_bytes if image is not None else 0, took_seconds)

    async def _try(
        self, spec: ImageSpec, credentials: Sequence[AuthConfig | None], sandbox_config: SandboxConfig
    ) -> str:
        texts: dict[str, None] = {}  # in order, each once
        for auth in credentials:
            try:
                return await self._images.pull_image(spec, auth=auth, sandbox_config=sandbox_config)
            except CRIError as error:
                # A code of Unknown adds nothing, and without it the runtime's own reasons stand at the beginning.
                texts[error.desc if error.code == UNKNOWN_CODE else str(error)] = None
        raise PullFailed(next(iter(texts)) if len(texts) == 1 else f"[{', '.join(texts)}]")


def _turns(limits: PullLimits) -> Callable[[], AbstractAsyncContextManager[object]]:
    """Return what a pull waits in: a queue of one, a queue of some, or nothing."""
    if limits.serialize:
        lock = asyncio.Lock()
        return lambda: lock
    if limits.max_parallel is not None:
        places = asyncio.Semaphore(limits.max_parallel)
        return lambda: places
    return nullcontext
