"""This module is SPDY's header block: names and values, compressed by zlib with a dictionary both sides know.

A connection has one compression context in each direction, so blocks must be handled in the order of their frames,
including those nobody is interested in; after a fault the context is of no more use. Specification: SPDY protocol
draft 3.1, section 2.6.10.
"""

import struct
import zlib
from collections.abc import Iterable

Headers = tuple[tuple[str, str], ...]
"""Names in lower case; a name with several values appears several times."""

MAX_BLOCK_BYTES = 64 * 1024
"""How long a block may be when it is unpacked. Kubernetes' have some hundred bytes."""

_COUNTED = """
    options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow
    authorization cache-control connection content-base content-encoding content-language content-length
    content-location content-md5 content-range content-type date etag expect expires from host if-match
    if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma
    proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade
    user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie
    keep-alive origin
"""
_UNCOUNTED = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _dictionary() -> bytes:
    """Return the dictionary: common names and values, each behind its length, then fragments one after the other."""
    words = (word.replace("_", " ").encode() for word in _COUNTED.split())
    return b"".join(struct.pack(">I", len(word)) + word for word in words) + _UNCOUNTED.encode()


DICTIONARY = _dictionary()


class HeaderFault(ValueError):
    """A block cannot be read."""


class HeaderCompressor:
    """The context of one direction, on the side that sends."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(zdict=DICTIONARY)

    def compress(self, headers: Iterable[tuple[str, str]]) -> bytes:
        """Return the block of some headers."""
        values: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            values.setdefault(name.lower().encode(), []).append(value.encode())
        parts = [struct.pack(">I", len(values))]
        for raw_name, raw_values in values.items():
            for text in (raw_name, b"\0".join(raw_values)):
                parts += (struct.pack(">I", len(text)), text)
        return self._zlib.compress(b"".join(parts)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class HeaderDecompressor:
    """The context of one direction, on the side that receives."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def decompress(self, block: bytes) -> Headers:
        """Return the headers of a block.

        Raises:
            HeaderFault: it is no block of headers, or unpacks to more than MAX_BLOCK_BYTES.
        """
        try:
            plain = self._zlib.decompress(block, MAX_BLOCK_BYTES + 1)
        except zlib.error as error:
            raise HeaderFault(f"header block cannot be unpacked: {error}") from error
        if len(plain) > MAX_BLOCK_BYTES or self._zlib.unconsumed_tail:
            raise HeaderFault(f"header block of more than {MAX_BLOCK_BYTES} bytes")
        return _headers(plain)


def _headers(plain: bytes) -> Headers:
    position = 0

    def number() -> int:
        nonlocal position
        if position + 4 > len(plain):
            raise HeaderFault("header block ends early")
        position += 4
        return int.from_bytes(plain[position - 4 : position])

    def text() -> str:
        nonlocal position
        length = number()
        if position + length > len(plain):
            raise HeaderFault("header block ends early")
        position += length
        return plain[position - length : position].decode("utf-8", "replace")

    headers = []
    for _ in range(number()):
        name, values = text(), text()
        headers += [(name.lower(), value) for value in values.split("\0")]
    return tuple(headers)
