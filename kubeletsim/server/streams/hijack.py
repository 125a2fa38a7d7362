"""Takes a connection away from the HTTP server, once it has read a request: from then on it is bytes.

aiohttp keeps the connection's place and hears of its end, but neither reads nor writes it any more. Counterpart: Go's
http.Hijacker.
"""

import asyncio
from contextlib import suppress

from aiohttp import web

READ_BYTES = 64 * 1024


class Hijacked(web.StreamResponse):
    """What a handler returns for a connection that has been taken: nothing is left to be said over HTTP."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write no head."""
        del request
        self.force_close()

    async def write_eof(self, data: bytes = b"") -> None:
        """Write no end."""
        del data


class Connection:
    """Two directions of bytes over a socket, TLS or not."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """Return some bytes; none at the end, however it came about."""
        with suppress(OSError):
            return await self._reader.read(READ_BYTES)
        return b""

    async def write(self, data: bytes) -> None:
        """Send bytes, no faster than they are taken.

        Raises:
            ConnectionError: nobody takes them any more.
        """
        if self._writer.is_closing():
            raise ConnectionResetError
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        """Let go of the socket; what was written still goes out."""
        self._writer.close()


def hijack(request: web.BaseRequest) -> Connection:
    """Take a request's connection.

    Raises:
        ConnectionError: the client has gone.
    """
    transport, former = request.transport, request.protocol
    if transport is None or transport.is_closing():
        raise ConnectionResetError
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=READ_BYTES)
    protocol = _Successor(reader, former, loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    transport.resume_reading()  # HTTP may have paused it behind the request
    return Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


class _Successor(asyncio.StreamReaderProtocol):
    """Takes a connection over; its end concerns the HTTP server, too."""

    def __init__(
        self, reader: asyncio.StreamReader, former: asyncio.BaseProtocol, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(reader, loop=loop)
        self._former = former

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._former.connection_lost(exc)
