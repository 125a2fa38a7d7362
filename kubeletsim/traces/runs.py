"""The runs: what a batch has of each trace, barely taken apart, and the way back to OTLP. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces import wire
from kubeletsim.traces.otlp import KINDS, service_name
from kubeletsim.traces.span import Span


@dataclass(frozen=True, slots=True)
class Run:
    """Spans of one trace that came together in one scope of one resource, as `wire.read_to_draw` reads them."""

    resource: bytes
    resource_schema_url: str
    scope: bytes
    scope_schema_url: str
    spans: list[wire.DrawnSpan]


def runs_by_trace(payload: bytes, *, only: bytes | None = None) -> dict[bytes, list[Run]]:
    """Return the spans of an encoded request by trace.

    Args:
        payload: the request.
        only: the trace that all its spans are of, when that is known; no span is asked then.
    """
    traces: dict[bytes, list[Run]] = {}
    for one in wire.read_to_draw(payload):
        for scope_spans in one.scope_spans:
            around = (one.resource, one.schema_url, scope_spans.scope, scope_spans.schema_url)
            if only:
                traces.setdefault(only, []).append(Run(*around, list(scope_spans.spans)))
                continue
            runs: dict[bytes, Run] = {}
            for span in scope_spans.spans:
                if (run := runs.get(trace_id := span.trace_id)) is None:
                    run = runs[trace_id] = Run(*around, [])
                    traces.setdefault(trace_id, []).append(run)
                run.spans.append(span)
    return traces


def resource_spans(runs: Sequence[Run]) -> list[ResourceSpans]:
    """Return runs as OTLP, with everything that arrived, grouped by resource and scope."""
    groups: dict[tuple[bytes, str], tuple[ResourceSpans, dict[tuple[bytes, str], ScopeSpans]]] = {}
    for run in runs:
        resource, scope = (run.resource, run.resource_schema_url), (run.scope, run.scope_schema_url)
        if resource not in groups:
            made = ResourceSpans(schema_url=run.resource_schema_url)
            if run.resource:  # what was not there must not come to be there empty
                made.resource.CopyFrom(Resource.FromString(run.resource))
            groups[resource] = made, {}
        group, scopes = groups[resource]
        if scope not in scopes:
            scopes[scope] = group.scope_spans.add(schema_url=run.scope_schema_url)
            if run.scope:
                scopes[scope].scope.CopyFrom(InstrumentationScope.FromString(run.scope))
        scopes[scope].spans.extend(SpanMessage.FromString(span.SerializeToString()) for span in run.spans)
    return [group for group, _ in groups.values()]


def bare_spans(runs: Sequence[Run]) -> Iterator[Span]:
    """Turn runs into values without attributes, resources, events and links: whoever counts needs none of them."""
    failed: dict[bytes, Status] = {b"": Status()}
    for run in runs:
        service = service_name(Resource.FromString(run.resource))
        for span in run.spans:
            if (status := failed.get(span.status)) is None:
                status = failed[span.status] = Status.FromString(span.status)
            yield Span(
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_span_id=span.parent_span_id.hex(),
                name=span.name,
                service=service,
                start_ns=span.start_time_unix_nano,
                end_ns=span.end_time_unix_nano,
                kind=KINDS.get(span.kind, "UNSPECIFIED"),
                error=status.code == Status.STATUS_CODE_ERROR,
                status_message=status.message,
            )
