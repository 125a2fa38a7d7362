"""SPDY inside a WebSocket: the runtime gets plain SPDY, and its bytes travel to the client as binary messages.

Upstream: staging/src/k8s.io/apiserver/pkg/util/proxy/streamtunnel.go, which the kubelet uses since the gate
ExtendWebSocketsToKubelet.
"""

from contextlib import suppress

from aiohttp import WSMsgType, web

from kubeletsim.server.answers import NOSNIFF, unseen_text
from kubeletsim.server.streams.backend import SWITCHING_PROTOCOLS, BackendError, ask
from kubeletsim.server.streams.options import TUNNEL_PREFIX, WEBSOCKET_PROTOCOL, tunnelled_protocols
from kubeletsim.server.streams.proxy import failure, forwarded_headers, join, pairs

PROTOCOL_VERSION = "X-Stream-Protocol-Version"
MAX_MESSAGE_BYTES = 32 * 1024 * 1024


class MessageBytes:
    """The bytes of a WebSocket's binary messages."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        """Return a message; nothing at the end. Empty messages are passed over."""
        while True:
            message = await self._socket.receive()
            if message.type is not WSMsgType.BINARY:
                return b""
            if message.data:
                return bytes(message.data)

    async def write(self, data: bytes) -> None:
        """Send a message."""
        await self._socket.send_bytes(data)


async def tunnel(request: web.BaseRequest, url: str) -> web.StreamResponse:
    """Answer a WebSocket request with the SPDY connection that the runtime opens; returns when it is over."""
    protocols = tunnelled_protocols(request.headers.getall(WEBSOCKET_PROTOCOL, []))
    headers = forwarded_headers(request)
    for name in (WEBSOCKET_PROTOCOL, "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions"):
        headers.popall(name, None)
    headers["Upgrade"] = "SPDY/3.1"
    headers["Content-Length"] = "0"
    headers.popall(PROTOCOL_VERSION, None)
    for protocol in protocols:
        headers.add(PROTOCOL_VERSION, protocol)
    try:
        async with ask(url, method="POST", host=request.headers.get("Host", ""), headers=pairs(headers)) as backend:
            if backend.status != SWITCHING_PROTOCOLS:
                body = (await backend.refusal()).decode(errors="replace")
                return unseen_text(body, status=backend.status, headers=NOSNIFF)
            name = TUNNEL_PREFIX + backend.header(PROTOCOL_VERSION)
            socket = web.WebSocketResponse(protocols=(name,), max_msg_size=MAX_MESSAGE_BYTES)
            await socket.prepare(request)
            with suppress(ConnectionError):
                await join(MessageBytes(socket), backend.connection)
                await socket.close()
            return socket
    except BackendError as error:
        return failure(str(error))
