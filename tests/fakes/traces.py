"""Traces to look at: recordings as spans, and OTLP messages in a line."""

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces.runs import Run, runs_by_trace
from kubeletsim.traces.span import Span

GOLDEN = Path(__file__).parent.parent / "golden"
START_NS = 1_700_000_000_000_000_000
TRACE_ID = "ab" * 16
MS = 1_000_000


def recorded_trace(scenario: str, *, root: int = 0) -> list[Span]:
    """Return one root of a recording and what is under it; siblings follow one another (starts are not known)."""
    document = json.loads((GOLDEN / f"{scenario}.json").read_text())
    numbers = itertools.count(1)

    def spans(node: Mapping[str, Any], parent: str, start_ns: int) -> Iterator[Span]:
        span_id = f"{next(numbers):016x}"
        yield Span(
            trace_id=TRACE_ID,
            span_id=span_id,
            parent_span_id=parent,
            name=node["name"],
            service=node["service"],
            start_ns=start_ns,
            end_ns=start_ns + round(node["ms"] * MS),
            kind=node["kind"],
            error="error" in node,
            status_message=node.get("error", ""),
            attributes=node.get("attributes", {}),
        )
        for child in node.get("children", ()):
            yield from spans(child, span_id, start_ns)
            start_ns += round(child["ms"] * MS)

    return list(spans(document["roots"][root], "", START_NS))


def span_message(
    name: str = "syncPod",
    *,
    trace: int = 1,
    span: int = 1,
    parent: int = 0,
    start_ms: int = 0,
    ms: float = 10,
    error: str | None = None,
    **attributes: str | int | bool,
) -> SpanMessage:
    """Return a span message; ids are small numbers, times count from START_NS."""
    message = SpanMessage(
        trace_id=trace.to_bytes(16, "big"),
        span_id=span.to_bytes(8, "big"),
        parent_span_id=parent.to_bytes(8, "big") if parent else b"",
        name=name,
        kind=SpanMessage.SPAN_KIND_INTERNAL,
        start_time_unix_nano=START_NS + start_ms * MS,
        end_time_unix_nano=START_NS + start_ms * MS + round(ms * MS),
    )
    for key, value in attributes.items():
        pair = message.attributes.add(key=key.replace("__", "."))
        if isinstance(value, bool):
            pair.value.bool_value = value
        elif isinstance(value, int):
            pair.value.int_value = value
        else:
            pair.value.string_value = value
    if error is not None:
        message.status.code = Status.STATUS_CODE_ERROR
        message.status.message = error
    return message


def resource_spans(*spans: SpanMessage, service: str = "kubelet", **resource: str) -> ResourceSpans:
    """Return spans of one service as they arrive in a request."""
    message = ResourceSpans()
    for key, value in {"service.name": service, **resource}.items():
        message.resource.attributes.add(key=key).value.string_value = value
    message.scope_spans.add(spans=spans).scope.name = "k8s.io/kubernetes/pkg/kubelet"
    return message


def payload(*messages: ResourceSpans) -> bytes:
    """Return an encoded request."""
    return ExportTraceServiceRequest(resource_spans=messages).SerializeToString()


def runs_of(*messages: ResourceSpans) -> list[Run]:
    """Return messages of one trace as the store hands them out."""
    return [run for runs in runs_by_trace(payload(*messages)).values() for run in runs]
