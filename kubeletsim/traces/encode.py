"""The way back: values of `span` as OTLP messages, for what comes in other formats. Pure."""

from collections.abc import Iterable, Mapping, Sequence

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces.span import Attributes, AttributeValue, Span

_KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_INT64 = range(-(1 << 63), 1 << 63)


def encode_spans(spans: Iterable[Span]) -> list[ResourceSpans]:
    """Return spans as messages, grouped by resource and scope in the order in which they come.

    Raises:
        ValueError: an id is no hex, or a time does not fit.
    """
    groups: dict[bytes, tuple[ResourceSpans, dict[tuple[str, str], ScopeSpans]]] = {}
    for span in spans:
        resource = ResourceSpans()
        _fill(resource.resource.attributes, span.resource)
        key = resource.SerializeToString(deterministic=True)
        group, scopes = groups.setdefault(key, (resource, {}))
        scope = (span.scope, span.scope_version)
        if scope not in scopes:
            scopes[scope] = group.scope_spans.add()
            scopes[scope].scope.name, scopes[scope].scope.version = scope
        _fill_span(scopes[scope].spans.add(), span)
    return [group for group, _ in groups.values()]


def _fill_span(message: SpanMessage, span: Span) -> None:
    message.trace_id, message.span_id = bytes.fromhex(span.trace_id), bytes.fromhex(span.span_id)
    message.parent_span_id = bytes.fromhex(span.parent_span_id)
    message.name, message.trace_state, message.flags = span.name, span.trace_state, span.flags
    message.kind = SpanMessage.SpanKind.ValueType(_KINDS.get(span.kind, 0))
    message.start_time_unix_nano, message.end_time_unix_nano = span.start_ns, span.end_ns
    if span.error:
        message.status.code = Status.STATUS_CODE_ERROR
    if span.status_message:
        message.status.message = span.status_message
    _fill(message.attributes, span.attributes)
    for event in span.events:
        _fill(message.events.add(name=event.name, time_unix_nano=event.time_ns).attributes, event.attributes)
    for link in span.links:
        ids = {"trace_id": bytes.fromhex(link.trace_id), "span_id": bytes.fromhex(link.span_id)}
        _fill(message.links.add(**ids).attributes, link.attributes)


def _fill(pairs: "RepeatedCompositeFieldContainer[KeyValue]", attributes: Attributes) -> None:
    for key, value in attributes.items():
        _fill_value(pairs.add(key=key).value, value)


def _fill_value(message: AnyValue, value: AttributeValue) -> None:
    if isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int) and value in _INT64:
        message.int_value = value
    elif isinstance(value, int | float):
        message.double_value = float(value)
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, bytes):
        message.bytes_value = value
    elif isinstance(value, Mapping):
        message.kvlist_value.SetInParent()
        _fill(message.kvlist_value.values, value)
    elif isinstance(value, Sequence):
        message.array_value.SetInParent()
        for item in value:
            _fill_value(message.array_value.values.add(), item)
