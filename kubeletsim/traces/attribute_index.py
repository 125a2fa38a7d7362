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
_KEY_FIELD, _VALUE_FIELD, _STRING_FIELD, _NUMBER_FIELD, _ONE_BYTE_LENGTHS = 0x0A, 0x12, 0x0A, 0x18, 0x80
_PLAIN_TEXT = [bytes((_VALUE_FIELD, length, _STRING_FIELD, max(0, length - 2))) for length in range(_ONE_BYTE_LENGTHS)]
"""What stands before a text in a value of so many bytes."""
_SMALL_NUMBER = bytes((_VALUE_FIELD, 3, _NUMBER_FIELD))
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
    joined = _BETWEEN.join(texts_in(encoded, value_at))
    # A zero byte within a text would let a pattern end there that does not.
    return _BETWEEN + joined + _BETWEEN if joined.count(_BETWEEN) == len(encoded) - 1 else b""


def texts_in(encoded: Iterable[bytes], value_at: int) -> list[bytes]:
    """Return the texts of the values of encoded KeyValues, as the index has them.

    Texts of up to 125 bytes and small numbers are read off the bytes, as protobuf libraries encode them: a busy store
    has a third of a million of them to read in a second.

    Args:
        encoded: the KeyValues.
        value_at: where their key ends.
    """
    texts: list[bytes] = []
    found, lengths, plain, small = texts.append, len, _PLAIN_TEXT, _SMALL_NUMBER
    for one in encoded:
        length = lengths(one) - value_at - 2
        if 2 <= length < _ONE_BYTE_LENGTHS and one.startswith(plain[length], value_at):
            found(one[value_at + 4 :])
        elif length == 3 and one.startswith(small, value_at) and one[-2] >= 0x80 > one[-1]:  # two bytes of seven bits
            found(b"%d" % (one[-2] - 0x80 + (one[-1] << 7)))
        else:
            found(_encoded(text_of(decode_value(KeyValue.FromString(one).value))))
    return texts


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogatepass")  # there are none in a store, and none will be found
