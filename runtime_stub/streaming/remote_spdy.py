"""This module is exec and attach over SPDY: which versions there are, and the streams a client opens for one.

Upstream: cri-streaming's remotecommand/httpstream.go.
"""

import asyncio
import logging

from kubeletsim.base import spdy
from runtime_stub.shell.program import Stream
from runtime_stub.streaming.connection import SpdyConnection, SpdyStream
from runtime_stub.streaming.outcome import Outcome, status_bytes
from runtime_stub.streaming.tickets import Streams

log = logging.getLogger(__name__)

VERSIONS = {"v4.channel.k8s.io": 4, "v3.channel.k8s.io": 3, "v2.channel.k8s.io": 2, "channel.k8s.io": 1}
STREAM_CREATION_SECONDS = 30.0
FIRST_RESIZE_VERSION = 3


class SpdyRemote:
    """A client with all the streams it asked for."""

    def __init__(self, connection: SpdyConnection, streams: dict[str, SpdyStream], *, version: int) -> None:
        self._connection = connection
        self._streams = streams
        self._version = version

    async def read_stdin(self) -> bytes:
        """Return what was typed."""
        return await self._read("stdin")

    async def read_resize(self) -> bytes:
        """Return some of the stream of terminal sizes."""
        return await self._read("resize")

    async def write(self, stream: Stream, data: bytes) -> None:
        """Show output."""
        if (found := self._streams.get(stream)) is not None:
            await found.write(data)

    async def finish(self, outcome: Outcome) -> None:
        """Tell the end, and take leave."""
        for name in ("stdout", "stderr"):
            if (found := self._streams.get(name)) is not None:
                await found.end()
        await self._streams["error"].end(status_bytes(outcome, version=self._version))
        await self._connection.close()

    async def _read(self, name: str) -> bytes:
        found = self._streams.get(name)
        return b"" if found is None else await found.read()


async def open_remote(connection: SpdyConnection, wanted: Streams, *, version: int) -> SpdyRemote | None:
    """Wait for the streams a client opens, in any order; None when they are not there in time."""
    names = _expected(wanted, version=version)
    streams: dict[str, SpdyStream] = {}
    try:
        async with asyncio.timeout(STREAM_CREATION_SECONDS):
            while not names <= streams.keys():
                stream = await connection.accept()
                name = stream.headers.get("streamtype", "")
                if name in names and name not in streams:
                    streams[name] = stream
                else:
                    log.info("stream of type %r is not expected", name)
                    await stream.reset(spdy.ResetStatus.PROTOCOL_ERROR)
    except TimeoutError:
        log.info("client opened %s of %s in %gs", sorted(streams), sorted(names), STREAM_CREATION_SECONDS)
        return None
    return SpdyRemote(connection, streams, version=version)


def _expected(wanted: Streams, *, version: int) -> set[str]:
    resizable = wanted.tty and version >= FIRST_RESIZE_VERSION
    flags = {"stdin": wanted.stdin, "stdout": wanted.stdout, "stderr": wanted.stderr, "resize": resizable}
    return {"error", *(name for name, is_wanted in flags.items() if is_wanted)}
