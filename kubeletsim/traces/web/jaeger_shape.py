"""Jaeger's shape: a trace as the JSON that Jaeger UI and Grafana read, written straight from the messages. Pure.

Counterpart: jaegertracing/jaeger, the UI model and the translation from OTLP (kind, status, scope and trace state
become tags). Times are microseconds. Lists of traces are long, and most of their text is tags that were seen before:
each is encoded once, and no document is built only to be encoded afterwards.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces.filters import text_of
from kubeletsim.traces.otlp import decode_value, service_name
from kubeletsim.traces.span import AttributeValue

_KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}


class TraceWriter:
    """Writes traces as JSON and remembers the tags it has written."""

    def __init__(self) -> None:
        self._tags: dict[bytes, str] = {}

    def trace(self, trace_id: str, resource_spans: Iterable[ResourceSpans]) -> str:
        """Return one trace as JSON; each resource is a process."""
        processes: list[str] = []
        spans: list[str] = []
        for number, one in enumerate(resource_spans, start=1):
            name = quoted(service_name(one.resource))
            tags = self._pairs(pair for pair in one.resource.attributes if pair.key != "service.name")
            processes.append(f'"p{number}":{{"serviceName":{name},"tags":[{tags}]}}')
            for scope_spans in one.scope_spans:
                spans += self._spans(scope_spans, trace_id, f"p{number}")
        return (
            f'{{"traceID":"{trace_id}","spans":[{",".join(spans)}],'
            f'"processes":{{{",".join(processes)}}},"warnings":null}}'
        )

    def _spans(self, scope_spans: ScopeSpans, trace_id: str, process: str) -> Iterator[str]:
        scope = list(_scope_tags(scope_spans.scope))
        for span in scope_spans.spans:
            start, end = span.start_time_unix_nano, span.end_time_unix_nano
            tags = [self._pair(pair) for pair in span.attributes]
            tags += _derived(span)
            tags += scope
            yield (
                f'{{"traceID":"{trace_id}","spanID":"{span.span_id.hex()}","flags":{span.flags & 1},'
                f'"operationName":{quoted(span.name)},"references":[{",".join(_references(span, trace_id))}],'
                f'"startTime":{start // 1000},"duration":{max(0, end - start) // 1000},"tags":[{",".join(tags)}],'
                f'"logs":[{self._logs(span) if span.events else ""}],"processID":"{process}","warnings":null}}'
            )

    def _logs(self, span: SpanMessage) -> str:
        logs = []
        for event in span.events:
            fields = ",".join([_tag("event", event.name), *map(self._pair, event.attributes)])
            logs.append(f'{{"timestamp":{event.time_unix_nano // 1000},"fields":[{fields}]}}')
        return ",".join(logs)

    def _pairs(self, pairs: Iterable[KeyValue]) -> str:
        return ",".join(map(self._pair, pairs))

    def _pair(self, pair: KeyValue) -> str:
        encoded = pair.SerializeToString()
        known = self._tags.get(encoded)
        if known is None:
            known = self._tags[encoded] = _tag(pair.key, decode_value(pair.value))
        return known


def _references(span: SpanMessage, trace_id: str) -> Iterator[str]:
    if span.parent_span_id:
        yield f'{{"refType":"CHILD_OF","traceID":"{trace_id}","spanID":"{span.parent_span_id.hex()}"}}'
    for link in span.links:
        yield f'{{"refType":"FOLLOWS_FROM","traceID":"{link.trace_id.hex()}","spanID":"{link.span_id.hex()}"}}'


def _derived(span: SpanMessage) -> Iterator[str]:
    """Yield what Jaeger keeps in tags and OTLP in fields."""
    if span.kind in _KINDS:
        yield f'{{"key":"span.kind","type":"string","value":"{_KINDS[span.kind]}"}}'
    if span.HasField("status"):
        if span.status.code == Status.STATUS_CODE_ERROR:
            yield _tag("error", True)
            yield _tag("otel.status_code", "ERROR")
        if span.status.message:
            yield _tag("otel.status_description", span.status.message)
    if span.trace_state:
        yield _tag("w3c.tracestate", span.trace_state)


def _scope_tags(scope: InstrumentationScope) -> Iterator[str]:
    if scope.name:
        yield _tag("otel.scope.name", scope.name)
    if scope.version:
        yield _tag("otel.scope.version", scope.version)


def _tag(key: str, value: AttributeValue) -> str:
    kind, text = "string", ""
    if isinstance(value, bool):
        kind, text = "bool", "true" if value else "false"
    elif isinstance(value, int):
        kind, text = "int64", str(value)
    elif isinstance(value, float) and value - value == 0:  # JSON knows neither infinity nor NaN
        kind, text = "float64", repr(value)
    elif isinstance(value, bytes):
        kind, text = "binary", quoted(value.hex())
    elif isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        text = quoted(json.dumps(value, default=_plain))
    else:
        text = quoted(text_of(value))
    return f'{{"key":{quoted(key)},"type":"{kind}","value":{text}}}'


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
