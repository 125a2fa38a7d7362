"""What a node may be short of, in the words of its conditions."""

from collections.abc import Collection
from dataclasses import dataclass

MEMORY_PRESSURE = "MemoryPressure"
DISK_PRESSURE = "DiskPressure"
PID_PRESSURE = "PIDPressure"
REASONS = (
    (MEMORY_PRESSURE, "NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
    (DISK_PRESSURE, "NodeHasDiskPressure", "NodeHasNoDiskPressure"),
    (PID_PRESSURE, "NodeHasInsufficientPID", "NodeHasSufficientPID"),
)
"""Each condition, and the reasons of the events that tell of its beginning and of its end."""


@dataclass
class NodePressure:
    """What a node is under now: the eviction manager's finding, by which pods are let in or not."""

    conditions: frozenset[str] = frozenset()


def event_reasons(conditions: Collection[str], *, before: Collection[str] | None) -> list[str]:
    """Return the reasons of the events about a node whose conditions have changed.

    Args:
        conditions: what it is under now.
        before: what it was under; None at the start, when all of them are told.
    """
    return [
        begun if condition in conditions else ended
        for condition, begun, ended in REASONS
        if before is None or (condition in conditions) is not (condition in before)
    ]
