"""The documents: spans, lists and analyses as the JSON of the API under /api/v1/. Pure.

Unix times are text, for they have more digits than a JavaScript number; durations are numbers of nanoseconds.
"""

from collections.abc import Sequence
from typing import Any

from kubeletsim.traces.analysis import CriticalPath, DiffEntry, OperationStatistics, ServiceEdge
from kubeletsim.traces.filters import text_of
from kubeletsim.traces.span import Attributes, Span
from kubeletsim.traces.store import TraceSummary


def summary(trace: TraceSummary) -> dict[str, Any]:
    """Return a trace as it is listed; the same keys as `traces ls -o json`."""
    return {
        "traceId": trace.trace_id,
        "rootName": trace.root_name,
        "rootService": trace.root_service,
        "services": list(trace.services),
        "startTimeUnixNano": str(trace.start_ns),
        "durationNano": trace.duration_ns,
        "spans": trace.spans,
        "errors": trace.errors,
    }


def span(one: Span) -> dict[str, Any]:
    """Return everything about a span."""
    return {
        "traceId": one.trace_id,
        "spanId": one.span_id,
        "parentSpanId": one.parent_span_id,
        "name": one.name,
        "service": one.service,
        "kind": one.kind,
        "startTimeUnixNano": str(one.start_ns),
        "durationNano": one.duration_ns,
        "error": one.error,
        "statusMessage": one.status_message,
        "traceState": one.trace_state,
        "flags": one.flags,
        "scope": {"name": one.scope, "version": one.scope_version},
        "attributes": attributes(one.attributes),
        "resource": attributes(one.resource),
        "events": [
            {"name": e.name, "timeUnixNano": str(e.time_ns), "attributes": attributes(e.attributes)} for e in one.events
        ],
        "links": [
            {"traceId": link.trace_id, "spanId": link.span_id, "attributes": attributes(link.attributes)}
            for link in one.links
        ],
    }


def attributes(pairs: Attributes) -> list[dict[str, str]]:
    """Return attributes as they are shown: text, with the type it had."""
    return [{"key": key, "value": text_of(value), "type": _type_of(value)} for key, value in pairs.items()]


def path(found: CriticalPath, *, start_ns: int) -> list[dict[str, Any]]:
    """Return the segments of a critical path, from the trace's start."""
    return [
        {"spanId": one.span.span_id, "start": one.start_ns - start_ns, "duration": one.duration_ns}
        for one in found.segments
    ]


def operations(found: Sequence[OperationStatistics]) -> list[dict[str, Any]]:
    """Return the statistics, one entry an operation."""
    return [
        {
            "service": one.service,
            "name": one.name,
            "count": one.count,
            "errors": one.errors,
            "ratePerSecond": one.rate_per_second,
            "p50Nano": one.p50_ns,
            "p90Nano": one.p90_ns,
            "p99Nano": one.p99_ns,
            "maxNano": one.max_ns,
            "totalNano": one.total_ns,
            "selfNano": one.self_ns,
        }
        for one in found
    ]


def edges(found: Sequence[ServiceEdge]) -> list[dict[str, Any]]:
    """Return the service map, one entry a pair of services."""
    return [
        {
            "client": one.client,
            "server": one.server,
            "count": one.count,
            "errors": one.errors,
            "ratePerSecond": one.rate_per_second,
            "clientP50Nano": one.client_p50_ns,
            "clientP99Nano": one.client_p99_ns,
            "serverP50Nano": one.server_p50_ns,
            "serverP99Nano": one.server_p99_ns,
        }
        for one in found
    ]


def difference(entries: Sequence[DiffEntry]) -> list[dict[str, Any]]:
    """Return the lines of a comparison in the order they are drawn."""
    return [
        {
            "depth": entry.depth,
            "change": entry.change.value,
            "pace": entry.pace.value,
            "outcomeChanged": entry.outcome_changed,
            "name": entry.name,
            "before": _side(entry.before),
            "after": _side(entry.after),
        }
        for entry in entries
    ]


def _side(one: Span | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "spanId": one.span_id,
        "service": one.service,
        "startTimeUnixNano": str(one.start_ns),
        "durationNano": one.duration_ns,
        "error": one.error,
    }


def _type_of(value: object) -> str:
    names = {str: "string", bool: "bool", int: "int", float: "double", bytes: "bytes", list: "array", dict: "kvlist"}
    return names.get(type(value), "empty")
