"""Zipkin v2 JSON, as a Zipkin server takes it at /api/v2/spans. Pure.

Counterpart: the OpenTelemetry specification, "OpenTelemetry to Zipkin Transformation". Times are microseconds, tags are
text, and a span that took no time took one microsecond, for Zipkin has no zero.
"""

import json
from typing import Any

from kubeletsim.traces.filters import text_of
from kubeletsim.traces.span import Attributes, Event, Span

_KINDS = ("CLIENT", "SERVER", "PRODUCER", "CONSUMER")


def zipkin_span(span: Span) -> dict[str, Any]:
    """Return one span."""
    document: dict[str, Any] = {
        "traceId": span.trace_id,
        "id": span.span_id,
        "name": span.name,
        "timestamp": max(1, span.start_ns // 1000),
        "duration": max(1, round(span.duration_ns / 1000)),
        "localEndpoint": {"serviceName": span.service},
        "tags": _tags(span),
    }
    if span.parent_span_id:
        document["parentId"] = span.parent_span_id
    if span.kind in _KINDS:
        document["kind"] = span.kind
    if span.events:
        document["annotations"] = [_annotation(event) for event in span.events]
    return document


def _tags(span: Span) -> dict[str, str]:
    tags = _texts(span.attributes)
    if span.scope:
        tags["otel.scope.name"] = span.scope
    if span.scope_version:
        tags["otel.scope.version"] = span.scope_version
    if span.error:
        tags |= {"otel.status_code": "ERROR", "error": span.status_message}
    return tags


def _annotation(event: Event) -> dict[str, Any]:
    attributes = json.dumps(_texts(event.attributes), ensure_ascii=False)
    value = f'"{event.name}": {attributes}' if event.attributes else event.name
    return {"timestamp": event.time_ns // 1000, "value": value}


def _texts(attributes: Attributes) -> dict[str, str]:
    return {key: text_of(value) for key, value in attributes.items()}
