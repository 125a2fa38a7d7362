"""This module is the links that SPDY runs over: a socket taken over from HTTP, or a WebSocket's messages.

Each notes when something last went over it, as a link on which nothing happens for hours is closed. Upstream:
apimachinery's pkg/util/httpstream/spdy/upgrade.go and cri-streaming's tunnelled connections.
"""

import asyncio
from contextlib import suppress

from aiohttp import WSMsgType, web

READ_BYTES = 64 * 1024


class Idleness:
    """How long nothing has happened."""

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()

    def touch(self) -> None:
        """Note that something happens."""
        self._since = self._loop.time()

    async def last(self) -> None:
        """Wait until nothing has happened for too long."""
        remaining = self._limit_seconds
        while remaining > 0:
            await asyncio.sleep(remaining)
            remaining = self._since + self._limit_seconds - self._loop.time()


class SocketLink:
    """A connection's socket after 101.

    Args:
        request: the request that has been answered; the HTTP server hears of nothing but the connection's end any more.
        idleness: told of each transfer.
    """

    def __init__(self, request: web.BaseRequest, idleness: Idleness) -> None:
        transport, former = request.transport, request.protocol
        self._reader = asyncio.StreamReader(limit=READ_BYTES)
        if transport is None or transport.is_closing():
            self._reader.feed_eof()
            self._writer = None
            return
        loop = asyncio.get_running_loop()
        protocol = _Successor(self._reader, former, loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        transport.resume_reading()  # HTTP may have paused it behind the request
        self._writer = asyncio.StreamWriter(transport, protocol, self._reader, loop)
        self._idleness = idleness

    async def read(self) -> bytes:
        """Return some bytes; none at the end, however it came about."""
        with suppress(OSError):
            data = await self._reader.read(READ_BYTES)
            if data:
                self._idleness.touch()
            return data
        return b""

    async def write(self, data: bytes) -> None:
        """Send bytes; without effect once the connection is lost, which whoever reads will notice."""
        if self._writer is not None and not self._writer.is_closing():  # uvloop does not take it then
            self._idleness.touch()
            with suppress(ConnectionError):
                self._writer.write(data)
                await self._writer.drain()

    async def write_end(self) -> None:
        """Say that there will be no more."""
        if self._writer is not None and not self._writer.is_closing():
            if not self._writer.can_write_eof():  # TLS ends in both directions at once, after what was written
                self._writer.close()
                return
            with suppress(OSError):
                self._writer.write_eof()

    def close(self) -> None:
        """Let go of the socket."""
        if self._writer is not None:
            self._writer.close()


class TunnelLink:
    """SPDY inside a WebSocket's binary messages."""

    def __init__(self, socket: web.WebSocketResponse, idleness: Idleness) -> None:
        self._socket = socket
        self._idleness = idleness

    async def read(self) -> bytes:
        """Return a message; nothing at the end. Empty messages are passed over."""
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.BINARY:
                return b""
            self._idleness.touch()
            if message.data:
                return bytes(message.data)

    async def write(self, data: bytes) -> None:
        """Send a message; without effect once the client has gone."""
        self._idleness.touch()
        with suppress(ConnectionError):
            await self._socket.send_bytes(data)

    async def write_end(self) -> None:
        """Say goodbye."""
        with suppress(ConnectionError):
            await self._socket.close()


class _Successor(asyncio.StreamReaderProtocol):
    """Takes a connection over from HTTP; its end concerns both."""

    def __init__(
        self, reader: asyncio.StreamReader, former: asyncio.BaseProtocol, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(reader, loop=loop)
        self._former = former

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._former.connection_lost(exc)
