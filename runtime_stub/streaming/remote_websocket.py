"""This module is exec and attach over WebSocket: messages whose first byte names a channel.

Version 5 can end a channel: byte 255, then the channel. containerd's server stops at version 4, and client-go offers
nothing but 5; so this is where the stub does more than the original. Upstream: cri-streaming's remotecommand/
websocket.go and wsstream/conn.go, client-go's tools/remotecommand/websocket.go.
"""

import base64
import binascii
from contextlib import suppress
from dataclasses import dataclass

from aiohttp import WSMessage, WSMsgType, web

from runtime_stub.pipe import Pipe
from runtime_stub.shell.program import Stream
from runtime_stub.streaming.links import Idleness
from runtime_stub.streaming.outcome import Outcome, status_bytes
from runtime_stub.streaming.tickets import Streams

STDIN, STDOUT, STDERR, ERROR, RESIZE = range(5)
CLOSE = 255
FIRST_CLOSING_VERSION = 5

_CHUNK_BYTES = 32 * 1024
_CHANNELS: dict[Stream, int] = {"stdout": STDOUT, "stderr": STDERR}


@dataclass(frozen=True, slots=True)
class Protocol:
    """A sub-protocol's form of messages."""

    version: int
    is_base64: bool = False


PROTOCOLS = {
    "": Protocol(1),
    "channel.k8s.io": Protocol(1),
    "base64.channel.k8s.io": Protocol(1, is_base64=True),
    "v4.channel.k8s.io": Protocol(4),
    "v4.base64.channel.k8s.io": Protocol(4, is_base64=True),
    "v5.channel.k8s.io": Protocol(5),
}


class Channels:
    """Messages that begin with a channel's number, over one WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, protocol: Protocol, idleness: Idleness) -> None:
        self._socket = socket
        self._idleness = idleness
        self.protocol = protocol

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next message's channel and data; None when the client has gone. What names no channel is lost."""
        while True:
            message: WSMessage = await self._socket.receive()
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return None
            self._idleness.touch()
            data = message.data.encode() if isinstance(message.data, str) else message.data
            if (split := self._split(data)) is not None:
                return split

    async def send(self, channel: int, data: bytes) -> None:
        """Send data on a channel; without effect once the client has gone, which whoever receives will notice."""
        self._idleness.touch()
        for start in range(0, max(len(data), 1), _CHUNK_BYTES):
            chunk = data[start : start + _CHUNK_BYTES]
            with suppress(ConnectionError):
                if self.protocol.is_base64:
                    await self._socket.send_str(f"{channel}{base64.b64encode(chunk).decode()}")
                else:
                    await self._socket.send_bytes(bytes((channel,)) + chunk)

    async def close(self) -> None:
        """Say goodbye."""
        with suppress(ConnectionError):
            await self._socket.close()

    def _split(self, message: bytes) -> tuple[int, bytes] | None:
        if not message:
            return None
        if not self.protocol.is_base64:
            return message[0], message[1:]
        try:
            return message[0] - ord("0"), base64.b64decode(message[1:], validate=True)
        except binascii.Error:
            return None


class WebSocketRemote:
    """A client that takes part over channels."""

    def __init__(self, channels: Channels, wanted: Streams) -> None:
        self._channels = channels
        self._wanted = {"stdout": wanted.stdout, "stderr": wanted.stderr}
        self._pipes = {STDIN: Pipe(), RESIZE: Pipe()}
        if not wanted.stdin:
            self._pipes[STDIN].end()

    async def run(self) -> None:
        """Receive until the client goes."""
        try:
            while (received := await self._channels.receive()) is not None:
                channel, data = received
                if channel == CLOSE and self._channels.protocol.version >= FIRST_CLOSING_VERSION:
                    if data and (pipe := self._pipes.get(data[0])) is not None:
                        pipe.end()
                elif (pipe := self._pipes.get(channel)) is not None:
                    await pipe.put(data)
        finally:
            for pipe in self._pipes.values():
                pipe.end()

    async def greet(self) -> None:
        """Tell the client that all is ready: an empty message on the lowest channel that is written."""
        lowest = next((_CHANNELS[name] for name in _CHANNELS if self._wanted[name]), ERROR)
        await self._channels.send(lowest, b"")

    async def read_stdin(self) -> bytes:
        """Return what was typed."""
        return await self._pipes[STDIN].read()

    async def read_resize(self) -> bytes:
        """Return some of the stream of terminal sizes."""
        return await self._pipes[RESIZE].read()

    async def write(self, stream: Stream, data: bytes) -> None:
        """Show output."""
        if self._wanted[stream] and data:
            await self._channels.send(_CHANNELS[stream], data)

    async def finish(self, outcome: Outcome) -> None:
        """Tell the end, and take leave."""
        if status := status_bytes(outcome, version=self._channels.protocol.version):
            await self._channels.send(ERROR, status)
        await self._channels.close()
