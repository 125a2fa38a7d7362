"""A connection keeps its streams apart and survives every client."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubeletsim.base import spdy
from runtime_stub.pipe import MAX_WAITING_BYTES
from runtime_stub.streaming import connection
from runtime_stub.streaming.connection import SpdyConnection
from tests.base.spdy.test_frames import FRAMES


class Link:
    """A link whose other side has said everything already."""

    def __init__(self, *received: bytes) -> None:
        self._received = list(received)
        self.sent = b""

    async def read(self) -> bytes:
        """Return what comes next."""
        return self._received.pop(0) if self._received else b""

    async def write(self, data: bytes) -> None:
        """Remember what is sent."""
        self.sent += data

    async def write_end(self) -> None:
        """Note nothing."""

    def frames(self) -> list[spdy.Frame | spdy.Fault]:
        """Return what was sent."""
        return spdy.Decoder().feed(self.sent)


def wire(*frames: spdy.Frame) -> bytes:
    encoder = spdy.Encoder()
    return b"".join(encoder.encode(frame) for frame in frames)


@settings(deadline=None)
@given(frames=st.lists(FRAMES, max_size=12), junk=st.binary(max_size=40))
def test_no_client_brings_a_connection_down(frames: list[spdy.Frame], junk: bytes) -> None:
    link = Link(wire(*frames), junk)

    asyncio.run(SpdyConnection(link).run())

    assert not any(isinstance(frame, spdy.Fault) for frame in link.frames())


async def test_streams_are_answered_once_and_ids_only_grow() -> None:
    link = Link(wire(spdy.SynStream(5), spdy.SynStream(5), spdy.SynStream(3), spdy.SynStream(7)))
    await SpdyConnection(link).run()

    refused = spdy.ResetStatus.PROTOCOL_ERROR
    assert link.frames() == [
        spdy.SynReply(5),
        spdy.RstStream(5, refused),
        spdy.RstStream(3, refused),
        spdy.SynReply(7),
    ]


async def test_more_streams_than_anybody_needs_are_refused() -> None:
    ids = range(1, 2 * connection.MAX_OPEN_STREAMS + 2, 2)
    link = Link(wire(*(spdy.SynStream(id_) for id_ in ids)))
    await SpdyConnection(link).run()

    assert link.frames()[-1] == spdy.RstStream(ids[-1], spdy.ResetStatus.REFUSED_STREAM)


async def test_a_stream_that_nobody_reads_holds_its_connection_up() -> None:
    data = bytes(MAX_WAITING_BYTES + 1)
    link = Link(wire(spdy.SynStream(1), spdy.Data(1, data)), wire(spdy.Ping(1)))
    spdy_connection = SpdyConnection(link)
    running = asyncio.create_task(spdy_connection.run())
    stream = await spdy_connection.accept()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not running.done()

    assert await stream.read() == data
    await running
    assert await stream.read() == b""
    assert link.frames() == [spdy.SynReply(1), spdy.Ping(1)]


@pytest.mark.looptime
async def test_a_client_that_does_not_leave_is_not_waited_for_long() -> None:
    link = Link()
    await SpdyConnection(link).close()

    assert link.frames() == [spdy.GoAway(0)]
    assert asyncio.get_running_loop().time() == pytest.approx(connection.LINGER_SECONDS)
