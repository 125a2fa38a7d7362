"""The signals that eviction watches: what the machine has left, or what a file says it has.

Memory, process ids and the two file systems are read from the machine. A file `node-signals.json` in the root directory
takes the place of single signals, so that pressure can be tried out on a machine that has none:

    {"memory.available": {"available": "50Mi", "capacity": "2Gi"}}

It is read at each look; without it, or once it is removed, the machine counts again.
"""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from kubeletsim.config.schema.eviction import SIGNALS
from kubeletsim.model.quantity import Quantity
from kubeletsim.upkeep.eviction import Observed

log = logging.getLogger(__name__)

SIMULATED_NAME = "node-signals.json"
MAX_FILE_BYTES = 64 * 1024
MEMORY_INFO = Path("/proc/meminfo")
PID_LIMIT = Path("/proc/sys/kernel/pid_max")
LOAD = Path("/proc/loadavg")


class SignalsError(ValueError):
    """The file of simulated signals says something that is none."""


class NodeSignals:
    """Reads signals.

    Args:
        root_dir: the file system of pods' storage, and where the file of simulated signals is.
    """

    def __init__(self, root_dir: Path) -> None:
        self._root_dir = root_dir
        self._complaint = ""

    def read(self, *, image_mountpoint: str | None) -> dict[str, Observed]:
        """Return what can be observed now, by signal.

        Args:
            image_mountpoint: where the runtime keeps images; None when it did not say.
        """
        found = {
            **_file_system("nodefs", self._root_dir),
            **(_file_system("imagefs", Path(image_mountpoint)) if image_mountpoint else {}),
            **_memory(),
            **_process_ids(),
        }
        return {**found, **self._simulated()}

    def has_dedicated_image_fs(self, image_mountpoint: str) -> bool:
        """Tell whether images are on another file system than pods' storage, as far as can be seen from here."""
        try:
            return os.stat(image_mountpoint).st_dev != os.stat(self._root_dir).st_dev  # noqa: PTH116
        except OSError:
            return False

    def _simulated(self) -> Mapping[str, Observed]:
        path = self._root_dir / SIMULATED_NAME
        try:
            text = path.read_text() if path.exists() and path.stat().st_size <= MAX_FILE_BYTES else "{}"
            signals = parse_signals(text)
        except (OSError, SignalsError) as error:
            complaint = f"{path}: {error}"
            if complaint != self._complaint:
                log.warning("%s; the machine's own signals count", complaint)
            self._complaint = complaint
            return {}
        self._complaint = ""
        return signals


def parse_signals(text: str) -> dict[str, Observed]:
    """Read simulated signals.

    Raises:
        SignalsError: which entry is wrong, and what is allowed.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SignalsError(f"is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise SignalsError("must be an object of signals")
    return {signal: _entry(signal, entry) for signal, entry in document.items()}


def _entry(signal: str, entry: object) -> Observed:
    if signal not in SIGNALS:
        raise SignalsError(f"{signal}: is no signal; there are {', '.join(SIGNALS)}")
    if not isinstance(entry, dict) or entry.keys() != {"available", "capacity"}:
        raise SignalsError(f"{signal}: must be an object of available and capacity")
    try:
        available, capacity = (Quantity.parse(str(entry[key])).value() for key in ("available", "capacity"))
    except ValueError as error:
        raise SignalsError(f"{signal}: {error}") from error
    if not 0 <= available <= capacity:
        raise SignalsError(f"{signal}: available must be between 0 and capacity")
    return Observed(available, capacity)


def _file_system(name: str, path: Path) -> dict[str, Observed]:
    try:
        stats = os.statvfs(path)
    except OSError:
        return {}  # a runtime in another mount namespace, say
    return {
        f"{name}.available": Observed(stats.f_bavail * stats.f_frsize, stats.f_blocks * stats.f_frsize),
        **({f"{name}.inodesFree": Observed(stats.f_favail, stats.f_files)} if stats.f_files else {}),
    }


def _memory() -> dict[str, Observed]:
    try:
        pairs = (line.split(":", 1) for line in MEMORY_INFO.read_text().splitlines() if ":" in line)
        kilobytes = {key: int(value.split()[0]) for key, value in pairs if value.split()[:1]}
    except (OSError, ValueError):
        return {}
    if not {"MemAvailable", "MemTotal"} <= kilobytes.keys():
        return {}
    return {"memory.available": Observed(kilobytes["MemAvailable"] * 1024, kilobytes["MemTotal"] * 1024)}


def _process_ids() -> dict[str, Observed]:
    try:
        limit = int(PID_LIMIT.read_text())
        threads = int(LOAD.read_text().split()[3].partition("/")[2])
    except (OSError, ValueError, IndexError):
        return {}
    return {"pid.available": Observed(max(0, limit - threads), limit)}
