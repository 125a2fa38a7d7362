"""The SERVER span of a request, as otelrestful 0.65 makes it for a kubelet.

It is opened after authentication and authorization: who is refused leaves no trace. Two things differ from 1.36.2 on
purpose. A `traceparent` on the authenticated server is the parent, as the Kubernetes documentation promises (upstream
ignores it); on the read-only server, where anybody could pick our sampling, the span is a root with a link. And spans
that upstream leaves nameless, those of handlers outside go-restful, are called after their route.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from opentelemetry.context import Context, attach, detach
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, get_current_span, set_span_in_context
from opentelemetry.util.types import AttributeValue

if TYPE_CHECKING:
    from aiohttp import web

SCOPE = "go.opentelemetry.io/contrib/instrumentation/github.com/emicklei/go-restful/otelrestful"
SCOPE_VERSION = "0.65.0"

KNOWN_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})


class TracerSource(Protocol):
    """What this module needs of `base.telemetry.Telemetry`."""

    propagator: TextMapPropagator

    def tracer(self, scope: str, version: str = "") -> Tracer:
        """Return the tracer of a scope."""


class RequestSpans:
    """Makes the spans of one listener's requests.

    Args:
        telemetry: where spans go and how contexts travel.
        trusts_callers: whether a caller's trace goes on here; otherwise it is only linked to.
    """

    def __init__(self, telemetry: TracerSource, *, trusts_callers: bool) -> None:
        self._tracer = telemetry.tracer(SCOPE, SCOPE_VERSION)
        self._propagator = telemetry.propagator
        self._trusts_callers = trusts_callers

    @contextmanager
    def request(self, request: "web.BaseRequest", *, route: str) -> Iterator[Span]:
        """Make a span current while the request is handled; the handler's CRI calls become its children."""
        remote = self._propagator.extract(request.headers, context=Context())
        remote_span = get_current_span(remote).get_span_context()
        link = remote_span.is_valid and not self._trusts_callers
        span = self._tracer.start_span(
            route,
            context=remote if self._trusts_callers else Context(),
            kind=SpanKind.SERVER,
            attributes=request_attributes(request, route=route),
            links=[Link(remote_span)] if link else None,
        )
        # The caller's baggage travels on to the runtime, unless the caller is not to be trusted.
        token = attach(set_span_in_context(span, remote if self._trusts_callers else Context()))
        try:
            yield span
        finally:
            detach(token)
            span.end()


def record_status(span: Span, status: int) -> None:
    """Put the answer's status on the span; only a fault of this side makes it an error."""
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(StatusCode.ERROR)


def request_attributes(request: "web.BaseRequest", *, route: str) -> dict[str, AttributeValue]:
    """Return the attributes that are known before the request is handled, in upstream's order."""
    known = request.method in KNOWN_METHODS
    attributes: dict[str, AttributeValue] = {
        "server.address": "kubelet",
        "http.request.method": request.method if known else "_OTHER",
    }
    if not known:
        attributes["http.request.method_original"] = request.method
    attributes["url.scheme"] = "https" if request.secure else "http"
    if port := _host_port(request.headers.get("Host", "")):
        attributes["server.port"] = port
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if peer:
        attributes["network.peer.address"], attributes["network.peer.port"] = peer[0], peer[1]
    if agent := request.headers.get("User-Agent"):
        attributes["user_agent.original"] = agent
    forwarded = request.headers.get("X-Forwarded-For", "").partition(",")[0].strip()
    if client := forwarded or (peer[0] if peer else ""):
        attributes["client.address"] = client
    attributes["url.path"] = request.path
    attributes["network.protocol.version"] = f"{request.version.major}.{request.version.minor}"
    attributes["http.route"] = route
    return attributes


def _host_port(host: str) -> int | None:
    """Read the port out of a Host header; None where it says nothing or the scheme's own."""
    _, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal() or port in ("80", "443"):
        return None
    return int(port)
