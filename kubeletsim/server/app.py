"""The kubelet's HTTP servers: the authenticated one, the read-only one, the local health one.

`KubeletServer` is an async context manager: entering it checks certificates and authentication and opens every socket,
so that whatever is wrong with them is a StartupError before anything else runs; leaving it closes them. Inside, `run`
follows changes of the certificate files.

Upstream: ListenAndServeKubeletServer, ListenAndServeKubeletReadOnlyServer and the health server of cmd/kubelet/app.
"""

import asyncio
import random
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from aiohttp import web

from kubeletsim.base.timing import Clock
from kubeletsim.server.auth import Authenticator, Authorizer, build_auth
from kubeletsim.server.certificates import ensure_serving_pair
from kubeletsim.server.endpoints import (
    Endpoints,
    NodeView,
    health_answer,
    health_routes,
    read_only_routes,
    read_write_routes,
)
from kubeletsim.server.healthz import log_check, ping_check, sync_loop_check
from kubeletsim.server.listener import Listener
from kubeletsim.server.pipeline import Pipeline
from kubeletsim.server.request_metrics import RequestMetrics
from kubeletsim.server.routes import RouteTable
from kubeletsim.server.settings import ServerSettings
from kubeletsim.server.spans import RequestSpans, TracerSource
from kubeletsim.server.tls import ServerTLS


class KubeletServer:
    """All HTTP servers of one node.

    Args:
        settings: which ones, where, and how they are protected.
        node: what they show.
        telemetry: where the spans of requests go.
        clock: for the health of the sync loop and the durations of requests.
        rng: spreads the looks at certificate files.
        token_authenticator: for webhook authentication; there is none without an API server.
        webhook_authorizer: for mode Webhook; there is none without an API server.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        node: NodeView,
        telemetry: TracerSource,
        clock: Clock,
        rng: random.Random,
        token_authenticator: Authenticator | None = None,
        webhook_authorizer: Authorizer | None = None,
    ) -> None:
        self._settings = settings
        self._telemetry = telemetry
        self._rng = rng
        self._token_authenticator = token_authenticator
        self._webhook_authorizer = webhook_authorizer
        self._metrics = RequestMetrics(node.registry, clock=clock)
        sync_loop = sync_loop_check(
            node.last_sync_loop, sync_frequency_seconds=settings.sync_frequency_seconds, clock=clock
        )
        self._endpoints = Endpoints(node, checks=[ping_check(), log_check(), sync_loop], clock=clock)
        self._stack = AsyncExitStack()
        self._tls: ServerTLS | None = None
        self.https: Listener | None = None
        """The authenticated server; its `port` and `url` say where it listens. None when it is off."""
        self.read_only: Listener | None = None
        self.healthz: Listener | None = None

    async def __aenter__(self) -> Self:
        try:
            if self._settings.enable_server:
                self.https = await self._open_https()
                if self._settings.read_only_port:
                    self.read_only = await self._open_read_only()
            if self._settings.healthz_port:
                self.healthz = await self._open_healthz()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Follow the certificate files; never returns. The sockets need no help."""
        if self._tls is None:
            await asyncio.get_running_loop().create_future()
        else:
            await self._tls.run()

    async def _open_https(self) -> Listener:
        settings = self._settings
        # Before the pair, which takes a moment to make: what cannot be authenticated needs no certificate.
        auth = build_auth(
            settings.auth,
            node_name=settings.node_name,
            token_authenticator=self._token_authenticator,
            webhook_authorizer=self._webhook_authorizer,
        )
        pair = settings.tls.configured_pair()
        if pair is None:
            pair = await ensure_serving_pair(settings.cert_dir, host=settings.node_name)
        self._tls = ServerTLS(settings.tls, pair=pair, client_ca_file=settings.auth.client_ca_file, rng=self._rng)
        pipeline = Pipeline(
            RouteTable(read_write_routes(self._endpoints, handlers=settings.handlers)),
            auth=auth,
            spans=RequestSpans(self._telemetry, trusts_callers=True),
            metrics=self._metrics,
            server_type="readwrite",
        )
        listener = Listener(
            pipeline.handle,
            address=settings.address,
            port=settings.port,
            fields="address, port",
            tls=self._tls.context,
        )
        return await self._stack.enter_async_context(listener)

    async def _open_read_only(self) -> Listener:
        pipeline = Pipeline(
            RouteTable(read_only_routes(self._endpoints)),
            spans=RequestSpans(self._telemetry, trusts_callers=False),
            metrics=self._metrics,
            server_type="readonly",
        )
        listener = Listener(
            pipeline.handle,
            address=self._settings.address,
            port=self._settings.read_only_port,
            fields="address, readOnlyPort",
        )
        return await self._stack.enter_async_context(listener)

    async def _open_healthz(self) -> Listener:
        checks = [ping_check()]

        async def healthz(request: web.BaseRequest) -> web.Response:
            return health_answer(checks, request, note=self._endpoints.health_metrics.note)

        listener = Listener(
            Pipeline(RouteTable(health_routes(healthz, checks))).handle,
            address=self._settings.healthz_bind_address,
            port=self._settings.healthz_port,
            fields="healthzBindAddress, healthzPort",
        )
        return await self._stack.enter_async_context(listener)
