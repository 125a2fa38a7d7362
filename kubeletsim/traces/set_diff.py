"""The difference of two sets of traces, by what their operations come to. Pure.

Two runs never make the same traces, but much the same operations: which are new, which are gone, which got slower.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kubeletsim.traces.diff import Change, Pace, Tolerance, pace_of
from kubeletsim.traces.operations import OperationStatistics


@dataclass(frozen=True, slots=True)
class OperationChange:
    """One operation in both sets, or in one of them."""

    service: str
    name: str
    change: Change
    pace: Pace
    """By the median."""
    before: OperationStatistics | None
    after: OperationStatistics | None


def diff_operations(
    before: Sequence[OperationStatistics], after: Sequence[OperationStatistics], *, tolerance: Tolerance | None = None
) -> list[OperationChange]:
    """Compare the statistics of two sets: those of `after` in their order, then what is missing."""
    known = {(one.service, one.name): one for one in before}
    changes: list[OperationChange] = []
    for other in after:
        one = known.pop((other.service, other.name), None)
        pace = pace_of(one.p50_ns, other.p50_ns, tolerance or Tolerance()) if one else Pace.SAME
        changes.append(
            OperationChange(other.service, other.name, Change.SAME if one else Change.ADDED, pace, one, other)
        )
    gone = [one for one in before if (one.service, one.name) in known]
    return changes + [OperationChange(one.service, one.name, Change.MISSING, Pace.SAME, one, None) for one in gone]
