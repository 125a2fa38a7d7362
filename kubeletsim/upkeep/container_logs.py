"""The container log files on disk: finding and deleting them.

A container writes `<podLogsDir>/<namespace>_<pod>_<uid>/<container>/<attempt>.log`; rotation leaves further files with
that name in front. A directory of links, /var/log/containers upstream, names them once more for log shippers.

Upstream: pkg/kubelet/kuberuntime/legacy.go, kuberuntime_gc.go (evictPodLogsDirectories), pkg/kubelet/logs (Clean).
"""

import glob
import shutil
from collections.abc import Mapping
from pathlib import Path

from kubeletsim.model.labels import CONTAINER_NAME_LABEL, POD_NAME_LABEL, POD_NAMESPACE_LABEL
from kubeletsim.model.runtime import ContainerID

SHORTEST_CONTAINER_ID = 6
"""What follows the last `-` of a link's name is a container id only from this length on."""


class ContainerLogs:
    """The log files of this node.

    Args:
        pod_logs_dir: podLogsDir; need not exist.
        links_dir: where the links are; need not exist.
    """

    def __init__(self, *, pod_logs_dir: Path, links_dir: Path) -> None:
        self._pod_logs_dir = pod_logs_dir
        self._links_dir = links_dir

    def delete_files(self, log_path: str) -> None:
        """Delete a container's log and what rotation made of it; files that are gone are fine.

        `log_path` is what the runtime reports. An empty or relative one names no file of ours, and must never become a
        pattern that matches the working directory.

        Raises:
            OSError: a file cannot be deleted.
        """
        if not log_path.startswith("/"):
            return
        path = Path(log_path)
        for found in path.parent.glob(f"{glob.escape(path.name)}*"):
            found.unlink(missing_ok=True)

    def delete_link(self, container_id: ContainerID, *, labels: Mapping[str, str]) -> None:
        """Delete the link to a container's log, where there is one.

        Raises:
            OSError: the link cannot be deleted.
        """
        pod, namespace = labels.get(POD_NAME_LABEL, ""), labels.get(POD_NAMESPACE_LABEL, "")
        name = f"{pod}_{namespace}_{labels.get(CONTAINER_NAME_LABEL, '')}-{container_id}.log"
        (self._links_dir / name).unlink(missing_ok=True)

    def dangling_links(self) -> list[tuple[Path, ContainerID | None]]:
        """Return the links whose log file is gone, with the container each names; None when the name tells of none."""
        links = sorted(link for link in self._links_dir.glob("*.log") if link.is_symlink() and not link.exists())
        return [(link, _container_of(link)) for link in links]

    def pod_directories(self) -> list[str]:
        """Return the names of the pods' log directories.

        Raises:
            OSError: podLogsDir exists but cannot be read.
        """
        if not self._pod_logs_dir.exists():
            return []
        return sorted(entry.name for entry in self._pod_logs_dir.iterdir())

    def delete_pod_directory(self, name: str) -> None:
        """Delete one pod's log directory with everything in it; may take long, so run it in a thread.

        Raises:
            OSError: something in it cannot be deleted.
        """
        path = self._pod_logs_dir / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _container_of(link: Path) -> ContainerID | None:
    """Read the container id out of `<pod>_<namespace>_<container>-<id>.log`."""
    _, dash, container_id = link.stem.rpartition("-")
    return ContainerID(container_id) if dash and len(container_id) >= SHORTEST_CONTAINER_ID else None
