"""The questions about traces in one place: critical path, statistics, service map, difference. Pure.

Self time is `Node.self_ns` of `tree.build_forest`; everything else is made from the same forest.
"""

from kubeletsim.traces.critical_path import CriticalPath, Segment, critical_path
from kubeletsim.traces.diff import Change, DiffEntry, Pace, Tolerance, TraceDiff, diff_traces
from kubeletsim.traces.operations import OperationCounter, OperationStatistics, operation_statistics
from kubeletsim.traces.service_map import ServiceEdge, ServiceMap, service_edges

__all__ = [
    "Change",
    "CriticalPath",
    "DiffEntry",
    "OperationCounter",
    "OperationStatistics",
    "Pace",
    "Segment",
    "ServiceEdge",
    "ServiceMap",
    "Tolerance",
    "TraceDiff",
    "critical_path",
    "diff_traces",
    "operation_statistics",
    "service_edges",
]
