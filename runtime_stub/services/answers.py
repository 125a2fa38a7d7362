"""This module is the shape of answers: lists put together from parts that are encoded once, JSON for verbose info."""

import time
from base64 import b64encode
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message


class Identified(Protocol):
    """A record."""

    @property
    def id(self) -> str:
        """Its id."""


T = TypeVar("T", bound=Identified)
ItemT = TypeVar("ItemT")
ChunkT = TypeVar("ChunkT")

CHUNK_SIZE = 5000
"""Items in one message of a streamed list, as in containerd."""

_FIELD_1_TAG = b"\x0a"
"""The wire tag of field 1, length-delimited: every CRI list answer has its items there."""


class Listing(Generic[T]):
    """Encoder of a list answer.

    The encoding of a message with one repeated field is the encodings of its items, each behind a tag and a length. So
    each record is turned into bytes once, and a list of ten thousand is a join. A record that has changed is another
    object, which is how an outdated encoding is known.
    """

    def __init__(self, view: Callable[[T], Message]) -> None:
        self._view = view
        self._encoded: dict[str, tuple[T, bytes]] = {}

    def wire_form(self, records: Iterable[T], *, total: int) -> bytes:
        """Return the encoded answer that lists some records, out of so many that exist."""
        self._forget_most(total=total)
        return b"".join([self._known(record) for record in records])

    def learn(self, record: T, *, total: int) -> None:
        """Turn a record into bytes ahead of the next list, which then has less to do."""
        self._forget_most(total=total)
        self._known(record)

    def _forget_most(self, *, total: int) -> None:
        if len(self._encoded) > 2 * total + 1000:
            self._encoded.clear()  # most are encodings of records that are gone

    def _known(self, record: T) -> bytes:
        known = self._encoded.get(record.id)
        if known is None or known[0] is not record:
            known = self._encoded[record.id] = (record, self._encode(record))
        return known[1]

    def _encode(self, record: T) -> bytes:
        item = self._view(record).SerializeToString()
        return b"".join((_FIELD_1_TAG, _varint(len(item)), item))


class Chunks(Generic[ItemT, ChunkT]):
    """A list streamed in pieces, none of them empty; no item comes twice, and an empty list is no message at all.

    The items are looked at as the client reads, so a slow one costs no memory.
    """

    def __init__(
        self, items: Iterable[ItemT], chunk: Callable[[list[ItemT]], ChunkT], *, size: int = CHUNK_SIZE
    ) -> None:
        self._items = iter(items)
        self._chunk = chunk
        self._size = size

    def __aiter__(self) -> "Chunks[ItemT, ChunkT]":
        return self

    async def __anext__(self) -> ChunkT:
        """Return the next piece."""
        if items := list(islice(self._items, self._size)):
            return self._chunk(items)
        raise StopAsyncIteration

    def close(self) -> None:
        """Let go of the list."""
        self._items = iter(())


def message_json(message: Message) -> dict[str, Any]:
    """Return a message as Go's encoding/json shows it: the .proto file's names, numbers and enums as numbers.

    What is not set is left out.
    """
    return {field.name: _field_json(field, value) for field, value in message.ListFields()}


def _field_json(field: FieldDescriptor, value: Any) -> Any:
    if field.is_repeated:
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            kind = entry.fields_by_name["value"]
            return {str(key): _value_json(kind, value[key]) for key in sorted(value)}
        return [_value_json(field, one) for one in value]
    return _value_json(field, value)


def _value_json(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return message_json(value)
    return b64encode(value).decode() if isinstance(value, bytes) else value


def rfc3339(at: int) -> str:
    """Return Unix nanoseconds as Go's time.RFC3339 in UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at // 1_000_000_000))


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
