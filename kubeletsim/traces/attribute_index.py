"""The attribute index: which batches can hold an attribute, without a row for each span. Pure.

Of a key with few values in a batch every value is listed, so that patterns can be answered. Of a key with many (ids,
sizes) or long ones only hashes are kept, four bytes a value: enough to pass over a batch that an exact value is not in.
A candidate is looked into before it counts, so the index may say yes too often but never no.
"""

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from zlib import crc32

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

_MOST_LISTED_VALUES = 64
_LONGEST_LISTED_BYTES = 256
_KEY_FIELD, _VALUE_FIELD, _ONE_BYTE_LENGTHS = 0x0A, 0x12, 0x80
_INTEGER = re.compile(r"-?\d{1,19}")


@dataclass(frozen=True, slots=True)
class AttributeIndex:
    """What is kept of the attributes of a batch."""

    listed: list[bytes] = field(default_factory=list)
    """Encoded KeyValues to be listed by key and text."""
    hashed: "dict[str, array[int]]" = field(default_factory=dict)
    """Hashes of encoded KeyValues by key; none at all means that anything can be there."""


def index_attributes(encoded: Iterable[bytes]) -> AttributeIndex:
    """Sort the different attributes of a batch into those to list and those to hash."""
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
        index.hashed[KeyValue.FromString(one).key] = array("I")
    for key, pairs in by_key.items():
        hashed = pairs
        if len(pairs) <= _MOST_LISTED_VALUES:
            hashed = [one for one in pairs if len(one) > _LONGEST_LISTED_BYTES]
            index.listed.extend(one for one in pairs if len(one) <= _LONGEST_LISTED_BYTES)
        if hashed and (name := key.decode()) not in index.hashed:
            index.hashed[name] = array("I", map(crc32, hashed))
    return index


def hashes_of(key: str, value: str) -> set[int] | None:
    """Return the hashes of an attribute in every type whose text is this; None when only a look can tell."""
    if value == "nan" or any(special in value for special in "*?[{"):  # there are many bit patterns for "no number"
        return None
    values = [AnyValue(string_value=value)]
    if value in ("true", "false"):
        values.append(AnyValue(bool_value=value == "true"))
    if _INTEGER.fullmatch(value) and -(1 << 63) <= int(value) < 1 << 63:
        values.append(AnyValue(int_value=int(value)))
    if value == "null":
        values.append(AnyValue())
    values += [parsed for parsed in (_double(value), _bytes(value)) if parsed is not None]
    encoded = [KeyValue(key=key, value=one).SerializeToString() for one in values]
    if value == "null":
        encoded.append(KeyValue(key=key).SerializeToString())
    return {crc32(one) for one in encoded}


def has_hash(hashes: bytes, wanted: int) -> bool:
    """Tell whether a hash is among packed ones, without unpacking them."""
    needle = array("I", [wanted]).tobytes()
    at = hashes.find(needle)
    while at % len(needle) and at >= 0:  # found across two of them
        at = hashes.find(needle, at + 1)
    return at >= 0


def _double(text: str) -> AnyValue | None:
    try:
        return AnyValue(double_value=float(text)) if str(float(text)) == text else None
    except ValueError:
        return None


def _bytes(text: str) -> AnyValue | None:
    try:
        return AnyValue(bytes_value=bytes.fromhex(text)) if bytes.fromhex(text).hex() == text else None
    except ValueError:
        return None
