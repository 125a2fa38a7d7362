"""Jaeger's shape: a trace as the JSON that Jaeger UI and Grafana read, written straight from the messages. Pure.

Counterpart: jaegertracing/jaeger, the UI model and the translation from OTLP (kind, status, scope and trace state
become tags). Times are microseconds. Lists of traces are long, and most of their text is tags that were seen before:
each is encoded once, and no document is built only to be encoded afterwards.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from json.encoder import encode_basestring_ascii as quoted

from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from kubeletsim.traces.filters import text_of
from kubeletsim.traces.otlp import decode_value, service_name
from kubeletsim.traces.runs import Run
from kubeletsim.traces.span import AttributeValue

_KINDS = {1: "internal", 2: "server", 3: "client", 4: "producer", 5: "consumer"}
_MOST_REMEMBERED = 100_000


class _Tags(dict[bytes, str]):
    """Tags as JSON, by the KeyValue they are written from."""

    def __missing__(self, encoded: bytes) -> str:
        if len(self) > _MOST_REMEMBERED:
            self.clear()
        pair = KeyValue.FromString(encoded)
        text = self[encoded] = _tag(pair.key, decode_value(pair.value))
        return text


class TraceWriter:
    """Writes traces as JSON and remembers the tags it has written."""

    def __init__(self) -> None:
        self._tag = _Tags().__getitem__
        self._fields: dict[tuple[int, bytes, str], Sequence[str]] = {}

    def trace(self, trace_id: str, runs: Iterable[Run]) -> str:
        """Return one trace as JSON; each resource is a process."""
        processes: dict[bytes, str] = {}
        spans: list[str] = []
        for run in runs:
            if (process := processes.get(run.resource)) is None:
                process = processes[run.resource] = f"p{len(processes) + 1}"
            spans += self._spans(run, trace_id, process)
        described = ",".join(f'"{process}":{self._process(resource)}' for resource, process in processes.items())
        return f'{{"traceID":"{trace_id}","spans":[{",".join(spans)}],"processes":{{{described}}},"warnings":null}}'

    def _process(self, encoded: bytes) -> str:
        resource = Resource.FromString(encoded)
        pairs = (pair.SerializeToString() for pair in resource.attributes if pair.key != "service.name")
        return f'{{"serviceName":{quoted(service_name(resource))},"tags":[{",".join(map(self._tag, pairs))}]}}'

    def _spans(self, run: Run, trace_id: str, process: str) -> Iterator[str]:
        """Write spans. Every microsecond here is one of each span."""
        scope, tag, fields = list(_scope_tags(InstrumentationScope.FromString(run.scope))), self._tag, self._fields
        opening, child_of = f'{{"traceID":"{trace_id}","spanID":"', f'{{"refType":"CHILD_OF","traceID":"{trace_id}",'
        closing = f',"processID":"{process}","warnings":null}}'
        for span in run.spans:
            start, end = span.start_time_unix_nano, span.end_time_unix_nano
            told = (span.kind, span.status, span.trace_state)
            if (derived := fields.get(told)) is None:
                if len(fields) > _MOST_REMEMBERED:
                    fields.clear()
                derived = fields[told] = list(_derived(*told))
            tags = ",".join([*map(tag, span.attributes), *derived, *scope])
            parent = span.parent_span_id
            references = f'{child_of}"spanID":"{parent.hex()}"}}' if parent else ""
            if links := span.links:
                references = ",".join([*([references] if references else ()), *map(_link, links)])
            logs = self._logs(events) if (events := span.events) else ""
            yield (
                f'{opening}{span.span_id.hex()}","flags":{span.flags & 1},"operationName":{quoted(span.name)},'
                f'"references":[{references}],"startTime":{start // 1000},'
                f'"duration":{(end - start) // 1000 if end > start else 0},"tags":[{tags}],"logs":[{logs}]{closing}'
            )

    def _logs(self, events: Iterable[bytes]) -> str:
        logs = []
        for event in map(SpanMessage.Event.FromString, events):
            pairs = (pair.SerializeToString() for pair in event.attributes)
            fields = ",".join([_tag("event", event.name), *map(self._tag, pairs)])
            logs.append(f'{{"timestamp":{event.time_unix_nano // 1000},"fields":[{fields}]}}')
        return ",".join(logs)


def _link(encoded: bytes) -> str:
    link = SpanMessage.Link.FromString(encoded)
    return f'{{"refType":"FOLLOWS_FROM","traceID":"{link.trace_id.hex()}","spanID":"{link.span_id.hex()}"}}'


def _derived(kind: int, encoded_status: bytes, trace_state: str) -> Iterator[str]:
    """Yield what Jaeger keeps in tags and OTLP in fields."""
    if kind in _KINDS:
        yield f'{{"key":"span.kind","type":"string","value":"{_KINDS[kind]}"}}'
    status = Status.FromString(encoded_status)
    if status.code == Status.STATUS_CODE_ERROR:
        yield _tag("error", True)
        yield _tag("otel.status_code", "ERROR")
    if status.message:
        yield _tag("otel.status_description", status.message)
    if trace_state:
        yield _tag("w3c.tracestate", trace_state)


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
