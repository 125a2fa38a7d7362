"""The pod's files on the node: makes what `requests` planned, finds the next log's number, clears what is left over.

All but the removal of a whole directory is quick and local, so it is done in the loop's own thread.
Upstream: makePodDataDirs in pkg/kubelet/kubelet_pods.go, pkg/kubelet/kubelet_volumes.go (cleanupOrphanedPodDirs).
"""

import logging
import re
import shutil
import stat
from pathlib import Path

from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.requests import HostPathPlan, PlannedSubPath

log = logging.getLogger(__name__)

_LOG_NAME = re.compile(r"(\d+)\.log(\..*)?")


def make_files(plan: HostPathPlan) -> None:
    """Make the directories and files of a plan; those that are there stay, contents that are given are written.

    Raises:
        OSError: something cannot be made, or an expected path is missing or of another type.
    """
    for directory in plan.directories:
        path = Path(directory.path)
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(directory.mode)  # whatever the process's umask says
    for planned in plan.files:
        path = Path(planned.path)
        if planned.content is None and path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(planned.content or "")
        path.chmod(planned.mode)
    for sub_path in plan.sub_paths:
        _make_sub_path(sub_path)


def next_restart_count(log_dir: Path) -> int:
    """Return one more than the highest number of a log in a container's log directory, 0 without any.

    A runtime that lost its state would otherwise write over old logs (calcRestartCountByLogDir upstream).
    """
    if not log_dir.is_dir():
        return 0
    numbers = (_LOG_NAME.fullmatch(entry.name) for entry in log_dir.iterdir())
    return max((int(number[1]) + 1 for number in numbers if number is not None), default=0)


def link_log(log_path: Path, link: Path) -> None:
    """Have a link point to a container's log, where that log exists; log shippers follow these links.

    Raises:
        OSError: the link cannot be made.
    """
    if log_path.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(log_path)


def pod_dirs(root_dir: Path) -> list[PodUID]:
    """Return the UIDs of the pods that have a directory under the kubelet's root.

    Raises:
        OSError: it cannot be read.
    """
    base = root_dir / "pods"
    return sorted(PodUID(entry.name) for entry in base.iterdir() if entry.is_dir()) if base.is_dir() else []


def has_volumes(root_dir: Path, uid: PodUID) -> bool:
    """Tell whether a pod has left volumes behind."""
    return any((root_dir / "pods" / uid / "volumes").glob("*/*"))


def remove_pod_dir(root_dir: Path, uid: PodUID) -> None:
    """Remove a pod's directory with everything in it. What cannot be removed is logged and tried again next time."""
    try:
        shutil.rmtree(root_dir / "pods" / uid)
    except OSError as error:
        log.warning("Orphaned pod %s found, but failed to remove its directory: %s", uid, error)


def _make_sub_path(planned: PlannedSubPath) -> None:
    path, volume = Path(planned.path), Path(planned.volume_path)
    if not path.resolve().is_relative_to(volume.resolve()):  # a container may have put a link there
        raise OSError(f"failed to prepare subPath for {planned.what}: {path} leads out of the volume")
    if path.exists():
        return
    try:
        mode = stat.S_IMODE(volume.stat().st_mode)
        path.mkdir(parents=True)
        path.chmod(mode)
    except OSError as error:
        raise OSError(f"failed to create subPath directory for {planned.what}: {error}") from error
