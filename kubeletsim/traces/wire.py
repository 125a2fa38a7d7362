"""OTLP as seen from a distance: the same bytes, but only what is asked about is taken apart.

Protobuf does not mind if a message is read with another description, as long as field numbers and wire types agree.
There are two here. For the index, statuses, attributes and links are bytes, and scopes and events are not there, so
reading a request costs a quarter, and equal attributes are equal bytes. To draw, a span has all its fields, but what it
lists is bytes as well, resource and scope included, to be taken apart once for all that are equal. Fields without a
description are kept, so what is read so and written again has lost nothing. What is read so was decoded once in full
before: see `batch`. Pure.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, cast

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_BYTES, _TEXT, _TIME, _NUMBER, _FLAGS = (
    FieldDescriptorProto.TYPE_BYTES,
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_FIXED64,
    FieldDescriptorProto.TYPE_INT32,
    FieldDescriptorProto.TYPE_FIXED32,
)
_Field = tuple[str, int, "FieldDescriptorProto.Type.ValueType | str", bool]
_Messages = Mapping[str, Sequence[_Field]]
_INDEXED_SPAN: Sequence[_Field] = (
    ("trace_id", 1, _BYTES, False),
    ("span_id", 2, _BYTES, False),
    ("parent_span_id", 4, _BYTES, False),
    ("name", 5, _TEXT, False),
    ("start_time_unix_nano", 7, _TIME, False),
    ("end_time_unix_nano", 8, _TIME, False),
    ("attributes", 9, _BYTES, True),
    ("links", 13, _BYTES, True),
    ("status", 15, _BYTES, False),
)
_INDEXED: _Messages = {
    "Span": _INDEXED_SPAN,
    "ScopeSpans": (("spans", 2, "Span", True),),
    "Resource": (("attributes", 1, _BYTES, True),),
    "ResourceSpans": (("resource", 1, "Resource", False), ("scope_spans", 2, "ScopeSpans", True)),
    "Request": (("resource_spans", 1, "ResourceSpans", True),),
}
_DRAWN: _Messages = {
    "Span": (
        *_INDEXED_SPAN,
        ("trace_state", 3, _TEXT, False),
        ("kind", 6, _NUMBER, False),
        ("events", 11, _BYTES, True),
        ("flags", 16, _FLAGS, False),
    ),
    "ScopeSpans": (("scope", 1, _BYTES, False), ("spans", 2, "Span", True), ("schema_url", 3, _TEXT, False)),
    "ResourceSpans": (
        ("resource", 1, _BYTES, False),
        ("scope_spans", 2, "ScopeSpans", True),
        ("schema_url", 3, _TEXT, False),
    ),
    "Request": (("resource_spans", 1, "ResourceSpans", True),),
}


class WireSpan(Protocol):
    """A span: its columns, and its attributes and links, encoded."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    start_time_unix_nano: int
    end_time_unix_nano: int
    attributes: Sequence[bytes]
    links: Sequence[bytes]
    status: bytes


class WireScopeSpans(Protocol):
    """The spans of one scope; the scope itself is not read."""

    spans: Sequence[WireSpan]


class WireResource(Protocol):
    """A resource: its attributes as encoded KeyValues."""

    attributes: Sequence[bytes]


class WireResourceSpans(Protocol):
    """The spans of one resource."""

    resource: WireResource
    scope_spans: Sequence[WireScopeSpans]


class DrawnSpan(WireSpan, Protocol):
    """A span with all its fields; events are encoded as well."""

    trace_state: str
    kind: int
    events: Sequence[bytes]
    flags: int

    def SerializeToString(self) -> bytes: ...  # noqa: D102, N802  protobuf's name


class DrawnScopeSpans(Protocol):
    """The spans of one scope, which is encoded."""

    scope: bytes
    schema_url: str
    spans: Sequence[DrawnSpan]


class DrawnResourceSpans(Protocol):
    """The spans of one resource, which is encoded."""

    resource: bytes
    schema_url: str
    scope_spans: Sequence[DrawnScopeSpans]


def read(payload: bytes) -> Sequence[WireResourceSpans]:
    """Read an encoded ExportTraceServiceRequest for the index."""
    return cast(Sequence[WireResourceSpans], _indexed().FromString(payload).resource_spans)


def read_to_draw(payload: bytes) -> Sequence[DrawnResourceSpans]:
    """Read an encoded ExportTraceServiceRequest, to draw what is in it."""
    return cast(Sequence[DrawnResourceSpans], _drawn().FromString(payload).resource_spans)


# Classes, made of constants; making one takes a millisecond that not every command wants to pay.
@lru_cache(maxsize=1)
def _indexed() -> Any:
    return _request_class("indexed", _INDEXED)


@lru_cache(maxsize=1)
def _drawn() -> Any:
    return _request_class("drawn", _DRAWN)


def _request_class(name: str, messages: _Messages) -> Any:
    package = f"kubeletsim.traces.wire.{name}"
    # By the rules of proto2 an empty message differs from none, and that must not be lost either.
    file = FileDescriptorProto(name=f"kubeletsim/traces/wire/{name}.proto", package=package, syntax="proto2")
    for message, fields in messages.items():
        described = file.message_type.add(name=message)
        for field_name, number, kind, repeated in fields:
            field = described.field.add(name=field_name, number=number)
            field.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                field.type = kind
    pool = DescriptorPool()  # of its own: the default one belongs to everybody
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{package}.Request"))
