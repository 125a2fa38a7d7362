"""The outline: a trace as columns for the page, parents before children, as the waterfall draws them.

The same forest as `tree.build_forest` (a test holds them together), but made from the messages without turning each
into a value: a trace of a hundred thousand spans is laid out in a fraction of a second, and what else a span has is
asked for when somebody opens it. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces.otlp import service_name

ERROR, ORPHAN, EVENTS, LINKS = 1, 2, 4, 8
"""Bits of a row's marks."""


@dataclass(slots=True)
class Outline:
    """The rows of a trace, one list a column; times are nanoseconds since `start_ns`."""

    spans: int = 0
    """Of the whole trace; there may be fewer rows."""
    start_ns: int = 0
    end_ns: int = 0
    operations: list[tuple[str, str]] = field(default_factory=list)
    """Pairs of service and span name."""
    span_ids: list[str] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    """The row of the parent; -1 for roots."""
    operation: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    selfs: list[int] = field(default_factory=list)
    """The part of the duration that no child covers."""
    marks: list[int] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)

    def document(self, trace_id: str) -> dict[str, Any]:
        """Return the outline as the API gives it."""
        return {
            "traceId": trace_id,
            "startTimeUnixNano": str(self.start_ns),
            "durationNano": self.end_ns - self.start_ns,
            "spans": self.spans,
            "operations": [{"service": service, "name": name} for service, name in self.operations],
            "rows": {
                "spanId": self.span_ids,
                "parent": self.parents,
                "operation": self.operation,
                "start": self.starts,
                "duration": self.durations,
                "self": self.selfs,
                "marks": self.marks,
                "kind": self.kinds,
            },
        }


def outline(resource_spans: Iterable[ResourceSpans], *, first: int | None = None) -> Outline:
    """Lay out the spans of one trace; an empty outline for none.

    Column by column rather than span by span: that is what makes it quick.

    Args:
        resource_spans: a trace.
        first: lay out only so many, the first to start; for something to look at until the rest is ready.
    """
    result = Outline()
    arrived, services = _flat(resource_spans)
    if not arrived:
        return result
    result.spans = len(arrived)
    result.start_ns = min(span.start_time_unix_nano for span in arrived)
    result.end_ns = max(result.start_ns, max(span.end_time_unix_nano for span in arrived))
    if first is not None and first < len(arrived):
        kept = nsmallest(first, range(len(arrived)), key=[span.start_time_unix_nano for span in arrived].__getitem__)
        arrived, services = [arrived[number] for number in kept], [services[number] for number in kept]
    columns = (
        [span.start_time_unix_nano for span in arrived],
        [span.end_time_unix_nano for span in arrived],
        [span.span_id for span in arrived],
        [span.name for span in arrived],
    )
    # In the order of `tree.build_forest`.
    starts, ends, span_ids, names, numbers = zip(*sorted(zip(*columns, range(len(arrived)), strict=True)), strict=True)
    spans = [arrived[number] for number in numbers]
    known: dict[tuple[str, str], int] = {}
    operation = [
        known.setdefault((services[number], name), len(known)) for number, name in zip(numbers, names, strict=True)
    ]
    parents = _parents(span_ids, [span.parent_span_id for span in spans])
    children: dict[int, list[int]] = {}
    for number, parent in enumerate(parents):
        children.setdefault(parent, []).append(number)
    order = _parents_first(children)
    row_of = [0] * len(order)
    for row, number in enumerate(order):
        row_of[number] = row
    marks = [_marks(span, parent) for span, parent in zip(spans, parents, strict=True)]

    result.operations = list(known)
    result.span_ids = [span_ids[number].hex() for number in order]
    result.parents = [row_of[parents[number]] if parents[number] >= 0 else -1 for number in order]
    result.operation = [operation[number] for number in order]
    result.starts = [starts[number] - result.start_ns for number in order]
    result.durations = [max(0, ends[number] - starts[number]) for number in order]
    result.selfs = result.durations.copy()
    for number, below in children.items():
        if number >= 0:
            result.selfs[row_of[number]] -= _covered_ns(starts, ends, number, below)
    result.marks = [marks[number] for number in order]
    result.kinds = [spans[number].kind for number in order]
    return result


def _flat(resource_spans: Iterable[ResourceSpans]) -> tuple[list[SpanMessage], list[str]]:
    """Return all spans, and the service of each."""
    spans: list[SpanMessage] = []
    services: list[str] = []
    for one in resource_spans:
        service = service_name(one.resource)
        for scope_spans in one.scope_spans:
            spans += scope_spans.spans
            services += [service] * len(scope_spans.spans)
    return spans, services


def _parents(span_ids: Sequence[bytes], parent_ids: Sequence[bytes]) -> list[int]:
    """Return the position of each span's parent; -1 for roots, orphans, and where a cycle is cut."""
    last = len(span_ids) - 1
    first = {span_id: last - number for number, span_id in enumerate(reversed(span_ids))}
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


def _parents_first(children: Mapping[int, Sequence[int]]) -> list[int]:
    order: list[int] = []
    stack = list(reversed(children[-1]))
    while stack:
        number = stack.pop()
        order.append(number)
        if number in children:
            stack.extend(reversed(children[number]))
    return order


def _marks(span: SpanMessage, parent: int) -> int:
    error = ERROR if span.HasField("status") and span.status.code == Status.STATUS_CODE_ERROR else 0
    orphan = ORPHAN if parent < 0 and span.parent_span_id else 0
    return error | orphan | (EVENTS if span.events else 0) | (LINKS if span.links else 0)


def _covered_ns(starts: Sequence[int], ends: Sequence[int], number: int, children: Sequence[int]) -> int:
    covered_ns = 0
    reached_ns, end_ns = starts[number], ends[number]
    for child in children:  # in the order of start times
        start_ns, stop_ns = max(starts[child], reached_ns), min(ends[child], end_ns)
        if stop_ns > start_ns:
            covered_ns += stop_ns - start_ns
            reached_ns = stop_ns
    return covered_ns
