"""OTLP as seen from a distance: the same bytes, but only what is indexed is taken apart.

Protobuf does not mind if a message is read with another description, as long as field numbers and wire types agree. In
this one statuses and attributes are bytes, and scopes, events and links are not there, so reading a request costs a
quarter, and equal attributes are equal bytes. What is read so was decoded once in full before: see `batch`. Pure.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol, cast

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

_PACKAGE = "kubeletsim.traces.wire"
_BYTES, _TEXT, _TIME = (
    FieldDescriptorProto.TYPE_BYTES,
    FieldDescriptorProto.TYPE_STRING,
    FieldDescriptorProto.TYPE_FIXED64,
)
_Field = tuple[str, int, "FieldDescriptorProto.Type.ValueType | str", bool]
_MESSAGES: dict[str, Sequence[_Field]] = {
    "Span": (
        ("trace_id", 1, _BYTES, False),
        ("span_id", 2, _BYTES, False),
        ("parent_span_id", 4, _BYTES, False),
        ("name", 5, _TEXT, False),
        ("start_time_unix_nano", 7, _TIME, False),
        ("end_time_unix_nano", 8, _TIME, False),
        ("attributes", 9, _BYTES, True),
        ("status", 15, _BYTES, False),
    ),
    "ScopeSpans": (("spans", 2, "Span", True),),
    "Resource": (("attributes", 1, _BYTES, True),),
    "ResourceSpans": (("resource", 1, "Resource", False), ("scope_spans", 2, "ScopeSpans", True)),
    "Request": (("resource_spans", 1, "ResourceSpans", True),),
}


class WireSpan(Protocol):
    """A span: its columns, and its attributes as encoded KeyValues."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    start_time_unix_nano: int
    end_time_unix_nano: int
    attributes: Sequence[bytes]
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


class _Request(Protocol):
    resource_spans: Sequence[WireResourceSpans]


class _RequestClass(Protocol):
    def FromString(self, data: bytes) -> _Request: ...  # noqa: N802  protobuf's name


def read(payload: bytes) -> Sequence[WireResourceSpans]:
    """Read an encoded ExportTraceServiceRequest from a distance."""
    return _request_class().FromString(payload).resource_spans


@lru_cache(maxsize=1)  # a class, made of constants; making it takes a millisecond that not every command wants to pay
def _request_class() -> _RequestClass:
    file = FileDescriptorProto(name="kubeletsim/traces/wire.proto", package=_PACKAGE, syntax="proto3")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind, repeated in fields:
            field = described.field.add(name=name, number=number)
            field.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = kind
    pool = DescriptorPool()  # of its own: the default one belongs to everybody
    pool.Add(file)
    return cast(_RequestClass, GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Request")))
