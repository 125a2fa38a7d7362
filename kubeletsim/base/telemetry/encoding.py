"""The encoding: ended spans as the bytes of an OTLP request.

A message's encoding is the encodings of its fields one after the other, so what repeats from span to span is encoded
once: an attribute with a text that was seen before costs a look-up. That makes a span cheap enough to be encoded where
it ends. docs/decisions/0005 has the figures; what the OTLP library of OpenTelemetry would have written is the test.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from opentelemetry import trace as api
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, SpanFlags, Status
from opentelemetry.sdk import resources, trace
from opentelemetry.sdk.util import instrumentation
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode
from opentelemetry.util.types import Attributes

_HAS_IS_REMOTE = SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_IS_REMOTE = SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_KINDS = {kind: Span.SpanKind.Value(f"SPAN_KIND_{kind.name}") for kind in SpanKind}
_STATUSES = {code: Status.StatusCode.Value(f"STATUS_CODE_{code.name}") for code in StatusCode}

_REMEMBERED_ATTRIBUTES, _LONGEST_REMEMBERED = 1024, 256
"""How many attributes are kept encoded, with texts of how many characters at most: 400 KB where each is an id."""

# Tags of the fields that are put together here; each is the number 1 or 2, and has a length.
_RESOURCE_SPANS, _SCOPE_SPANS, _SPANS = b"\x0a", b"\x12", b"\x12"


_UNSET = Span(status=Status()).SerializeToString()
_Scoped = tuple[instrumentation.InstrumentationScope | None, list[bytes]]


class SpanEncoder:
    """Encodes spans of one provider; for any thread."""

    def __init__(self) -> None:
        self._remembered = lru_cache(_REMEMBERED_ATTRIBUTES)(_text_attribute)

    def encode(self, span: trace.ReadableSpan) -> bytes:
        """Return a span as it stands in a ScopeSpans message, tag and length included.

        Flags are those that Go writes: 257 for a sampled root, 769 under a remote parent.
        """
        context, parent = span.context, span.parent
        assert context is not None  # noqa: S101  a span that ended was begun with one
        message = Span(
            trace_id=context.trace_id.to_bytes(16, "big"),
            span_id=context.span_id.to_bytes(8, "big"),
            parent_span_id=b"" if parent is None else parent.span_id.to_bytes(8, "big"),
            name=span.name,
            kind=_KINDS[span.kind],
            start_time_unix_nano=span.start_time or 0,
            end_time_unix_nano=span.end_time or 0,
            flags=_flags(parent, int(context.trace_flags)),
        )
        if context.trace_state:
            message.trace_state = _trace_state(context)
        if (dropped := span.dropped_attributes) or span.dropped_events or span.dropped_links:
            message.dropped_attributes_count = dropped
            message.dropped_events_count, message.dropped_links_count = span.dropped_events, span.dropped_links
        if events := span.events:
            message.events.extend(map(_event, events))
        if links := span.links:
            message.links.extend(map(_link, links))
        fields = [message.SerializeToString(), _status(span.status)]
        attributes: Any = span.attributes  # a proxy; its copy is a plain dict, three times as fast to go through
        for key, value in attributes.copy().items():
            if type(value) is str and len(value) <= _LONGEST_REMEMBERED:
                fields.append(self._remembered(key, value))
            else:
                fields.append(Span(attributes=[_key_value(key, value)]).SerializeToString())
        return _delimited(_SPANS, b"".join(fields))


class SpanBatch:
    """Encoded spans on their way into one request, grouped by resource and scope."""

    __slots__ = ("_groups", "size", "spans")

    def __init__(self) -> None:
        self._groups: dict[int, tuple[resources.Resource, dict[int, _Scoped]]] = {}  # by id: hashing costs more
        self.spans = 0
        self.size = 0
        """Bytes of the spans; resources and scopes come on top."""

    def add(self, span: trace.ReadableSpan, encoded: bytes) -> None:
        """Add a span that `SpanEncoder.encode` has encoded."""
        resource, scope = span.resource, span.instrumentation_scope
        _, scopes = self._groups.setdefault(id(resource), (resource, {}))
        scopes.setdefault(id(scope), (scope, []))[1].append(encoded)
        self.spans += 1
        self.size += len(encoded)

    def wire_form(self) -> bytes:
        """Return an ExportTraceServiceRequest."""
        return b"".join(_delimited(_RESOURCE_SPANS, _resource_spans(*group)) for group in self._groups.values())


def _resource_spans(resource: resources.Resource, scopes: Mapping[int, _Scoped]) -> bytes:
    head = ResourceSpans(
        resource=Resource(attributes=[_key_value(*item) for item in _items(resource.attributes)]),
        schema_url=resource.schema_url,
    )
    return b"".join((
        head.SerializeToString(),
        *(_delimited(_SCOPE_SPANS, _scope_spans(scope, encoded)) for scope, encoded in scopes.values()),
    ))  # fmt: skip


def _scope_spans(scope: instrumentation.InstrumentationScope | None, encoded: Sequence[bytes]) -> bytes:
    head = ScopeSpans(scope=InstrumentationScope())
    if scope is not None:
        head.scope.name, head.scope.version = scope.name, scope.version or ""
        head.scope.attributes.extend(_key_value(*item) for item in _items(scope.attributes))
        head.schema_url = scope.schema_url or ""
    return b"".join((head.SerializeToString(), *encoded))


def _event(event: trace.Event) -> Span.Event:
    return Span.Event(
        name=event.name,
        time_unix_nano=event.timestamp,
        attributes=[_key_value(*item) for item in _items(event.attributes)],
        dropped_attributes_count=event.dropped_attributes,
    )


def _link(link: Link) -> Span.Link:
    context = link.context
    return Span.Link(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        attributes=[_key_value(*item) for item in _items(link.attributes)],
        dropped_attributes_count=link.dropped_attributes,
        flags=_flags(context, int(context.trace_flags)),
    )


def _status(status: api.Status) -> bytes:
    if status.status_code is StatusCode.UNSET:
        return _UNSET
    code = _STATUSES[status.status_code]
    return Span(status=Status(code=code, message=status.description or "")).SerializeToString()


def _flags(remote: SpanContext | None, trace_flags: int) -> int:
    """Return W3C's flags, with OTLP's bits that tell whether a parent or a link came from another process."""
    known = _HAS_IS_REMOTE | _IS_REMOTE if remote is not None and remote.is_remote else _HAS_IS_REMOTE
    return known | trace_flags


def _trace_state(context: SpanContext) -> str:
    return ",".join(f"{key}={value}" for key, value in context.trace_state.items())


def _items(attributes: Attributes) -> Iterable[tuple[str, object]]:
    return attributes.items() if attributes else ()


def _text_attribute(key: str, value: str) -> bytes:
    return Span(attributes=[KeyValue(key=key, value=AnyValue(string_value=_text(value)))]).SerializeToString()


def _key_value(key: str, value: object) -> KeyValue:
    return KeyValue(key=key, value=_any_value(value))


def _any_value(value: object) -> AnyValue:
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int() if -(1 << 63) <= value < 1 << 63:
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case Mapping():
            pairs = [_key_value(str(key), one) for key, one in value.items()]
            return AnyValue(kvlist_value=KeyValueList(values=pairs))
        case Sequence() if not isinstance(value, str):
            return AnyValue(array_value=ArrayValue(values=map(_any_value, value)))
        case _:
            return AnyValue(string_value=_text(str(value)))


def _text(text: str) -> str:
    """Return a text that can be encoded: a file's name may have bytes in it that are no text."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _delimited(tag: bytes, message: bytes) -> bytes:
    """Return an encoded message as a field of another one."""
    length, digits = len(message), []
    while length > 0x7F:
        digits.append(length & 0x7F | 0x80)
        length >>= 7
    return b"".join((tag, bytes((*digits, length)), message))
