"""What starting costs: the time to the first line of help."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.figure import Figure

RUNS = 7


def seconds(*command: str) -> float:
    """Return the median wall time of a command, in seconds, with warm file caches."""
    times = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def figures() -> Iterator[Figure]:
    """Measure the commands beside an empty interpreter."""
    empty = seconds(sys.executable, "-c", "pass")
    for module in ("kubeletsim", "runtime_stub"):
        value = seconds(sys.executable, "-m", module, "--help")
        yield Figure(f"{module} --help", value, "s", "python -c pass", empty, "<= 0.3")
