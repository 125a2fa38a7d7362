"""This module is the server's side of a SPDY connection: streams over one link, which is a socket or a WebSocket.

There is no flow control in Kubernetes' SPDY, so a stream that nobody reads holds up its whole connection. Counterpart:
github.com/moby/spdystream/connection.go.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from kubeletsim.base import spdy
from runtime_stub.pipe import Pipe

log = logging.getLogger(__name__)

MAX_OPEN_STREAMS = 1000
LINGER_SECONDS = 2.0
"""How long the client may take to read what is left; a socket closed earlier could lose it."""

_CHUNK_BYTES = 32 * 1024


class Link(Protocol):
    """Bytes in both directions."""

    async def read(self) -> bytes:
        """Return some bytes; none at the end."""

    async def write(self, data: bytes) -> None:
        """Send bytes, and wait until the other side keeps up; without effect once the link is lost."""

    async def write_end(self) -> None:
        """Say that there will be no more."""


class SpdyStream:
    """One stream that a client opened."""

    def __init__(self, connection: "SpdyConnection", opened: spdy.SynStream) -> None:
        self._connection = connection
        self.id = opened.stream_id
        self.headers = dict(opened.headers)
        """With lower-case names; of a name's several values the last."""
        self.received = Pipe()
        self.ended_there = opened.fin
        self.ended_here = opened.unidirectional
        if opened.fin:
            self.received.end()

    async def read(self) -> bytes:
        """Return what the client sent; nothing at the end, also when it has given the stream up."""
        return await self.received.read()

    async def write(self, data: bytes) -> None:
        """Send bytes; without effect after the end."""
        for start in range(0, len(data), _CHUNK_BYTES):
            if not self.ended_here:
                await self._connection.send(spdy.Data(self.id, data[start : start + _CHUNK_BYTES]))

    async def end(self, data: bytes = b"") -> None:
        """Send the last bytes."""
        await self.write(data)
        if not self.ended_here:
            self.ended_here = True
            await self._connection.send(spdy.Data(self.id, b"", fin=True))
            self._connection.forget_ended(self)

    async def reset(self, status: spdy.ResetStatus = spdy.ResetStatus.CANCEL) -> None:
        """Give the stream up, in both directions."""
        if not (self.ended_here and self.ended_there):
            self.given_up()
            await self._connection.send(spdy.RstStream(self.id, status))
            self._connection.forget_ended(self)

    def given_up(self) -> None:
        """Note that nothing more goes either way."""
        self.ended_here = self.ended_there = True
        self.received.end()


class SpdyConnection:
    """All streams of one link.

    Args:
        link: where frames come from and go to.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._encoder = spdy.Encoder()
        self._decoder = spdy.Decoder()
        self._streams: dict[int, SpdyStream] = {}
        self._last_id = 0
        self._opened: asyncio.Queue[SpdyStream] = asyncio.Queue()
        self._over = asyncio.Event()

    async def run(self) -> None:
        """Receive frames until the link ends or brings something that is not SPDY."""
        try:
            while received := await self._link.read():
                for frame in self._decoder.feed(received):
                    if isinstance(frame, spdy.Fault):
                        log.info("stream connection closed: %s", frame.why)
                        await self.send(spdy.GoAway(self._last_id, spdy.ResetStatus.PROTOCOL_ERROR))
                        return
                    await self._handle(frame)
        finally:
            self._over.set()
            for stream in list(self._streams.values()):
                stream.given_up()

    async def accept(self) -> SpdyStream:
        """Return the next stream that the client opens; it has been accepted."""
        return await self._opened.get()

    async def close(self) -> None:
        """Say goodbye, and wait a little for the client to leave."""
        await self.send(spdy.GoAway(self._last_id))
        await self._link.write_end()
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await self._over.wait()

    async def send(self, frame: spdy.Frame) -> None:
        """Send a frame."""
        await self._link.write(self._encoder.encode(frame))

    def forget_ended(self, stream: SpdyStream) -> None:
        """Let go of a stream that has ended in both directions."""
        if stream.ended_here and stream.ended_there:
            self._streams.pop(stream.id, None)

    async def _handle(self, frame: spdy.Frame) -> None:
        match frame:
            case spdy.SynStream():
                await self._open(frame)
            case spdy.Data(stream_id, data, fin):
                await self._receive(stream_id, data, fin=fin)
            case spdy.MoreHeaders(stream_id, _, fin):
                await self._receive(stream_id, b"", fin=fin)
            case spdy.RstStream(stream_id):
                if (stream := self._streams.pop(stream_id, None)) is not None:
                    stream.given_up()
            case spdy.Ping(ping_id):
                if ping_id % 2:  # even ones would be answers to our own
                    await self.send(frame)
            case spdy.SynReply() | spdy.Settings() | spdy.GoAway() | spdy.WindowUpdate():
                pass

    async def _open(self, frame: spdy.SynStream) -> None:
        id_ = frame.stream_id
        if id_ % 2 == 0 or id_ <= self._last_id:
            await self.send(spdy.RstStream(id_, spdy.ResetStatus.PROTOCOL_ERROR))
            return
        self._last_id = id_
        if len(self._streams) >= MAX_OPEN_STREAMS:
            await self.send(spdy.RstStream(id_, spdy.ResetStatus.REFUSED_STREAM))
            return
        stream = SpdyStream(self, frame)
        self._streams[id_] = stream
        await self.send(spdy.SynReply(id_))
        self._opened.put_nowait(stream)

    async def _receive(self, stream_id: int, data: bytes, *, fin: bool) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            if stream_id > self._last_id:
                await self.send(spdy.RstStream(stream_id, spdy.ResetStatus.INVALID_STREAM))
            return  # to a stream that has just ended: on its way before the client knew
        await stream.received.put(data)
        if fin:
            stream.ended_there = True
            stream.received.end()
            self.forget_ended(stream)
