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
from kubeletsim.model.labels import POD_UID_LABEL
from kubeletsim.model.runtime import Container, ImageFsInfo, PodUID, Sandbox
from kubeletsim.model.stats import ContainerStats
from kubeletsim.upkeep.eviction import Usage

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

    async def list_container_stats(self) -> list[ContainerStats]:
        """Return what containers use."""


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

    async def usage(self, resource: str) -> Usage:
        """Return what pods use of a resource; nothing of what the runtime does not measure. A failure is logged.

        Asked for only when a pod has to be chosen: a kubelet has these figures from its cgroups, without a call.
        """
        try:
            measured = await self._cri.list_container_stats()
        except CRIError as error:
            log.warning("Eviction manager: failed to get container stats: %s", error)
            return {}
        usage: dict[PodUID, dict[str, int]] = {}
        for stats in measured:
            used = _used(stats, resource)
            if used is not None:
                usage.setdefault(PodUID(stats.labels.get(POD_UID_LABEL, "")), {})[stats.name] = used
        return usage


def _used(stats: ContainerStats, resource: str) -> int | None:
    match resource:
        case "memory":
            return stats.memory.working_set_bytes if stats.memory is not None else None
        case "ephemeral-storage":
            return stats.writable_layer.used_bytes if stats.writable_layer is not None else None
        case "inodes":
            return stats.writable_layer.inodes_used if stats.writable_layer is not None else None
        case _:
            return None
