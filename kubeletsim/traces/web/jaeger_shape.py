"""Jaeger's shape: a trace as the JSON that Jaeger UI and Grafana read. Pure.

Counterpart: jaegertracing/jaeger, the UI model and the translation from OTLP (kind, status, scope and trace state
become tags). Times are microseconds.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubeletsim.traces.filters import text_of
from kubeletsim.traces.span import Attributes, AttributeValue, Span


def jaeger_trace(trace_id: str, spans: Iterable[Span]) -> dict[str, Any]:
    """Return one trace; spans that share a resource share a process."""
    processes: dict[str, str] = {}
    documents: dict[str, dict[str, Any]] = {}
    listed = []
    for span in spans:
        process = {"serviceName": span.service, "tags": _tags(span.resource, without="service.name")}
        key = processes.setdefault(json.dumps(process), f"p{len(processes) + 1}")
        documents.setdefault(key, process)
        listed.append(_span(span, process_id=key))
    return {"traceID": trace_id, "spans": listed, "processes": documents, "warnings": None}


def _span(span: Span, *, process_id: str) -> dict[str, Any]:
    return {
        "traceID": span.trace_id,
        "spanID": span.span_id,
        "flags": span.flags & 1,
        "operationName": span.name,
        "references": list(_references(span)),
        "startTime": span.start_ns // 1000,
        "duration": span.duration_ns // 1000,
        "tags": [*_tags(span.attributes), *_tags(_derived(span))],
        "logs": [
            {"timestamp": event.time_ns // 1000, "fields": [*_tags({"event": event.name}), *_tags(event.attributes)]}
            for event in span.events
        ],
        "processID": process_id,
        "warnings": None,
    }


def _references(span: Span) -> Iterable[dict[str, str]]:
    if span.parent_span_id:
        yield {"refType": "CHILD_OF", "traceID": span.trace_id, "spanID": span.parent_span_id}
    for link in span.links:
        yield {"refType": "FOLLOWS_FROM", "traceID": link.trace_id, "spanID": link.span_id}


def _derived(span: Span) -> Attributes:
    """Return what Jaeger keeps in tags and OTLP in fields."""
    found: dict[str, AttributeValue] = {}
    if span.kind != "UNSPECIFIED":
        found["span.kind"] = span.kind.lower()
    if span.error:
        found |= {"error": True, "otel.status_code": "ERROR"}
    if span.status_message:
        found["otel.status_description"] = span.status_message
    if span.scope:
        found["otel.scope.name"] = span.scope
    if span.scope_version:
        found["otel.scope.version"] = span.scope_version
    if span.trace_state:
        found["w3c.tracestate"] = span.trace_state
    return found


def _tags(attributes: Attributes, *, without: str = "") -> list[dict[str, Any]]:
    return [_tag(key, value) for key, value in attributes.items() if key != without]


def _tag(key: str, value: AttributeValue) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": key, "type": "bool", "value": value}
    if isinstance(value, int):
        return {"key": key, "type": "int64", "value": value}
    if isinstance(value, float) and value - value == 0:  # JSON knows neither infinity nor NaN
        return {"key": key, "type": "float64", "value": value}
    if isinstance(value, bytes):
        return {"key": key, "type": "binary", "value": value.hex()}
    if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        return {"key": key, "type": "string", "value": json.dumps(value, default=_plain)}
    return {"key": key, "type": "string", "value": text_of(value)}


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
