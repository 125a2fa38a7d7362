"""This module is the span of a gRPC call, on the side that makes it and on the side that serves it.

The interceptors of opentelemetry-instrumentation-grpc do the weaving; what they write is replaced here, because a
kubelet's spans come from otelgrpc for Go and look different: no leading slash in the name, `rpc.method` with the
service, `rpc.response.status_code` in words, no events, every failure an error on the client, few on the server. The
propagator is an argument, never the process-wide one, since many nodes live in one process.

How a span ends also differs. The client's ends in a callback of the call itself, which gRPC runs for an answer, an
error and a cancellation alike, so that none is left open whatever the caller does. Upstream:
go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc 0.67, stats_handler.go.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager
from functools import partial
from typing import Any, TypeVar

import grpc
from grpc.aio import ClientCallDetails, Metadata
from opentelemetry.context import Context, attach
from opentelemetry.instrumentation.grpc._aio_client import (
    UnaryStreamAioClientInterceptor,
    UnaryUnaryAioClientInterceptor,
)
from opentelemetry.instrumentation.grpc._aio_server import OpenTelemetryAioServerInterceptor
from opentelemetry.instrumentation.grpc._client import _carrier_setter
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context, use_span
from opentelemetry.util.types import AttributeValue

from kubeletsim.base.rpc_status import go_message, never_connected

SCOPE_NAME = "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
SCOPE_VERSION = "0.67.0"

T = TypeVar("T")
_Call = Any
"""grpc.aio.Call; its stubs leave out what a finished call can do."""
_Details = Any
"""grpc.HandlerCallDetails."""
_ServicerContext = grpc.aio.ServicerContext[Any, Any]
Handler = Callable[[Any, _ServicerContext], Any]

_SERVER_ERRORS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Codes that blame the server; any other leaves a SERVER span's status unset."""


def client_interceptors(
    tracer: Tracer, propagator: TextMapPropagator, *, address: str
) -> list[grpc.aio.ClientInterceptor]:
    """Return what a channel needs for one CLIENT span a call.

    Args:
        tracer: made with SCOPE_NAME and SCOPE_VERSION.
        propagator: writes the span's context (and baggage) into the call's metadata, sampled or not.
        address: the peer: a socket path, `@name` for an abstract socket, or `host:port`.
    """
    return [_UnarySpans(tracer, propagator, address), _StreamSpans(tracer, propagator, address)]


def server_interceptor(tracer: Tracer, propagator: TextMapPropagator, *, address: str) -> grpc.aio.ServerInterceptor:
    """Return what a server needs for one SERVER span a call, current while the handler runs.

    Args:
        tracer: made with SCOPE_NAME and SCOPE_VERSION.
        propagator: reads the caller's context from the call's metadata.
        address: where this server listens: a socket path, `@name` for an abstract socket, or `host:port`.
    """
    return _ServerSpans(tracer, propagator, address)


def address_attributes(address: str) -> dict[str, AttributeValue]:
    """Return `server.address`, and `server.port` where the address has one."""
    host, _, port = address.rpartition(":")
    if address.startswith(("/", "@")) or not port.isdigit():
        return {"server.address": address}
    return {"server.address": host.strip("[]"), "server.port": int(port)}


class _ClientSpans:
    """What the unary and the streaming interceptor share: their own versions of the instrumentation's steps."""

    _tracer: Tracer

    def __init__(self, tracer: Tracer, propagator: TextMapPropagator, address: str) -> None:
        super().__init__(tracer)  # type: ignore[call-arg]  # the instrumentation's class is next in line
        self._propagator = propagator
        self._address = address_attributes(address)

    def _start_span(self, method: str, **_options: bool) -> AbstractContextManager[Span]:
        name = method.lstrip("/")
        span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=_call_attributes(name))
        return use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)

    def propagate_trace_in_details(self, client_call_details: ClientCallDetails) -> ClientCallDetails:
        metadata = Metadata(*tuple(client_call_details.metadata or ()))
        self._propagator.inject(metadata, setter=_carrier_setter)
        return ClientCallDetails(
            client_call_details.method,
            client_call_details.timeout,
            metadata,
            client_call_details.credentials,
            client_call_details.wait_for_ready,
        )

    async def _wrap_unary_response(self, continuation: Callable[[], Awaitable[_Call]], span: Span) -> _Call:
        # Only interceptors nearer to the wire can make this wait or fail; the call itself fails when it is awaited.
        try:
            call = await continuation()
        except grpc.aio.AioRpcError as error:
            self._end(span, error.code(), error.details())
            raise
        except asyncio.CancelledError:
            self._end(span, grpc.StatusCode.CANCELLED, "context canceled")
            raise
        return self._end_with(call, span)

    def _wrap_stream_response(self, span: Span, call: _Call) -> _Call:
        return self._end_with(call, span)

    def _end_with(self, call: _Call, span: Span) -> _Call:
        if span.is_recording():
            call.add_done_callback(partial(self._call_done, span))
        return call

    def _call_done(self, span: Span, call: _Call) -> None:
        self._end(span, _result_of(call.code()), _result_of(call.details()))

    def _end(self, span: Span, code: grpc.StatusCode, details: str | None) -> None:
        if not span.is_recording():  # ended already: gRPC may report a cancelled call twice
            return
        address = {} if never_connected(code, details) else self._address
        span.set_attributes({**address, "rpc.response.status_code": code.name})
        if code is not grpc.StatusCode.OK:
            span.set_status(StatusCode.ERROR, go_message(code, details))
        span.end()


class _UnarySpans(_ClientSpans, UnaryUnaryAioClientInterceptor):
    """CLIENT spans of calls with one answer."""


class _StreamSpans(_ClientSpans, UnaryStreamAioClientInterceptor):
    """CLIENT spans of calls answered by a stream; one span lasts as long as the stream."""


class _ServerSpans(OpenTelemetryAioServerInterceptor):
    """SERVER spans; handlers find theirs with `opentelemetry.trace.get_current_span()`."""

    def __init__(self, tracer: Tracer, propagator: TextMapPropagator, address: str) -> None:
        super().__init__(tracer)  # type: ignore[no-untyped-call]  # the instrumentation has no types
        self._propagator = propagator
        self._fields = propagator.fields
        self._address = address_attributes(address)

    def _intercept_aio_server_unary(self, behavior: Handler, handler_call_details: _Details) -> Handler:
        async def serve(request: object, context: _ServicerContext) -> object:
            with self._serving(handler_call_details, context):
                answer = behavior(request, context)
                return await answer if inspect.isawaitable(answer) else answer

        return serve

    def _intercept_aio_server_stream(self, behavior: Handler, handler_call_details: _Details) -> Handler:
        if not inspect.isasyncgenfunction(behavior):  # writes its answers through the context
            return self._intercept_aio_server_unary(behavior, handler_call_details)

        async def serve(request: object, context: _ServicerContext) -> AsyncIterator[object]:
            with self._serving(handler_call_details, context) as span:
                # A caller may leave while an answer is being sent; gRPC then drops this generator where it stands.
                context.add_done_callback(partial(self._dropped, span))  # type: ignore[arg-type]  # a keyword in stubs
                async with aclosing(behavior(request, context)) as answers:
                    async for answer in answers:
                        yield answer

        return serve

    @contextmanager
    def _serving(self, details: _Details, context: _ServicerContext) -> Iterator[Span]:
        carrier = {key: value for key, value in details.invocation_metadata if key in self._fields}
        remote = self._propagator.extract(carrier, context=Context())
        name = details.method.lstrip("/")
        span = self._tracer.start_span(name, remote, SpanKind.SERVER, attributes=_call_attributes(name))
        # Never detached: gRPC gives each call a task, and the task's context goes with it. A stream may even be
        # finalized from another task, where detaching would fail.
        attach(set_span_in_context(span, remote))
        try:
            yield span
        except BaseException as error:
            self._end(span, *_outcome(context, error))
            raise
        self._end(span, *_outcome(context, None))

    def _dropped(self, span: Span, call: _Call) -> None:
        self._end(span, *_outcome(call, GeneratorExit()))

    def _end(self, span: Span, code: grpc.StatusCode, message: str) -> None:
        if not span.is_recording():
            return
        span.set_attributes({**self._address, "rpc.response.status_code": code.name})
        if code in _SERVER_ERRORS:
            span.set_status(StatusCode.ERROR, message)
        span.end()


def _call_attributes(name: str) -> dict[str, AttributeValue]:
    return {"rpc.method": name, "rpc.system.name": "grpc"}


def _outcome(context: _ServicerContext, error: BaseException | None) -> tuple[grpc.StatusCode, str]:
    """Return the code and text that gRPC sends, or would have sent, for a handler that ended like this."""
    code, message = context.code() or grpc.StatusCode.OK, context.details() or ""
    match error:
        case None | grpc.aio.AbortError():
            return code, message
        case asyncio.CancelledError() | GeneratorExit():
            if context.time_remaining() == 0:
                return grpc.StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded"
            return grpc.StatusCode.CANCELLED, "context canceled"
        case _:
            unexpected = f"Unexpected {type(error)}: {error}"
            return (grpc.StatusCode.UNKNOWN if code is grpc.StatusCode.OK else code), unexpected


def _result_of(ready: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that has nothing left to wait for: gRPC's accessors of a finished call."""
    try:
        ready.send(None)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]
    ready.close()
    raise RuntimeError(f"{ready} is still waiting")
