"""The recording: a trace written down as a tree of names, services and milliseconds, to hold other traces against.

    {"roots": [{"name": "syncPod", "service": "kubelet", "kind": "INTERNAL", "ms": 174.3, "error": "…",
                "attributes": {…}, "children": [{…}, …]}, …]}

Ids and start times are not in it; siblings are in their order. Pure.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kubeletsim.traces.diff import Tolerance, TraceDiff, diff_traces
from kubeletsim.traces.span import Span
from kubeletsim.traces.tree import Node, build_forest

_NS_A_MS = 10**6
_LONGEST_MS = 10**12


class RecordingError(ValueError):
    """A document that is no recording; the text says where and what is wanted."""


def recorded_roots(document: object) -> list[list[Span]]:
    """Return the spans of each root; siblings follow one another, for when they began is not known.

    Raises:
        RecordingError: the document has another shape.
    """
    roots = document.get("roots") if isinstance(document, Mapping) else None
    if not isinstance(roots, list) or not roots:
        raise RecordingError("roots: want a list of spans, each with name, service, ms and children")
    return [list(_spans(root, f"roots[{number}]", number)) for number, root in enumerate(roots)]


def diff_with_recording(
    roots: Sequence[Sequence[Span]], trace: Sequence[Node], *, tolerance: Tolerance | None = None
) -> TraceDiff | None:
    """Compare a trace with the root of its name that it differs least from; None when no root has its name."""
    names = {node.span.name for node in trace}
    diffs = [diff_traces(build_forest(spans), trace, tolerance=tolerance) for spans in roots if spans[0].name in names]
    return min(diffs, key=lambda diff: diff.structural_changes, default=None)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """One checked entry of a recording."""

    name: str
    service: str
    kind: str
    duration_ns: int
    error: str | None
    attributes: Mapping[str, Any]
    children: Sequence[object]


def _spans(root: object, where: str, root_number: int) -> Iterator[Span]:
    numbers = itertools.count(1)
    stack = [(_checked(root, where), where, "", 0)]
    while stack:
        node, where, parent, start_ns = stack.pop()
        span_id = f"{next(numbers):016x}"
        yield Span(
            trace_id=f"{root_number + 1:032x}",
            span_id=span_id,
            parent_span_id=parent,
            name=node.name,
            service=node.service,
            start_ns=start_ns,
            end_ns=start_ns + node.duration_ns,
            kind=node.kind,
            error=node.error is not None,
            status_message=node.error or "",
            attributes=node.attributes,
        )
        below = []
        for number, child in enumerate(node.children):
            child_where = f"{where}.children[{number}]"
            checked = _checked(child, child_where)
            below.append((checked, child_where, span_id, start_ns))
            start_ns += max(1, checked.duration_ns)
        stack += reversed(below)


def _checked(node: object, where: str) -> _Recorded:
    if not isinstance(node, Mapping):
        raise RecordingError(f"{where}: want an object with name, service, ms and children")
    name, service, ms = (node.get(key) for key in ("name", "service", "ms"))
    error, children, attributes = node.get("error"), node.get("children") or [], node.get("attributes") or {}
    if not isinstance(name, str) or not isinstance(service, str):
        raise RecordingError(f"{where}: name and service must be texts")
    if not isinstance(ms, int | float) or isinstance(ms, bool) or not 0 <= ms < _LONGEST_MS:
        raise RecordingError(f"{where}.ms: want milliseconds, a number from 0")
    if not isinstance(children, list):
        raise RecordingError(f"{where}.children: want a list")
    if not isinstance(attributes, Mapping):
        raise RecordingError(f"{where}.attributes: want an object")
    kind, failure = str(node.get("kind", "INTERNAL")), None if error is None else str(error)
    return _Recorded(name, service, kind, round(ms * _NS_A_MS), failure, attributes, children)
