"""What a node may be short of, in the words of its conditions."""

from dataclasses import dataclass

MEMORY_PRESSURE = "MemoryPressure"
DISK_PRESSURE = "DiskPressure"
PID_PRESSURE = "PIDPressure"


@dataclass
class NodePressure:
    """What a node is under now: the eviction manager's finding, by which pods are let in or not."""

    conditions: frozenset[str] = frozenset()
