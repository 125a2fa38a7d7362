"""The client's side of a SPDY connection to the runtime: streams that are opened here and written to, and their bytes.

Upstream: the executor of client-go's tools/remotecommand, as the kubelet uses it.
"""

from collections.abc import AsyncGenerator

from kubeletsim.base import spdy
from kubeletsim.server.streams.hijack import Connection

MAX_DATA_BYTES = 32 * 1024
"""How much goes into a frame, as Go's copies do."""


class SpdyStreams:
    """The streams of a connection after its 101."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._encoder = spdy.Encoder()
        self._decoder = spdy.Decoder()
        self._next_id = 1

    async def open(self, kind: str) -> int:
        """Open a stream of a `streamType` and return its id.

        Raises:
            ConnectionError: the runtime has gone.
        """
        stream_id, self._next_id = self._next_id, self._next_id + 2
        await self._send(spdy.SynStream(stream_id, (("streamtype", kind),)))
        return stream_id

    async def write(self, stream_id: int, data: bytes) -> None:
        """Send bytes on a stream.

        Raises:
            ConnectionError: the runtime has gone.
        """
        for at in range(0, len(data), MAX_DATA_BYTES):
            await self._send(spdy.Data(stream_id, data[at : at + MAX_DATA_BYTES]))

    async def end(self, stream_id: int) -> None:
        """Say that nothing more comes on a stream.

        Raises:
            ConnectionError: the runtime has gone.
        """
        await self._send(spdy.Data(stream_id, b"", fin=True))

    async def received(self) -> AsyncGenerator[tuple[int, bytes, bool], None]:
        """Yield what streams bring, and whether that was their last, until the runtime has gone.

        Raises:
            ConnectionError: the runtime has gone while it was answered.
        """
        while data := await self._connection.read():
            for frame in self._decoder.feed(data):
                match frame:
                    case spdy.Data(stream_id, piece, fin):
                        yield stream_id, piece, fin
                    case spdy.RstStream(stream_id):
                        yield stream_id, b"", True
                    case spdy.SynReply(stream_id, _, True):
                        yield stream_id, b"", True
                    case spdy.Ping():
                        await self._send(frame)
                    case spdy.Fault():
                        return

    async def _send(self, frame: spdy.Frame) -> None:
        await self._connection.write(self._encoder.encode(frame))
