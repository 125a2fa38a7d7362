"""This module is the HTTP of the streaming server: it redeems the token in a URL and negotiates the stream's protocol.

aiohttp reads the request; after 101 the connection belongs to SPDY or to aiohttp's WebSocket. Requests are refused as
upstream does: 404 for a token that is of no use, 400 for what asks for no upgrade, 403 for protocols nobody here knows.
"""

import logging
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web
from opentelemetry.trace import Span, SpanKind, Tracer, use_span

from runtime_stub.pipe import until_either
from runtime_stub.streaming import forwarding, remote_spdy
from runtime_stub.streaming.connection import Link, SpdyConnection
from runtime_stub.streaming.links import Idleness, SocketLink, TunnelLink
from runtime_stub.streaming.remote_websocket import PROTOCOLS, Channels, WebSocketRemote
from runtime_stub.streaming.sessions import Sessions
from runtime_stub.streaming.tickets import Attach, Exec, PortForward, Ticket, Tickets

log = logging.getLogger(__name__)

SPDY = "SPDY/3.1"
TUNNEL = f"{SPDY}+{forwarding.PROTOCOL}"
MAX_MESSAGE_BYTES = 32 * 1024 * 1024

_OFFER, _ACCEPTED = "X-Stream-Protocol-Version", "X-Accepted-Stream-Protocol-Versions"


class Upgrades:
    """The handler of every request."""

    def __init__(self, tickets: Tickets, sessions: Sessions, *, tracer: Tracer, idle_seconds: float) -> None:
        self._tickets = tickets
        self._sessions = sessions
        self._tracer = tracer
        self._idle_seconds = idle_seconds

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request; an upgraded one is answered when its stream is over."""
        parts = request.path.split("/")
        ticket = None
        if len(parts) == 3 and request.method in ("GET", "POST"):  # an empty part, kind, token
            ticket = self._tickets.redeem(parts[1], parts[2])
        if ticket is None:
            return web.Response(status=404, text="404 page not found\n")
        with self._spanning(request, ticket) as span:
            try:
                response = await self._upgrade(request, ticket, span)
            except web.HTTPException as refused:
                log.info("%s refused: %s", parts[1], refused.text)
                response = web.Response(status=refused.status, text=refused.text, headers=refused.headers)
            span.set_attribute("http.response.status_code", response.status)
            return response

    async def _upgrade(self, request: web.BaseRequest, ticket: Ticket, span: Span) -> web.StreamResponse:
        upgrade = request.headers.get("Upgrade", "").lower()
        if "upgrade" in request.headers.get("Connection", "").lower():
            if upgrade == "websocket":
                return await self._serve_websocket(request, ticket, span)
            if upgrade == SPDY.lower():
                return await self._serve_spdy(request, ticket, span)
        raise web.HTTPBadRequest(text="unable to upgrade: missing upgrade headers in request\n")

    async def _serve_spdy(self, request: web.BaseRequest, ticket: Ticket, span: Span) -> web.StreamResponse:
        is_forward = isinstance(ticket.request, PortForward)
        protocol = _negotiated(request, (forwarding.PROTOCOL,) if is_forward else remote_spdy.VERSIONS)
        span.set_attribute("stream.protocol", f"{SPDY} {protocol}")
        headers = {"Connection": "Upgrade", "Upgrade": SPDY, _OFFER: protocol}
        response = web.StreamResponse(status=101, headers=headers)
        await response.prepare(request)
        await response.write_eof()
        idleness = Idleness(self._idle_seconds)
        link = SocketLink(request, idleness)
        try:
            await self._serve_connection(link, ticket, protocol, span, idleness)
        finally:
            link.close()
        return response

    async def _serve_connection(
        self, link: Link, ticket: Ticket, protocol: str, span: Span, idleness: Idleness
    ) -> None:
        connection = SpdyConnection(link)
        if isinstance(ticket.request, PortForward):
            work = forwarding.serve_pairs(connection, self._dial(ticket.request))
        else:
            work = self._take_part(connection, ticket.request, remote_spdy.VERSIONS[protocol], span)
        await _while_alive(work, connection.run(), idleness)

    async def _take_part(self, connection: SpdyConnection, request: Exec | Attach, version: int, span: Span) -> None:
        remote = await remote_spdy.open_remote(connection, request.streams, version=version)
        if remote is not None:
            await self._sessions.take_part(request, remote, span)

    async def _serve_websocket(self, request: web.BaseRequest, ticket: Ticket, span: Span) -> web.StreamResponse:
        stream = ticket.request
        is_forward = isinstance(stream, PortForward)
        known = [name for name in PROTOCOLS if not (is_forward and name.startswith("v5."))]
        name = _chosen_subprotocol(request, [*known, TUNNEL] if is_forward else known)
        ports = _ports(request, stream) if isinstance(stream, PortForward) and name != TUNNEL else []
        socket = web.WebSocketResponse(protocols=(name,) if name else (), max_msg_size=MAX_MESSAGE_BYTES)
        await socket.prepare(request)
        span.set_attribute("stream.protocol", f"WebSocket {name}".strip())
        idleness = Idleness(self._idle_seconds)
        if name == TUNNEL:
            await self._serve_connection(TunnelLink(socket, idleness), ticket, name, span, idleness)
        else:
            channels = Channels(socket, PROTOCOLS[name], idleness)
            if isinstance(stream, PortForward):
                work = forwarding.serve_channels(channels, ports, self._dial(stream))
                await until_either(work, idleness.last(), name="forward")
            else:
                remote = WebSocketRemote(channels, stream.streams)
                await remote.greet()
                await _while_alive(self._sessions.take_part(stream, remote, span), remote.run(), idleness)
        await socket.close()
        return socket

    def _dial(self, request: PortForward) -> forwarding.Dial:
        return lambda port: self._sessions.dial(request, port)

    @contextmanager
    def _spanning(self, request: web.BaseRequest, ticket: Ticket) -> Iterator[Span]:
        """Yield the SERVER span of a stream, a child of the CRI call that the ticket is from."""
        route = f"/{request.path.split('/')[1]}/{{token}}"
        stream = ticket.request
        subject = {"sandbox.id": stream.sandbox_id} if isinstance(stream, PortForward) else {}
        attributes = {
            "http.request.method": request.method,
            "http.route": route,
            "url.scheme": "http",
            "server.address": request.url.host or "",
            "server.port": request.url.port or 0,
            **(subject or {"container.id": getattr(stream, "container_id", "")}),
        }
        name = f"{request.method} {route}"
        span = self._tracer.start_span(name, ticket.context, SpanKind.SERVER, attributes=attributes)
        with use_span(span, end_on_exit=True):
            yield span


async def _while_alive(work: Coroutine[Any, Any, None], receiving: Coroutine[Any, Any, None], idle: Idleness) -> None:
    """Do work as long as the client is there and something happens now and then."""
    await until_either(until_either(work, receiving, name="work"), idle.last(), name="connection")


def _negotiated(request: web.BaseRequest, known: Iterable[str]) -> str:
    """Return the first of the client's protocols that is known.

    Raises:
        web.HTTPException: 400 without any offer, 403 when none is known.
    """
    offers = _listed(request.headers.getall(_OFFER, []))
    if not offers:
        raise web.HTTPBadRequest(text=f'unable to upgrade: "{_OFFER}" header is required\n')
    names = list(known)
    if found := next((offer for offer in offers if offer in names), None):
        return found
    text = f"unable to upgrade: unable to negotiate protocol: client supports {offers}, server accepts {names}\n"
    refused = web.HTTPForbidden(text=text)
    for name in names:
        refused.headers.add(_ACCEPTED, name)
    raise refused


def _chosen_subprotocol(request: web.BaseRequest, known: Iterable[str]) -> str:
    """Return the first of the client's sub-protocols that is known; an empty one if it offers none.

    Raises:
        web.HTTPForbidden: none is known.
    """
    offers = _listed(request.headers.getall("Sec-WebSocket-Protocol", []))
    found = next((offer for offer in offers or [""] if offer in known), None)
    if found is None:
        text = (
            f"websocket: client offers {', '.join(offers)}; known here: {', '.join(name for name in known if name)}\n"
        )
        raise web.HTTPForbidden(text=text)
    return found


def _ports(request: web.BaseRequest, stream: PortForward) -> list[int]:
    """Return the ports that a WebSocket client wants: its query's, else those of the CRI call.

    Raises:
        web.HTTPBadRequest: there are none, or something else is given.
    """
    texts = _listed(request.query.getall("port", []))
    ports = [int(text) for text in texts if text.isascii() and text.isdecimal() and len(text) <= 5]
    if len(ports) < len(texts) or not all(0 < port <= forwarding.MAX_PORT for port in ports):
        raise web.HTTPBadRequest(text=f'query parameter "port": {", ".join(texts)}: must be 1 to 65535\n')
    if not (ports := ports or list(stream.ports)):
        raise web.HTTPBadRequest(text='query parameter "port" is required\n')
    return ports


def _listed(values: Iterable[str]) -> list[str]:
    return [part for value in values for one in value.split(",") if (part := one.strip())]
