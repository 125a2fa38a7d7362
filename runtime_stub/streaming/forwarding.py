"""This module is port forwarding: connections from a client to what listens inside a pod, over SPDY or WebSocket.

Over SPDY each connection is a pair of streams with the same `requestID`, one for data, one for what went wrong. Over
WebSocket each port is one connection on two channels. Upstream: cri-streaming's portforward/httpstream.go and
websocket.go; the connection itself is containerd's internal/cri/server/sandbox_portforward_linux.go.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from kubeletsim.base import spdy
from runtime_stub.network.carrying import carry
from runtime_stub.network.stream import End
from runtime_stub.pipe import Pipe, until_either
from runtime_stub.streaming.connection import SpdyConnection, SpdyStream
from runtime_stub.streaming.remote_websocket import Channels

log = logging.getLogger(__name__)

PROTOCOL = "portforward.k8s.io"
PAIR_SECONDS = 30.0
MAX_PORT = 65_535

Dial = Callable[[int], End | str]
"""Connect to a port of the pod; what went wrong otherwise."""


async def serve_pairs(connection: SpdyConnection, dial: Dial) -> None:
    """Serve a client's connections until it is cancelled."""
    pairs = _Pairs(dial)
    async with asyncio.TaskGroup() as tasks:
        while True:
            stream = await connection.accept()
            if (port := _port(stream)) is None:
                await stream.reset(spdy.ResetStatus.PROTOCOL_ERROR)
            else:
                tasks.create_task(pairs.take(stream, port), name=f"runtime-stub/stream/forward/{port}")


async def serve_channels(channels: Channels, ports: Sequence[int], dial: Dial) -> None:
    """Serve one connection for each port until all have ended or the client goes."""
    pipes = [Pipe() for _ in ports]
    await until_either(_serve_ports(channels, ports, pipes, dial), _distribute(channels, pipes), name="forward")


async def _serve_ports(channels: Channels, ports: Sequence[int], pipes: Sequence[Pipe], dial: Dial) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number, port in enumerate(ports):
            served = _serve_channel(channels, 2 * number, port, pipes[number], dial)
            tasks.create_task(served, name=f"runtime-stub/stream/forward/{port}")


async def _distribute(channels: Channels, pipes: Sequence[Pipe]) -> None:
    """Hand what the client sends to the connections it is for, until the client goes."""
    while (received := await channels.receive()) is not None:
        channel, data = received
        if channel % 2 == 0 and channel // 2 < len(pipes):
            await pipes[channel // 2].put(data)


class _Pairs:
    """The streams that wait for their partner."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self._waiting: dict[str, tuple[SpdyStream, asyncio.Future[SpdyStream]]] = {}

    async def take(self, stream: SpdyStream, port: int) -> None:
        """Serve a pair if this stream completes it; otherwise wait for the partner, who will serve it."""
        id_ = _request_id(stream)
        first, partner = self._waiting.get(id_, (None, None))
        if first is None or partner is None:
            await self._wait(id_, stream)
        elif first.headers["streamtype"] == stream.headers["streamtype"]:
            log.info("request %s has two streams of type %s", id_, stream.headers["streamtype"])
            await stream.reset(spdy.ResetStatus.PROTOCOL_ERROR)
        else:
            del self._waiting[id_]
            partner.set_result(stream)
            data, error = (first, stream) if first.headers["streamtype"] == "data" else (stream, first)
            await _serve_pair(data, error, port, self._dial)

    async def _wait(self, id_: str, stream: SpdyStream) -> None:
        partner: asyncio.Future[SpdyStream] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = stream, partner
        try:
            async with asyncio.timeout(PAIR_SECONDS):
                await partner
        except TimeoutError:
            del self._waiting[id_]
            text = f"request {id_}: no stream of the other type in {PAIR_SECONDS:g}s"
            await stream.end(text.encode() if stream.headers["streamtype"] == "error" else b"")
            await stream.reset()


async def _serve_pair(data: SpdyStream, error: SpdyStream, port: int, dial: Dial) -> None:
    connection = dial(port)
    if isinstance(connection, str):
        await error.end(connection.encode())
        await data.reset()
        return
    await carry(connection, _Client(data.read, data.write, data.end))
    await error.end()


async def _serve_channel(channels: Channels, channel: int, port: int, received: Pipe, dial: Dial) -> None:
    for one in (channel, channel + 1):
        await channels.send(one, port.to_bytes(2, "little"))
    connection = dial(port)
    if isinstance(connection, str):
        await channels.send(channel + 1, connection.encode())
        return

    async def write(data: bytes) -> None:
        await channels.send(channel, data)

    async def end() -> None:
        """Tell nobody: a channel has no end."""

    await carry(connection, _Client(received.read, write, end))


@dataclass(frozen=True, slots=True)
class _Client:
    """The far side of a connection (`network.carrying.FarSide`)."""

    read: Callable[[], Awaitable[bytes]]
    write: Callable[[bytes], Awaitable[None]]
    end: Callable[[], Awaitable[None]]


def _port(stream: SpdyStream) -> int | None:
    """Return the port that a stream is for; None when it does not say what it needs."""
    port = stream.headers.get("port", "")
    if stream.headers.get("streamtype") not in ("data", "error") or not (port.isascii() and port.isdecimal()):
        return None
    return int(port) if len(port) <= 5 and 0 < int(port) <= MAX_PORT else None


def _request_id(stream: SpdyStream) -> str:
    """Return what both streams of a pair have in common; older clients only open the data stream right after."""
    ids = {"error": stream.id, "data": stream.id - 2}
    return stream.headers.get("requestid") or f"stream {ids[stream.headers['streamtype']]}"
