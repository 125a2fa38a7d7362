"""This module is the streaming server: HTTP on a free port of the loopback interface, from which streams are upgraded.

A CRI call leaves a ticket here and gives its caller the URL; whoever comes with it gets the stream, once. Rules of who
is refused how are upstream's: cri-streaming's streaming/server.go, httpstream/spdy/upgrade.go, wsstream/conn.go.

The server starts with the first ticket, as aiohttp costs 12 MB and a quarter of a second that most runs never need.
"""

import asyncio
import importlib
import logging
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from opentelemetry import context as otel_context
from opentelemetry.trace import Tracer

from kubeletsim.base.timing import Clock
from runtime_stub.behaviour.latency import LatencyModel
from runtime_stub.behaviour.refusals import Wording
from runtime_stub.machine import Machine
from runtime_stub.state.refusals import Reason
from runtime_stub.streaming.consoles import Consoles
from runtime_stub.streaming.sessions import Sessions
from runtime_stub.streaming.tickets import KINDS, StreamRequest, Tickets

log = logging.getLogger(__name__)

SCOPE_NAME = "runtime_stub.streaming"
HOST = "127.0.0.1"
IDLE_SECONDS = 4 * 60 * 60.0
CLOSING_SECONDS = 0.5
"""How long streams may go on when the stub stops."""


class StreamingServer:
    """Tickets, and the server that redeems them."""

    def __init__(
        self,
        stack: AsyncExitStack,
        sessions: Sessions,
        *,
        tracer: Tracer,
        clock: Clock,
        idle_seconds: float,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._stack = stack
        self._sessions = sessions
        self._tracer = tracer
        self._tickets = Tickets(clock)
        self._idle_seconds = idle_seconds
        self._tls = tls
        self._starting = asyncio.Lock()
        self._base_url = ""

    async def url_for(self, request: StreamRequest) -> str:
        """Return the URL under which a stream can be had once, within a minute.

        The stream's span will be a child of the current one.

        Raises:
            Refusal: too many tickets are waiting.
            OSError: no port is free.
        """
        token = self._tickets.issue(request, otel_context.get_current())
        async with self._starting:
            if not self._base_url:
                self._base_url = f"{'https' if self._tls else 'http'}://{HOST}:{await self._start()}"
        return f"{self._base_url}/{KINDS[type(request)]}/{token}"

    async def _start(self) -> int:
        """Listen, until the stack is unwound, and return the port."""
        await asyncio.to_thread(
            importlib.import_module, "runtime_stub.streaming.upgrade"
        )  # others are served meanwhile
        from aiohttp import web

        from runtime_stub.streaming.upgrade import Upgrades

        upgrades = Upgrades(self._tickets, self._sessions, tracer=self._tracer, idle_seconds=self._idle_seconds)
        runner = web.ServerRunner(web.Server(upgrades.handle, access_log=None), shutdown_timeout=CLOSING_SECONDS)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, HOST, 0, ssl_context=self._tls).start()
        port = int(runner.addresses[0][1])
        log.info("streaming server listens on %s:%d", HOST, port)
        return port


@asynccontextmanager
async def streaming_server(
    machine: Machine,
    *,
    latency: LatencyModel,
    wordings: Mapping[Reason, Wording],
    tracer: Tracer,
    clock: Clock,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[StreamingServer]:
    """Serve streams as long as the block lasts."""
    async with AsyncExitStack() as stack:
        sessions = Sessions(machine, Consoles(machine), latency=latency, wordings=wordings)
        yield StreamingServer(stack, sessions, tracer=tracer, clock=clock, idle_seconds=IDLE_SECONDS, tls=tls)
