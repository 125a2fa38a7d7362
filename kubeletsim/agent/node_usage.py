"""What the machine uses now, read from /proc: processors, memory, swap."""

import os
from pathlib import Path

from kubeletsim.model.stats import NodeUsage

PROC = Path("/proc")
IDLE_FIELDS = (3, 4)
"""Of the line `cpu`: idle, and idle while waiting for a disk."""
GUEST_FIELDS = 8
"""Where the time of guests begins, which is in that of users already."""


def read_node_usage(*, now: float, proc: Path = PROC) -> NodeUsage | None:
    """Measure the machine; None where there is no /proc to read, or none that makes sense.

    Args:
        now: Unix seconds.
        proc: where the kernel tells it.
    """
    try:
        ticks = [int(field) for field in (proc / "stat").read_text().split("\n", 1)[0].split()[1:]]
        lines = (line.partition(":") for line in (proc / "meminfo").read_text().splitlines())
        sizes = {name: int(size.split()[0]) * 1024 for name, _, size in lines}
        memory = sizes["MemTotal"] - sizes["MemFree"] - sizes["Inactive(file)"]
        swap = sizes["SwapTotal"] - sizes["SwapFree"]
    except (OSError, ValueError, KeyError, IndexError):
        return None
    if len(ticks) < GUEST_FIELDS:
        return None
    busy = sum(tick for field, tick in enumerate(ticks[:GUEST_FIELDS]) if field not in IDLE_FIELDS)
    return NodeUsage(
        timestamp=int(now * 1e9),
        cpu_seconds=busy / os.sysconf("SC_CLK_TCK"),
        working_set_bytes=max(0, memory),
        swap_bytes=swap,
    )
