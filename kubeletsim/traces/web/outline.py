"""The outline: a trace as columns for the page, parents before children, as the waterfall draws them.

The same forest as `tree.build_forest` (a test holds them together), but made from what is on the wire without turning
each span into a value: a trace of a hundred thousand spans is laid out in a fraction of a second, and what else a span
has is asked for when somebody opens it. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any

from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from kubeletsim.traces.otlp import service_name
from kubeletsim.traces.runs import Run
from kubeletsim.traces.wire import DrawnSpan

ERROR, ORPHAN, EVENTS, LINKS = 1, 2, 4, 8
"""Bits of a row's marks."""
_KINDS = range(6)


@dataclass(slots=True)
class Outline:
    """The rows of a trace, one list a column; times are nanoseconds since `start_ns`."""

    spans: int = 0
    """Of the whole trace; there may be fewer rows."""
    start_ns: int = 0
    end_ns: int = 0
    operations: list[tuple[str, str]] = field(default_factory=list)
    """Pairs of service and span name."""
    span_ids: list[bytes] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    """The row of the parent; -1 for roots."""
    operation: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    selfs: list[int] = field(default_factory=list)
    """The part of the duration that no child covers."""
    marks: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    """As OTLP numbers them; 0 for what it does not know."""

    def heading(self, trace_id: str) -> dict[str, Any]:
        """Return what is said of the whole."""
        return {
            "traceId": trace_id,
            "startTimeUnixNano": str(self.start_ns),
            "durationNano": self.end_ns - self.start_ns,
            "spans": self.spans,
            "operations": [{"service": service, "name": name} for service, name in self.operations],
        }

    def document(self, trace_id: str) -> dict[str, Any]:
        """Return the outline as the API gives it."""
        return self.heading(trace_id) | {
            "rows": {
                "spanId": [span_id.hex() for span_id in self.span_ids],
                "parent": self.parents,
                "operation": self.operation,
                "start": self.starts,
                "duration": self.durations,
                "self": self.selfs,
                "marks": self.marks,
                "kind": self.kinds,
            },
        }


def outline(runs: Iterable[Run], *, first: int | None = None) -> Outline:
    """Lay out the spans of one trace; an empty outline for none.

    Column by column rather than span by span: that is what makes it quick.

    Args:
        runs: a trace.
        first: lay out only so many, the first to start; for something to look at until the rest is ready.
    """
    arrived, services = _flat(runs)
    if not arrived:
        return Outline()
    starts = [span.start_time_unix_nano for span in arrived]
    start_ns = min(starts)
    end_ns = max(start_ns, max(span.end_time_unix_nano for span in arrived))
    kept: Sequence[int] = range(len(arrived))
    if first is not None and first < len(arrived):
        kept = nsmallest(first, kept, key=starts.__getitem__)
    columns = (
        [starts[at] for at in kept],
        [arrived[at].end_time_unix_nano for at in kept],
        [arrived[at].span_id for at in kept],
        [arrived[at].name for at in kept],
        kept,
    )
    # In the order of `tree.build_forest`.
    ordered = zip(*sorted(zip(*columns, strict=True)), strict=True)
    made = _laid_out(*ordered, arrived=arrived, services=services)
    made.spans, made.start_ns, made.end_ns = len(arrived), start_ns, end_ns
    made.starts = [start - start_ns for start in made.starts]
    return made


def _laid_out(
    starts: Sequence[int],
    ends: Sequence[int],
    span_ids: Sequence[bytes],
    names: Sequence[str],
    numbers: Sequence[int],
    *,
    arrived: Sequence[DrawnSpan],
    services: Sequence[str],
) -> Outline:
    """Return the rows of spans that come by start, with the starts as they are."""
    spans = [arrived[number] for number in numbers]
    known: dict[tuple[str, str], int] = {}
    operation = [
        known.setdefault((services[number], name), len(known)) for number, name in zip(numbers, names, strict=True)
    ]
    parent_ids = [span.parent_span_id for span in spans]
    parents = _parents(span_ids, parent_ids)
    order = _parents_first(parents)
    row_of = [0] * (len(order) + 1)
    for row, number in enumerate(order):
        row_of[number] = row
    row_of[-1] = -1  # of the parent that roots do not have
    durations = [end - start if end > start else 0 for start, end in zip(starts, ends, strict=True)]
    covered = _covered_ns(starts, ends, parents)
    marks = _marks(spans, parents, parent_ids)
    kinds = [span.kind for span in spans]
    return Outline(
        operations=list(known),
        span_ids=[span_ids[number] for number in order],
        parents=[row_of[parents[number]] for number in order],
        operation=[operation[number] for number in order],
        starts=[starts[number] for number in order],
        durations=[durations[number] for number in order],
        selfs=[durations[number] - covered[number] for number in order],
        marks=[marks[number] for number in order],
        kinds=[kinds[number] if kinds[number] in _KINDS else 0 for number in order],
    )


def _flat(runs: Iterable[Run]) -> tuple[list[DrawnSpan], list[str]]:
    """Return all spans, and the service of each."""
    spans: list[DrawnSpan] = []
    services: list[str] = []
    for run in runs:
        spans += run.spans
        services += [service_name(Resource.FromString(run.resource))] * len(run.spans)
    return spans, services


def _parents(span_ids: Sequence[bytes], parent_ids: Sequence[bytes]) -> list[int]:
    """Return the position of each span's parent; -1 for roots, orphans, and where a cycle is cut."""
    last = len(span_ids) - 1
    first = dict(zip(reversed(span_ids), range(last, -1, -1), strict=True))
    parents = [first.get(parent_id, -1) for parent_id in parent_ids]
    if any(parent >= number for number, parent in enumerate(parents)):  # or else there is no way back, hence no cycle
        _cut_cycles(parents)
    return parents


def _cut_cycles(parents: list[int]) -> None:
    rooted = bytearray(len(parents))
    for number in range(len(parents)):
        at = number
        path: list[int] = []
        while at >= 0 and not rooted[at]:
            rooted[at] = 2  # on this path
            path.append(at)
            at = parents[at]
        if at >= 0 and rooted[at] == 2:  # came back to where it has been: a cycle from `at` on
            parents[min(path[path.index(at) :])] = -1  # positions are in the order of start times
        for passed in path:
            rooted[passed] = 1


def _parents_first(parents: Sequence[int]) -> list[int]:
    """Return the positions in the order they are drawn: each followed by what is under it, by start."""
    none, count = -1, len(parents)
    child, sibling = [none] * (count + 1), [none] * count  # the last child is the first root
    for number in range(count - 1, -1, -1):
        parent = parents[number]
        sibling[number], child[parent] = child[parent], number
    order: list[int] = []
    stack: list[int] = []
    at = child[none]
    while at >= 0:
        order.append(at)
        if sibling[at] >= 0:
            stack.append(sibling[at])
        if (at := child[at]) < 0 and stack:
            at = stack.pop()
    return order


def _marks(spans: Sequence[DrawnSpan], parents: Sequence[int], parent_ids: Sequence[bytes]) -> list[int]:
    statuses = [span.status for span in spans]
    error = {
        encoded: ERROR if Status.FromString(encoded).code == Status.STATUS_CODE_ERROR else 0
        for encoded in set(statuses)
    }
    return [
        error[status]
        | (ORPHAN if parent < 0 and parent_id else 0)
        | (EVENTS if span.events else 0)
        | (LINKS if span.links else 0)
        for span, status, parent, parent_id in zip(spans, statuses, parents, parent_ids, strict=True)
    ]


def _covered_ns(starts: Sequence[int], ends: Sequence[int], parents: Sequence[int]) -> list[int]:
    """Return for each span how much of its time its children cover."""
    covered_ns, reached_ns = [0] * len(starts), list(starts)
    for start_ns, end_ns, parent in zip(starts, ends, parents, strict=True):  # in the order of start times
        if parent >= 0:
            start_ns, end_ns = max(start_ns, reached_ns[parent]), min(end_ns, ends[parent])
            if end_ns > start_ns:
                covered_ns[parent] += end_ns - start_ns
                reached_ns[parent] = end_ns
    return covered_ns
