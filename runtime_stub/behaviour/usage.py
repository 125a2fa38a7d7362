"""This module is the resource usage of simulated containers: numbers that could be true and that move.

A container's CPU usage is a steady share with a slow swing, so its integral, the core nanoseconds, always grows and
needs no memory; memory swings around a level. Level and phase follow from the container's id, hence do not change when
the stub restarts. A command that only sleeps uses next to nothing, a shell or a tool little, a server more.
"""

import math
from dataclasses import dataclass
from enum import Enum

_PERIOD_SECONDS = 97.0
_SWING = 0.6


class Load(Enum):
    """How much a command does: its least, and what there may be more, of millicores and of mebibytes."""

    SLEEP = (0.05, 0.2, 0.4, 0.4)
    TOOL = (1.0, 3.0, 0.5, 1.0)
    SERVER = (2.0, 40.0, 12.0, 80.0)


_LARGEST_SHARE = 0.9
"""Of a memory limit that is used at most."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container has used up to a moment."""

    cpu_core_nanoseconds: int
    working_set_bytes: int
    usage_bytes: int
    rss_bytes: int
    page_faults: int
    major_page_faults: int
    written_bytes: int
    inodes: int
    received_bytes: int
    sent_bytes: int


def usage_of(id_: str, *, age_seconds: float, load: Load, limit_bytes: int = 0) -> Usage:
    """Return the usage of a container.

    Args:
        id_: its id, whose digits choose its level.
        age_seconds: how long its process has been running.
        load: what its command does.
        limit_bytes: of its memory; 0 for none.
    """
    dice = int(id_[:8], 16) / 0xFFFFFFFF
    idle = load is Load.SLEEP
    least_millicores, more_millicores, least_mebibytes, more_mebibytes = load.value
    millicores = least_millicores + more_millicores * dice
    memory = int((least_mebibytes + more_mebibytes * dice) * 1024 * 1024)
    if limit_bytes > 0:
        memory = min(memory, int(limit_bytes * _LARGEST_SHARE / 1.35))  # the level's swing and the cache are on top
    phase = 2 * math.pi * dice
    angle = 2 * math.pi * age_seconds / _PERIOD_SECONDS + phase
    # The integral of level * (1 + swing * sin), which starts at zero and never falls because swing < 1.
    swung = _SWING * _PERIOD_SECONDS / (2 * math.pi) * (math.cos(phase) - math.cos(angle))
    start_up = 8_000_000 + int(40_000_000 * dice)
    rss = int(memory * (1 + 0.1 * math.sin(angle)))
    return Usage(
        cpu_core_nanoseconds=start_up + int(millicores * 1e6 * max(0.0, age_seconds + swung)),
        working_set_bytes=rss + memory // 8,
        usage_bytes=rss + memory // 4,
        rss_bytes=rss,
        page_faults=900 + int(rss / 4096) + int(age_seconds),
        major_page_faults=int(8 * dice),
        written_bytes=16_384 + (0 if idle else int(220 * age_seconds)),
        inodes=9 + int(12 * dice),
        received_bytes=1_200 + (0 if idle else int(900 * dice * age_seconds)),
        sent_bytes=900 + (0 if idle else int(1_400 * dice * age_seconds)),
    )
