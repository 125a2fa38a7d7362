"""The attribute index: which batches can hold an attribute, without a row for each span. Pure.

Of a key with few values in a batch every value is listed once for the whole store. Of a key with many (ids, sizes), or
long ones, the texts stand in one piece, each between two zero bytes: whether a value or the longest part of a pattern
is among two thousand is then one search for bytes, which takes less time than reading them. A candidate is looked into
before it counts, so the index may say yes too often but never no.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from kubeletsim.traces.filters import text_of
from kubeletsim.traces.otlp import decode_value

_MOST_LISTED_VALUES = 64
_LONGEST_LISTED_BYTES = 256
_MOST_JOINED_BYTES = 1 << 20
"""Of a key in a batch; whoever sends more than that has them looked for in the spans."""
_KEY_FIELD, _VALUE_FIELD, _STRING_FIELD, _ONE_BYTE_LENGTHS = 0x0A, 0x12, 0x0A, 0x80
_WILD = re.compile("[*?]+")
_BETWEEN = b"\0"
_ANY_CHARACTER = rb"[^\0\x80-\xbf][\x80-\xbf]*"  # of UTF-8


@dataclass(frozen=True, slots=True)
class AttributeIndex:
    """What is kept of the attributes of a batch."""

    listed: list[bytes] = field(default_factory=list)
    """Encoded KeyValues to be listed by key and text."""
    joined: dict[str, bytes] = field(default_factory=dict)
    """Texts by key, each between two zero bytes; nothing means that anything can be there."""


def index_attributes(encoded: Iterable[bytes]) -> AttributeIndex:
    """Sort the different attributes of a batch into those to list and those to join."""
    index = AttributeIndex()
    by_key: dict[bytes, list[bytes]] = {}
    for one in encoded:  # in line, for every different attribute of every span comes by here
        end = one[1] + 2 if len(one) > 1 and one[0] == _KEY_FIELD and one[1] < _ONE_BYTE_LENGTHS else 0
        plain = end == len(one) or (0 < end < len(one) and one[end] == _VALUE_FIELD)
        key = one[2:end] if plain else b""
        if (pairs := by_key.get(key)) is None:
            by_key[key] = [one]
        else:
            pairs.append(one)
    for one in by_key.pop(b"", ()):  # encoded in another way than protobuf libraries do, or a very long key
        index.joined[KeyValue.FromString(one).key] = b""
    for key, pairs in by_key.items():
        many = pairs
        if len(pairs) <= _MOST_LISTED_VALUES:
            many = [one for one in pairs if len(one) > _LONGEST_LISTED_BYTES]
            index.listed.extend(one for one in pairs if len(one) <= _LONGEST_LISTED_BYTES)
        if many and (name := key.decode()) not in index.joined:
            index.joined[name] = _joined(many, len(key) + 2)
    return index


class Pattern:
    """What is looked for: a text with `*` and `?` for what is not known."""

    def __init__(self, text: str) -> None:
        self._needle = needle_of(text)
        # Where there is but one piece, the needle is all there is to know.
        self._whole = _whole(text) if len([piece for piece in _WILD.split(text) if piece]) > 1 else None

    def can_be_in(self, joined: bytes) -> bool:
        """Tell whether something that matches can be among joined texts."""
        if not joined:
            return True
        return self._needle in joined and (self._whole is None or self._whole.search(joined) is not None)


def _whole(pattern: str) -> re.Pattern[bytes]:
    pieces = [_ANY_CHARACTER.join(re.escape(_encoded(one)) for one in piece.split("?")) for piece in pattern.split("*")]
    within = b"".join(b"(?>[^\\0]*?%b)" % piece for piece in pieces[1:-1] if piece)
    last = b"[^\\0]*" + pieces[-1] if len(pieces) > 1 else b""
    return re.compile(b"(?<=\\0)" + pieces[0] + within + last + b"\\0")


def needle_of(pattern: str) -> bytes:
    """Return the longest piece that whatever matches a pattern has; empty when that can be anything."""
    first, *others = _WILD.split(pattern)
    pieces = [_encoded(first), *map(_encoded, others)]
    if pieces[0] or not others:
        pieces[0] = _BETWEEN + pieces[0]
    if pieces[-1] or not others:
        pieces[-1] += _BETWEEN
    return max(pieces, key=len)


def _joined(encoded: Sequence[bytes], value_at: int) -> bytes:
    if sum(map(len, encoded)) > _MOST_JOINED_BYTES:
        return b""
    joined = _BETWEEN.join([text_in(one, value_at) for one in encoded])
    # A zero byte within a text would let a pattern end there that does not.
    return _BETWEEN + joined + _BETWEEN if joined.count(_BETWEEN) == len(encoded) - 1 else b""


def text_in(encoded: bytes, value_at: int) -> bytes:
    """Return the text of an encoded KeyValue's value, as the index has it.

    Args:
        encoded: the KeyValue.
        value_at: where its key ends.
    """
    length = len(encoded) - value_at - 2
    # A text of up to 125 bytes, as protobuf libraries encode it, stands there as it is.
    plain = bytes((_VALUE_FIELD, length, _STRING_FIELD, length - 2)) if 2 <= length < _ONE_BYTE_LENGTHS else b""
    if plain and encoded[value_at : value_at + 4] == plain:
        return encoded[value_at + 4 :]
    return _encoded(text_of(decode_value(KeyValue.FromString(encoded).value)))


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # there are none in a store, and none will be found
