"""OTLP: messages to values, and the JSON form in both directions.

The JSON form is protobuf's own except that trace and span ids are hex and enums are numbers (opentelemetry-proto, "JSON
Protobuf Encoding"). Protobuf's `json_format` does the rest, so whatever a newer OTLP adds is carried along or ignored.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces.span import Attributes, AttributeValue, Event, Link, Span

UNKNOWN_SERVICE = "unknown_service"
_IDS = ("traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id")
KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}


class OTLPError(ValueError):
    """A request that is no OTLP trace request; the text says why."""


def parse_request(body: bytes) -> ExportTraceServiceRequest:
    """Decode a protobuf request.

    Raises:
        OTLPError: the bytes are no such message.
    """
    try:
        return ExportTraceServiceRequest.FromString(body)
    except DecodeError as e:
        raise OTLPError(f"not an ExportTraceServiceRequest: {e}") from e


def parse_json_request(body: bytes) -> ExportTraceServiceRequest:
    """Decode a request in OTLP JSON.

    Raises:
        OTLPError: the text is no such document.
    """
    try:
        document = json.loads(body)
        if not isinstance(document, dict):
            raise OTLPError("not an ExportTraceServiceRequest: want a JSON object")
        _convert_ids(document, _hex_to_base64)
        return json_format.ParseDict(document, ExportTraceServiceRequest(), ignore_unknown_fields=True)
    except (json_format.ParseError, json.JSONDecodeError, UnicodeDecodeError, binascii.Error, RecursionError) as e:
        raise OTLPError(f"not an ExportTraceServiceRequest in JSON: {e}") from e
    except (ValueError, TypeError, AttributeError, KeyError) as e:
        # json_format expects some shapes without looking; whatever it trips over is the document's fault.
        raise OTLPError(f"not an ExportTraceServiceRequest in JSON: {type(e).__name__}: {e}") from e


def to_json(resource_spans: Iterable[ResourceSpans]) -> str:
    """Return one line of OTLP JSON, `{"resourceSpans":[...]}`."""
    documents = [json_format.MessageToDict(one, use_integers_for_enums=True) for one in resource_spans]
    for document in documents:
        _convert_ids({"resourceSpans": [document]}, _base64_to_hex)
    return json.dumps({"resourceSpans": documents}, ensure_ascii=False, separators=(",", ":"))


def service_name(resource: Resource) -> str:
    """Return a resource's service.name; OTLP's stand-in where it has none."""
    for pair in resource.attributes:
        if pair.key == "service.name":
            return str(decode_value(pair.value) or UNKNOWN_SERVICE)
    return UNKNOWN_SERVICE


def decode_spans(resource_spans: Iterable[ResourceSpans]) -> Iterator[Span]:
    """Turn messages into values; spans of one resource share its attributes."""
    for one in resource_spans:
        service, resource = service_name(one.resource), decode_attributes(one.resource.attributes)
        for scope_spans in one.scope_spans:
            scope = (scope_spans.scope.name, scope_spans.scope.version)
            yield from (_decoded(message, service, resource, *scope) for message in scope_spans.spans)


def decode_span(message: SpanMessage, *, resource: Resource, scope: InstrumentationScope) -> Span:
    """Turn one span message and its surroundings into a value; `decode_spans` is quicker for many."""
    service, attributes = service_name(resource), decode_attributes(resource.attributes)
    return _decoded(message, service, attributes, scope.name, scope.version)


def _decoded(message: SpanMessage, service: str, resource: Attributes, scope: str, scope_version: str) -> Span:
    return Span(
        trace_id=message.trace_id.hex(),
        span_id=message.span_id.hex(),
        parent_span_id=message.parent_span_id.hex(),
        name=message.name,
        service=service,
        start_ns=message.start_time_unix_nano,
        end_ns=message.end_time_unix_nano,
        kind=KINDS.get(message.kind, "UNSPECIFIED"),
        error=message.status.code == Status.STATUS_CODE_ERROR,
        status_message=message.status.message,
        attributes=decode_attributes(message.attributes),
        events=[Event(e.name, e.time_unix_nano, decode_attributes(e.attributes)) for e in message.events],
        links=[Link(m.trace_id.hex(), m.span_id.hex(), decode_attributes(m.attributes)) for m in message.links],
        scope=scope,
        scope_version=scope_version,
        resource=resource,
        flags=message.flags,
        trace_state=message.trace_state,
    )


def decode_attributes(pairs: Iterable[KeyValue]) -> Attributes:
    """Turn key-value messages into a mapping; of a repeated key the last counts."""
    return {pair.key: decode_value(pair.value) for pair in pairs}


def decode_value(value: AnyValue) -> AttributeValue:
    """Turn an AnyValue into what it stands for; None when it holds nothing."""
    if text := value.string_value:  # nearly always
        return text
    which = value.WhichOneof("value")
    if which == "array_value":
        return [decode_value(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return {pair.key: decode_value(pair.value) for pair in value.kvlist_value.values}
    return None if which is None else getattr(value, which)


def _convert_ids(document: dict[str, Any], convert: Callable[[str], str]) -> None:
    """Rewrite the ids of spans and links, wherever OTLP has them, in place."""
    for resource_spans in _items(document, "resourceSpans", "resource_spans"):
        for scope_spans in _items(resource_spans, "scopeSpans", "scope_spans"):
            for span in _items(scope_spans, "spans"):
                for holder in (span, *_items(span, "links")):
                    for key in _IDS:
                        if isinstance(text := holder.get(key), str):
                            holder[key] = convert(text)


def _items(holder: dict[str, Any], *keys: str) -> Iterator[dict[str, Any]]:
    for key in keys:
        items = holder.get(key)
        if isinstance(items, list):
            yield from (item for item in items if isinstance(item, dict))


def _hex_to_base64(text: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except ValueError as e:
        raise OTLPError(f"not an ExportTraceServiceRequest in JSON: {text[:40]!r} is no id in hex") from e


def _base64_to_hex(text: str) -> str:
    return base64.b64decode(text).hex()
