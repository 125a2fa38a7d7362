"""The statistics: per service and operation how often, how fast, how often in vain, and where the time itself went.

Traces are counted one after the other (self time needs a whole trace), and of each span only two numbers stay, so a
million spans are no burden. Percentiles are exact: the smallest duration that so many percent do not exceed. Pure.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kubeletsim.traces.span import Span
from kubeletsim.traces.tree import build_forest, walk


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationStatistics:
    """One operation of one service over all spans counted."""

    service: str
    name: str
    count: int
    errors: int
    rate_per_second: float
    """Spans per second, from the first start to the last end of everything counted; 0 when that takes no time."""
    p50_ns: int
    p90_ns: int
    p99_ns: int
    max_ns: int
    total_ns: int
    self_ns: int
    """The sum of what no child covers."""


@dataclass(slots=True)
class _Counts:
    durations_ns: "array[int]" = field(default_factory=lambda: array("Q"))
    errors: int = 0
    self_ns: int = 0


@dataclass(slots=True)
class Stretch:
    """The time from the first start to the last end of the spans that were shown to it."""

    start_ns: int | None = None
    end_ns: int = 0

    def cover(self, span: Span) -> None:
        """Reach over one more span."""
        self.start_ns = span.start_ns if self.start_ns is None else min(self.start_ns, span.start_ns)
        self.end_ns = max(self.end_ns, span.end_ns)

    def rate_per_second(self, count: int) -> float:
        """Return how many of something that is in a second; 0 when it takes no time."""
        seconds = max(0, self.end_ns - (self.start_ns or 0)) / 1e9
        return count / seconds if seconds else 0.0


class OperationCounter:
    """Counts traces one by one; ask for the statistics at any time."""

    def __init__(self) -> None:
        self._operations: dict[tuple[str, str], _Counts] = {}
        self._stretch = Stretch()

    def add(self, trace: Iterable[Span]) -> None:
        """Count the spans of one trace."""
        for node in walk(build_forest(trace)):
            span = node.span
            key = (span.service, span.name)
            if (counts := self._operations.get(key)) is None:
                counts = self._operations[key] = _Counts()
            counts.durations_ns.append(span.duration_ns)
            counts.errors += span.error
            counts.self_ns += node.self_ns
            self._stretch.cover(span)

    def statistics(self) -> list[OperationStatistics]:
        """Return one entry an operation, the one that took most time itself first."""
        made = [
            _statistics(service, name, counts, self._stretch) for (service, name), counts in self._operations.items()
        ]
        return sorted(made, key=lambda one: (-one.self_ns, -one.count, one.service, one.name))


def operation_statistics(spans: Iterable[Span]) -> list[OperationStatistics]:
    """Return the statistics of spans of any number of traces, in any order; most self time first."""
    counter = OperationCounter()
    for trace in by_trace(spans).values():
        counter.add(trace)
    return counter.statistics()


def by_trace(spans: Iterable[Span]) -> dict[str, list[Span]]:
    """Return spans under the ids of their traces, in the order in which they come."""
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    return traces


def percentile(ordered: Sequence[int], percent: int) -> int:
    """Return the smallest of some ordered numbers that `percent` of them do not exceed; 0 of none."""
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)] if ordered else 0


def _statistics(service: str, name: str, counts: _Counts, stretch: Stretch) -> OperationStatistics:
    durations = sorted(counts.durations_ns)
    return OperationStatistics(
        service=service,
        name=name,
        count=len(durations),
        errors=counts.errors,
        rate_per_second=stretch.rate_per_second(len(durations)),
        p50_ns=percentile(durations, 50),
        p90_ns=percentile(durations, 90),
        p99_ns=percentile(durations, 99),
        max_ns=durations[-1],
        total_ns=sum(durations),
        self_ns=counts.self_ns,
    )
