"""The way of a request: counted, routed, authenticated and authorized, traced, answered. In this order, as upstream.

The order has consequences that users see: an unknown path is a 404 to anybody, a refused request is counted but has no
span, and the span covers the handler alone.
"""

import logging
from contextlib import AbstractContextManager, nullcontext

from aiohttp import web

from kubeletsim.server.answers import NOSNIFF, Unseen, redirect, text
from kubeletsim.server.auth import RequestAuth, credentials_of
from kubeletsim.server.request_metrics import RequestMetrics, ServerType
from kubeletsim.server.routes import Redirect, Route, RouteTable
from kubeletsim.server.spans import RequestSpans, record_status
from kubeletsim.server.streams.hijack import Hijacked

log = logging.getLogger(__name__)


class Pipeline:
    """Handles the requests of one listener.

    Args:
        routes: what there is.
        auth: who may ask; None: anybody.
        spans: makes the SERVER spans; None: no request is traced.
        metrics: counts requests; None: nobody counts.
        server_type: what those counts say.
    """

    def __init__(
        self,
        routes: RouteTable,
        *,
        auth: RequestAuth | None = None,
        spans: RequestSpans | None = None,
        metrics: RequestMetrics | None = None,
        server_type: ServerType = "readwrite",
    ) -> None:
        self._routes = routes
        self._auth = auth
        self._spans = spans
        self._metrics = metrics
        self._server_type = server_type

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        with self._counted(request):
            route = self._routes.match(request.path)
            if route is None:
                return text("404 page not found\n", status=404, headers=NOSNIFF)
            if isinstance(route, Redirect):
                query = f"?{request.query_string}" if request.query_string else ""
                return redirect(f"{route.location}{query}", method=request.method)
            refusal = await self._refusal(request)
            if refusal is not None:
                return refusal
            return await self._traced(request, route)

    def _counted(self, request: web.BaseRequest) -> AbstractContextManager[None]:
        if self._metrics is None:
            return nullcontext()
        bucket = self._routes.bucket(request.path)
        return self._metrics.observe(request.method, bucket=bucket, server_type=self._server_type)

    async def _refusal(self, request: web.BaseRequest) -> web.Response | None:
        if self._auth is None:
            return None
        connection = request.transport.get_extra_info("ssl_object") if request.transport else None
        credentials = credentials_of(
            connection.getpeercert() if connection else None,
            connection.getpeercert(binary_form=True) if connection else None,
            authorization=request.headers.get("Authorization", ""),
        )
        refusal = await self._auth.check(credentials, method=request.method, path=request.path)
        return text(refusal.text, status=refusal.status) if refusal else None

    async def _traced(self, request: web.BaseRequest, route: Route) -> web.StreamResponse:
        if self._spans is None:
            return await _answer(request, route)
        with self._spans.request(request, route=route.name(request.path, method=request.method)) as span:
            response = await _answer(request, route)
            record_status(span, 200 if isinstance(response, Unseen | Hijacked) else response.status)
            return response


async def _answer(request: web.BaseRequest, route: Route) -> web.StreamResponse:
    if route.template(request.path) is None:
        return text("404: Page Not Found", status=404)
    if not route.allows(request.method):
        allowed = ", ".join(sorted(route.methods or ()))
        return text("405: Method Not Allowed", status=405, headers={"Allow": allowed})
    try:
        return await route.handler(request)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return text("Internal Server Error\n", status=500)
