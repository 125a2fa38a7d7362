"""Log rotation: keeps each running container's log within containerLogMaxSize and containerLogMaxFiles.

Every ten seconds the running containers are listed and each one's log is measured. One that has grown to the limit is
renamed to `<log>.<YYYYMMDD-HHMMSS>` and the runtime is told to open a new one. Older rotated files are compressed, the
oldest deleted, so that at most containerLogMaxFiles exist: the live one, the newest rotated one as it is, the others
as `.gz`.

Upstream: pkg/kubelet/logs/container_log_manager.go.
"""

import asyncio
import gzip
import logging
import random
import shutil
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kubeletsim.base.timing import Clock, every
from kubeletsim.model.errors import CRIError
from kubeletsim.model.runtime import Container, ContainerID, ContainerState, ContainerStatus

log = logging.getLogger(__name__)

COMPRESSED = ".gz"
TEMPORARY = ".tmp"


class LogRuntime(Protocol):
    """What this module needs of the runtime."""

    async def list_containers(self) -> list[Container]:
        """List containers."""

    async def container_status(self, container_id: ContainerID) -> ContainerStatus:
        """Return all that is known of a container."""

    async def reopen_container_log(self, container_id: ContainerID) -> None:
        """Make the runtime write to a new file at the container's log path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRotationPolicy:
    """How much log a container may have."""

    max_size_bytes: int = 10 * 1024 * 1024
    """containerLogMaxSize; negative turns rotation off."""
    max_files: int = 5
    """containerLogMaxFiles, the live one included; at least 2."""
    max_workers: int = 1
    """containerLogMaxWorkers: how many containers are looked at at once."""
    monitor_interval_seconds: float = 10.0
    """containerLogMonitorInterval."""


class LogRotation:
    """Rotates the logs of running containers.

    Args:
        cri: where the containers are.
        policy: the limits.
        wait_ready: returns once the runtime has been ready for the first time.
        clock: names the rotated files; local time, as upstream.
    """

    def __init__(
        self,
        cri: LogRuntime,
        *,
        policy: LogRotationPolicy,
        wait_ready: Callable[[], Awaitable[object]],
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._cri = cri
        self._policy = policy
        self._wait_ready = wait_ready
        self._clock = clock
        self._rng = rng
        self._workers = asyncio.Semaphore(max(1, policy.max_workers))

    async def run(self) -> None:
        """Rotate on the monitor interval from the runtime's first good Status on; never returns."""
        await self._wait_ready()
        if self._policy.max_size_bytes < 0:
            await asyncio.get_running_loop().create_future()
        await every(self._policy.monitor_interval_seconds, self.rotate, name="log rotation", rng=self._rng)

    async def rotate(self) -> None:
        """Look at every running container's log once. A dead one's is left alone: nothing is added to it."""
        try:
            containers = await self._cri.list_containers()
        except CRIError as error:
            log.error("Failed to rotate container logs: %s", error)  # noqa: TRY400  expected, no traceback
            return
        async with asyncio.TaskGroup() as tasks:
            for container in containers:
                if container.state is ContainerState.RUNNING:
                    tasks.create_task(self._look_at(container), name=f"log-rotation/{container.name}")

    async def _look_at(self, container: Container) -> None:
        async with self._workers:
            try:
                status = await self._cri.container_status(container.id)
                if not status.log_path:
                    return
                path = Path(status.log_path)
                if await self._size(container.id, path) >= self._policy.max_size_bytes:
                    await asyncio.to_thread(make_room, path, max_files=self._policy.max_files)
                    await self._rename_and_reopen(container.id, path)
            except (CRIError, OSError) as error:
                log.warning("Failed to rotate log of container %s (%s): %s", container.id, container.name, error)

    async def _size(self, container_id: ContainerID, path: Path) -> int:
        """Return the log's size in bytes; one that is missing since a failed rotation is opened anew first."""
        size = _size_bytes(path)
        if size is None:
            await self._cri.reopen_container_log(container_id)
            size = _size_bytes(path)
        if size is None:
            raise FileNotFoundError(f"{path} does not exist, not even after ReopenContainerLog")
        return size

    async def _rename_and_reopen(self, container_id: ContainerID, path: Path) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self._clock.now()))
        rotated = path.with_name(f"{path.name}.{stamp}")
        _rename(path, rotated)
        try:
            await self._cri.reopen_container_log(container_id)
        except CRIError:
            # The runtime still writes to the renamed file: give it its name back and try again in the next turn. But a
            # call that ran into its deadline may have been carried out, and the new file must not be lost.
            if _size_bytes(path) is None:
                _rename(rotated, path)
            raise


@dataclass(frozen=True, slots=True)
class RotationPlan:
    """What to do with a log's rotated files, by name, before the live one is rotated."""

    delete: tuple[str, ...]
    compress: tuple[str, ...]


def plan_rotation(rotated: Iterable[str], *, max_files: int) -> RotationPlan:
    """Say what makes room for one more rotated file.

    Left-overs go: temporary files, and plain files that have been compressed. Of the rest the newest `max_files` - 2
    stay, since the live file and the one about to be rotated count too. Names sort by age.
    """
    names = set(rotated)
    unused = {
        name for name in names if name.endswith(TEMPORARY) or (not _is_gz(name) and f"{name}{COMPRESSED}" in names)
    }
    oldest_first = sorted(names - unused)
    excess = max(0, len(oldest_first) - max(0, max_files - 2))
    kept = oldest_first[excess:]
    return RotationPlan(
        delete=(*sorted(unused), *oldest_first[:excess]),
        compress=tuple(name for name in kept if not _is_gz(name)),
    )


def make_room(path: Path, *, max_files: int) -> None:
    """Delete and compress a log's rotated files as planned; takes long, so run it in a thread.

    Raises:
        OSError: a file cannot be deleted or written; what was done stays done.
    """
    plan = plan_rotation(_rotated_names(path), max_files=max_files)
    for name in plan.delete:
        path.with_name(name).unlink(missing_ok=True)
    for name in plan.compress:
        _compress(path.with_name(name))


def _rotated_names(path: Path) -> Sequence[str]:
    return [entry.name for entry in path.parent.iterdir() if entry.name.startswith(f"{path.name}.")]


def _compress(path: Path) -> None:
    """Replace a file by its compressed self; whoever looks in between sees one or the other, whole."""
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with path.open("rb") as plain, gzip.open(temporary, "wb") as packed:
            shutil.copyfileobj(plain, packed)
        shutil.copymode(path, temporary)
        temporary.rename(path.with_name(path.name + COMPRESSED))
    finally:
        temporary.unlink(missing_ok=True)
    path.unlink()


def _is_gz(name: str) -> bool:
    return name.endswith(COMPRESSED)


def _rename(source: Path, target: Path) -> None:
    source.rename(target)


def _size_bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
