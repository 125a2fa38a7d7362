"""How much room containers' logs take, read from their directories whenever somebody scrapes it.

Upstream: pkg/kubelet/metrics/collectors/log_metrics.go.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

NAME = "kubelet_container_log_filesystem_used_bytes"


class LogUsage(Collector):
    """The collector of kubelet_container_log_filesystem_used_bytes.

    Args:
        pod_logs_dir: podLogsDir; need not exist.
    """

    def __init__(self, pod_logs_dir: Path) -> None:
        self._pod_logs_dir = pod_logs_dir

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauge, with one sample a container."""
        family = _family()
        for pod in _directories(self._pod_logs_dir):
            namespace, _, rest = pod.name.partition("_")
            name, _, uid = rest.partition("_")
            if not uid:
                continue  # nobody's: a pod's directory is <namespace>_<name>_<uid>
            for container in _directories(pod):
                family.add_metric([uid, namespace, name, container.name], _used_bytes(container))
        yield family

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauge without samples: registering it reads no directory."""
        yield _family()


def _family() -> GaugeMetricFamily:
    text = "Bytes used by the container's logs on the filesystem."
    return GaugeMetricFamily(NAME, text, labels=["uid", "namespace", "pod", "container"])


def _directories(path: Path) -> list[Path]:
    """Return the directories in one; none if it is gone."""
    with suppress(OSError):
        return sorted(one for one in path.iterdir() if one.is_dir() and not one.is_symlink())
    return []


def _used_bytes(directory: Path) -> int:
    """Return the room that the files of a directory take on disk."""
    total = 0
    with suppress(OSError):
        for file in directory.iterdir():
            with suppress(OSError):  # rotated away meanwhile
                total += file.lstat().st_blocks * 512
    return total
