"""The eviction manager's look at the runtime: the calls it makes every ten seconds, and what it saw last.

What this leaves in a trace, ImageFsInfo, ListContainers and ListPodSandbox as roots, is what a kubelet's eviction
manager leaves there all day long, and what it saw is there for whoever asks.

Upstream: pkg/kubelet/eviction/eviction_manager.go (synchronize) by way of pkg/kubelet/stats. The recordings know no
ListContainerStats among these calls, although the CRI stats provider makes it.
"""

import logging
from dataclasses import dataclass
from typing import Protocol

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import CRIError
from kubeletsim.model.runtime import (
    Container,
    ImageFsInfo,
    Sandbox,
)

log = logging.getLogger(__name__)

PERIOD_SECONDS = 10.0


class StatsRuntime(Protocol):
    """What this module needs of the runtime."""

    async def image_fs_info(self) -> ImageFsInfo:
        """Return where images are kept."""

    async def list_containers(self) -> list[Container]:
        """List containers."""

    async def list_pod_sandbox(self) -> list[Sandbox]:
        """List sandboxes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen in one look."""

    observed_at: float
    """Unix seconds."""
    image_fs: ImageFsInfo
    containers: tuple[Container, ...]
    sandboxes: tuple[Sandbox, ...]


class EvictionStats:
    """Looks at the runtime when the eviction manager does.

    Args:
        cri: what is looked at.
    """

    def __init__(self, cri: StatsRuntime, *, clock: Clock) -> None:
        self._cri = cri
        self._clock = clock
        self.last: Observation | None = None

    async def observe(self) -> None:
        """Look once; a failure is logged and leaves the last observation in place."""
        try:
            image_fs = await self._cri.image_fs_info()
            containers = await self._cri.list_containers()
            sandboxes = await self._cri.list_pod_sandbox()
        except CRIError as error:
            log.warning("Eviction manager: failed to get summary stats: %s", error)
            return
        self.last = Observation(
            observed_at=self._clock.now(),
            image_fs=image_fs,
            containers=tuple(containers),
            sandboxes=tuple(sandboxes),
        )
