"""Commands over WebSocket with `v5.channel.k8s.io`, which runtimes do not know: spoken here, and SPDY to the runtime.

The fifth version can end a client's input without ending the connection: byte 255, then the channel. Upstream:
staging/src/k8s.io/apiserver/pkg/util/proxy/streamtranslator.go, used by the kubelet since the gate
ExtendWebSocketsToKubelet.
"""

import asyncio
import json
import logging
from collections.abc import Iterable
from contextlib import suppress

from aiohttp import WSMsgType, web

from kubeletsim.server.streams.backend import SWITCHING_PROTOCOLS, Backend, BackendError, ask
from kubeletsim.server.streams.options import StreamOptions
from kubeletsim.server.streams.outcome import internal_error, translate
from kubeletsim.server.streams.spdy_client import SpdyStreams
from kubeletsim.server.streams.tunnel import MAX_MESSAGE_BYTES, PROTOCOL_VERSION

log = logging.getLogger(__name__)

V5 = "v5.channel.k8s.io"
SPDY_VERSIONS = (V5, "v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255


def wants_v5(offers: Iterable[str]) -> bool:
    """Tell by the values of the Sec-WebSocket-Protocol header whether a client can speak the fifth version."""
    return any(name.strip() == V5 for value in offers for name in value.split(","))


async def translated(request: web.BaseRequest, url: str, *, options: StreamOptions) -> web.StreamResponse:
    """Answer a WebSocket request with the streams of a command that the runtime runs; returns when they are over."""
    socket = web.WebSocketResponse(protocols=(V5,), max_msg_size=MAX_MESSAGE_BYTES)
    await socket.prepare(request)
    with suppress(ConnectionError):
        await socket.send_bytes(bytes([STDOUT if options.stdout else STDERR if options.stderr else ERROR]))
        try:
            status = await _take_part(socket, url, options)
        except BackendError as error:
            status = internal_error(str(error))
        text = json.dumps(status, separators=(",", ":"), ensure_ascii=False)
        await socket.send_bytes(bytes([ERROR]) + text.encode())
        await socket.close()
    return socket


async def _take_part(socket: web.WebSocketResponse, url: str, options: StreamOptions) -> dict[str, object]:
    """Carry what goes between client and runtime until the command has ended, and return how."""
    headers = [("Connection", "Upgrade"), ("Upgrade", "SPDY/3.1"), ("Content-Length", "0")]
    headers += [(PROTOCOL_VERSION, version) for version in SPDY_VERSIONS]
    async with ask(url, method="POST", host=url.split("/")[2], headers=headers) as backend:
        if backend.status != SWITCHING_PROTOCOLS:
            said = (await backend.refusal()).decode(errors="replace").strip()
            raise BackendError(f"unable to upgrade connection: {said}")
        session = await _Session.open(socket, backend, options)
        async with asyncio.TaskGroup() as tasks:
            typing = tasks.create_task(session.listen_to_client(), name="stream/to-runtime")
            running = tasks.create_task(session.listen_to_runtime(), name="stream/to-client")
            await asyncio.wait({typing, running}, return_when=asyncio.FIRST_COMPLETED)
            typing.cancel()
            running.cancel()  # the client has gone, or it is done
        return translate(session.said)


class _Session:
    """A command under way."""

    def __init__(self, socket: web.WebSocketResponse, streams: SpdyStreams) -> None:
        self._socket = socket
        self._streams = streams
        self._channels: dict[int, int] = {}
        self._ids: dict[int, int] = {}
        self.said = b""
        """What the error stream has brought."""

    @classmethod
    async def open(cls, socket: web.WebSocketResponse, backend: Backend, options: StreamOptions) -> "_Session":
        """Open the streams that are wanted, the one for errors first."""
        session = cls(socket, SpdyStreams(backend.connection))
        wanted = (
            (ERROR, "error", True),
            (STDIN, "stdin", options.stdin),
            (STDOUT, "stdout", options.stdout),
            (STDERR, "stderr", options.stderr),
            (RESIZE, "resize", options.tty),
        )
        for channel, kind, is_wanted in wanted:
            if is_wanted:
                stream_id = await session._streams.open(kind)
                session._channels[stream_id], session._ids[channel] = channel, stream_id
        return session

    async def listen_to_client(self) -> None:
        """Pass on what the client types, until it goes."""
        with suppress(ConnectionError):
            async for message in self._socket:
                if message.type is WSMsgType.BINARY and message.data:
                    await self._pass_on(message.data[0], bytes(message.data[1:]))

    async def _pass_on(self, channel: int, data: bytes) -> None:
        if channel == CLOSE:
            if data[:1] == bytes([STDIN]) and STDIN in self._ids:
                await self._streams.end(self._ids[STDIN])
        elif channel in (STDIN, RESIZE) and channel in self._ids:
            await self._streams.write(self._ids[channel], data)

    async def listen_to_runtime(self) -> None:
        """Pass on what the command writes, until it has ended and said how."""
        left = {self._ids[channel] for channel in (ERROR, STDOUT, STDERR) if channel in self._ids}
        with suppress(ConnectionError):
            async for stream_id, data, is_last in self._streams.received():
                channel = self._channels.get(stream_id)
                if channel == ERROR:
                    self.said += data
                elif channel in (STDOUT, STDERR) and data:
                    await self._socket.send_bytes(bytes([channel]) + data)
                left -= {stream_id} if is_last else set()
                if not left:
                    return
