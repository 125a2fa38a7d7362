"""A listening socket and the HTTP connections it takes: an async context manager, open inside the block.

A port that cannot be had is a StartupError that names address and field; upstream retries the health port for ever
and exits for the others, but whoever starts this wants to know at once.
"""

import errno
import logging
import ssl
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from kubeletsim.model.errors import StartupError
from kubeletsim.server.routes import Handler

log = logging.getLogger(__name__)

IDLE_TIMEOUT_SECONDS = 90.0
HEADER_LIMIT_BYTES = 1024 * 1024
SHUTDOWN_PATIENCE_SECONDS = 2.0
"""How long answers under way may take when the server closes."""


class _OneLine(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log without tracebacks: handlers do not raise, so what it reports is a client that speaks no HTTP."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        error = kwargs.pop("exc_info", None)
        return (f"{msg}: {type(error).__name__}" if isinstance(error, BaseException) else msg), kwargs


class Listener:
    """One socket.

    Args:
        handler: answers requests; must not raise.
        address: where to listen; an IP address.
        port: 0 takes a free one.
        fields: the fields of the configuration that say so, for messages.
        tls: the TLS context; None for plain HTTP.
    """

    def __init__(
        self, handler: Handler, *, address: str, port: int, fields: str, tls: ssl.SSLContext | None = None
    ) -> None:
        self._handler = handler
        self._address = address
        self._port = port
        self._fields = fields
        self._tls = tls
        self._runner: web.ServerRunner | None = None

    @property
    def port(self) -> int:
        """The port, once the listener is open the one that was taken."""
        return self._port

    @property
    def url(self) -> str:
        """Where to reach it, as far as the address tells."""
        host = f"[{self._address}]" if ":" in self._address else self._address
        return f"{'https' if self._tls else 'http'}://{host}:{self._port}"

    async def __aenter__(self) -> Self:
        server = web.Server(
            self._handler,
            access_log=None,
            logger=_OneLine(log),
            keepalive_timeout=IDLE_TIMEOUT_SECONDS,
            max_line_size=HEADER_LIMIT_BYTES,
            max_field_size=HEADER_LIMIT_BYTES,
        )
        runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_PATIENCE_SECONDS)
        await runner.setup()
        site = web.TCPSite(runner, self._address, self._port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            reason = "address already in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
            raise StartupError(f"{self._fields}: cannot listen on {self._address}:{self._port}: {reason}") from error
        self._port = site.port
        self._runner = runner
        log.info("Listening on %s (%s)", self.url, self._fields)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
