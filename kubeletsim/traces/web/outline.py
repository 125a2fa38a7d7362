"""The outline: a trace as columns for the page, parents before children, as the waterfall draws them.

The same forest as `tree.build_forest` (a test holds them together), but made from the messages without turning each
into a value: a trace of a hundred thousand spans is laid out in a fraction of a second, and what else a span has is
asked for when somebody opens it. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Status

from kubeletsim.traces.otlp import service_name

ERROR, ORPHAN, EVENTS, LINKS = 1, 2, 4, 8
"""Bits of a row's marks."""


class _Item(NamedTuple):
    start_ns: int
    end_ns: int
    span_id: bytes
    name: str
    parent_id: bytes
    operation: int
    marks: int
    kind: int


@dataclass(slots=True)
class Outline:
    """The rows of a trace, one list a column; times are nanoseconds since `start_ns`."""

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


def outline(resource_spans: Iterable[ResourceSpans]) -> Outline:
    """Lay out the spans of one trace; an empty outline for none."""
    result = Outline()
    items = sorted(_items(resource_spans, result.operations), key=itemgetter(0, 1, 2, 3))
    if not items:
        return result
    result.start_ns = items[0].start_ns
    result.end_ns = max(result.start_ns, max(item.end_ns for item in items))
    parents = _parents(items)
    children: list[list[int]] = [[] for _ in items]
    stack: list[int] = []
    for number, parent in enumerate(parents):
        (stack if parent < 0 else children[parent]).append(number)
    stack.reverse()
    row_of = [-1] * len(items)
    while stack:
        number = stack.pop()
        row_of[number] = len(result.parents)
        below = children[number]
        parent = parents[number]
        _append(result, items, number, parent=row_of[parent] if parent >= 0 else -1, children=below)
        stack.extend(reversed(below))
    return result


def _items(resource_spans: Iterable[ResourceSpans], operations: list[tuple[str, str]]) -> list[_Item]:
    known: dict[tuple[str, str], int] = {}
    items: list[_Item] = []
    error = Status.STATUS_CODE_ERROR
    for one in resource_spans:
        service = service_name(one.resource)
        for scope_spans in one.scope_spans:
            for span in scope_spans.spans:
                name = span.name
                operation = known.setdefault((service, name), len(operations))
                if operation == len(operations):
                    operations.append((service, name))
                marks = (ERROR if span.status.code == error else 0) | (EVENTS if span.events else 0)
                items.append(
                    _Item(
                        span.start_time_unix_nano,
                        span.end_time_unix_nano,
                        span.span_id,
                        name,
                        span.parent_span_id,
                        operation,
                        marks | (LINKS if span.links else 0),
                        span.kind,
                    )
                )
    return items


def _parents(items: Sequence[_Item]) -> list[int]:
    """Return the position of each item's parent; -1 for roots, orphans, and where a cycle is cut."""
    first: dict[bytes, int] = {}
    for number, item in enumerate(items):
        first.setdefault(item.span_id, number)
    parents = [first.get(item.parent_id, -1) if item.parent_id else -1 for item in items]
    rooted = bytearray(len(items))
    for number in range(len(items)):
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
    return parents


def _append(result: Outline, items: Sequence[_Item], number: int, *, parent: int, children: Sequence[int]) -> None:
    item = items[number]
    duration_ns = max(0, item.end_ns - item.start_ns)
    result.span_ids.append(item.span_id.hex())
    result.parents.append(parent)
    result.operation.append(item.operation)
    result.starts.append(item.start_ns - result.start_ns)
    result.durations.append(duration_ns)
    result.selfs.append(duration_ns - _covered_ns(item, items, children) if children else duration_ns)
    result.marks.append(item.marks | (ORPHAN if parent < 0 and item.parent_id else 0))
    result.kinds.append(item.kind)


def _covered_ns(item: _Item, items: Sequence[_Item], children: Sequence[int]) -> int:
    covered_ns = 0
    reached_ns = item.start_ns
    for child in children:  # in the order of start times
        start_ns, end_ns = max(items[child].start_ns, reached_ns), min(items[child].end_ns, item.end_ns)
        if end_ns > start_ns:
            covered_ns += end_ns - start_ns
            reached_ns = end_ns
    return covered_ns
