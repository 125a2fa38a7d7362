"""The document: a whole trace as JSON for programs, every span with what was worked out about it. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from kubeletsim.traces.critical_path import critical_path
from kubeletsim.traces.set_diff import OperationChange
from kubeletsim.traces.span import Span
from kubeletsim.traces.tree import build_forest, extent, walk
from kubeletsim.traces.web import documents


def trace_document(trace_id: str, spans: Iterable[Span]) -> dict[str, Any]:
    """Return a trace with its spans in the order they are drawn, their self times, and its critical path."""
    forest = build_forest(spans)
    whole, path = extent(forest), critical_path(forest)
    return {
        "traceId": trace_id,
        "startTimeUnixNano": str(whole.start_ns),
        "durationNano": whole.duration_ns,
        "criticalPath": documents.path(path, start_ns=whole.start_ns),
        "spans": [
            {
                **documents.span(node.span),
                "selfNano": node.self_ns,
                "onCriticalPath": node.span.span_id in path.span_ids,
            }
            for node in walk(forest)
        ],
    }


def changes_document(changes: Sequence[OperationChange]) -> list[dict[str, Any]]:
    """Return what became of operations, one entry each."""
    return [
        {
            "service": one.service,
            "name": one.name,
            "change": one.change.value,
            "pace": one.pace.value,
            "before": next(iter(documents.operations([one.before] if one.before else [])), None),
            "after": next(iter(documents.operations([one.after] if one.after else [])), None),
        }
        for one in changes
    ]
