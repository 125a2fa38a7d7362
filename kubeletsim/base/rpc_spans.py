"""This module is the span of a gRPC call, on the side that makes it and on the side that serves it.

A kubelet's spans come from otelgrpc for Go: no leading slash in the name, `rpc.method` with the service,
`rpc.response.status_code` in words, no events, every failure an error on the client, few on the server. The propagator
is an argument, never the process-wide one, since many nodes live in one process.

Calls are woven once a method, not once a call: a stub's methods when it is made, a server's at their first call.
docs/decisions/0006 says why OpenTelemetry's interceptors for gRPC are not used. A client's span ends in a callback of
the call itself, which gRPC runs for an answer, an error and a cancellation alike, so that none is left open whatever
the caller does. Upstream: go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc 0.67,
stats_handler.go.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing
from functools import partial
from inspect import isasyncgenfunction, isawaitable
from typing import Any, TypeVar, cast

import grpc
from opentelemetry.context import Context, attach
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from kubeletsim.base.rpc_status import go_message, never_connected

SCOPE_NAME = "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
SCOPE_VERSION = "0.67.0"

T = TypeVar("T")
_Call = Any
"""grpc.aio.Call; its stubs leave out what a finished call can do."""
_Details = Any
"""grpc.HandlerCallDetails."""
_Metadata = Iterable[tuple[str, str | bytes]] | None
_MethodHandler = Any
"""grpc.RpcMethodHandler, or None for a method that nobody serves."""
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


def traced(
    channel: grpc.aio.Channel, tracer: Tracer, propagator: TextMapPropagator, *, address: str
) -> grpc.aio.Channel:
    """Return a channel for stubs whose calls have one CLIENT span each; the channel itself stays the caller's to close.

    Args:
        channel: what the calls go through.
        tracer: made with SCOPE_NAME and SCOPE_VERSION.
        propagator: writes the span's context (and baggage) into the call's metadata, sampled or not.
        address: the peer: a socket path, `@name` for an abstract socket, or `host:port`.
    """
    return cast("grpc.aio.Channel", _TracedMethods(channel, _ClientSpans(tracer, propagator, address)))


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


class _TracedMethods:
    """The part of a channel that a generated stub needs: its methods, made to leave spans.

    Not an interceptor of gRPC's: with one, each call takes another task and another call object.
    """

    def __init__(self, channel: grpc.aio.Channel, spans: "_ClientSpans") -> None:
        self._channel = channel
        self._spans = spans

    def unary_unary(self, method: str, **how: Any) -> Callable[..., _Call]:
        """Return a method with one answer."""
        return self._spans.around(method, self._channel.unary_unary(method, **how))

    def unary_stream(self, method: str, **how: Any) -> Callable[..., _Call]:
        """Return a method answered by a stream; one span lasts as long as the stream."""
        return self._spans.around(method, self._channel.unary_stream(method, **how))


class _ClientSpans:
    """CLIENT spans."""

    def __init__(self, tracer: Tracer, propagator: TextMapPropagator, address: str) -> None:
        self._tracer = tracer
        self._propagator = propagator
        self._results, self._unsent_results = _results(address_attributes(address)), _results({})

    def around(self, method: str, make: Callable[..., _Call]) -> Callable[..., _Call]:
        """Return a method whose calls have a span each."""
        name = method.lstrip("/")
        attributes = _call_attributes(name)

        def call_method(request: object, *, metadata: _Metadata = None, **how: Any) -> _Call:
            span = self._tracer.start_span(name, kind=SpanKind.CLIENT, attributes=attributes)
            carrier: dict[str, str] = {}
            self._propagator.inject(carrier, context=set_span_in_context(span))
            try:
                call = make(request, metadata=(*(metadata or ()), *carrier.items()), **how)
            except BaseException as error:  # the channel is closed, or the request is none
                self._end(span, grpc.StatusCode.UNKNOWN, str(error))
                raise
            if span.is_recording():
                call.add_done_callback(partial(self._call_done, span))
            return call

        return call_method

    def _call_done(self, span: Span, call: _Call) -> None:
        code = _result_of(call.code())
        self._end(span, code, None if code is grpc.StatusCode.OK else _result_of(call.details()))

    def _end(self, span: Span, code: grpc.StatusCode, details: str | None) -> None:
        if not span.is_recording():  # ended already: gRPC may report a cancelled call twice
            return
        results = self._unsent_results if never_connected(code, details) else self._results
        span.set_attributes(results[code])
        if code is not grpc.StatusCode.OK:
            span.set_status(StatusCode.ERROR, go_message(code, details))
        span.end()


class _ServerSpans(grpc.aio.ServerInterceptor):
    """SERVER spans; handlers find theirs with `opentelemetry.trace.get_current_span()`."""

    def __init__(self, tracer: Tracer, propagator: TextMapPropagator, address: str) -> None:
        self._tracer = tracer
        self._propagator = propagator
        self._fields = frozenset(propagator.fields)
        self._results = _results(address_attributes(address))
        self._woven: dict[str, _MethodHandler] = {}

    async def intercept_service(
        self, continuation: Callable[[_Details], Awaitable[_MethodHandler]], handler_call_details: _Details
    ) -> _MethodHandler:
        """Return the handler of a call's method, woven at the first call: what a server serves never changes."""
        method = handler_call_details.method
        if (woven := self._woven.get(method)) is None:
            handler = await continuation(handler_call_details)
            if handler is None or handler.request_streaming:  # CRI has no such method
                return handler
            woven = self._woven[method] = self._weave(handler, method.lstrip("/"))
        return woven

    def _weave(self, handler: _MethodHandler, name: str) -> _MethodHandler:
        if handler.response_streaming:
            make, behavior = grpc.unary_stream_rpc_method_handler, handler.unary_stream
            # One that is no generator writes its answers through the context.
            weave = self._stream if isasyncgenfunction(behavior) else self._unary
        else:
            make, behavior, weave = grpc.unary_unary_rpc_method_handler, handler.unary_unary, self._unary
        return make(
            weave(behavior, name),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _unary(self, behavior: Handler, name: str) -> Handler:
        attributes = _call_attributes(name)

        async def serve(request: object, context: _ServicerContext) -> object:
            span = self._begin(name, attributes, context)
            try:
                answer = behavior(request, context)
                if isawaitable(answer):
                    answer = await answer
            except BaseException as error:
                self._end(span, *_outcome(context, error))
                raise
            self._end(span, *_outcome(context, None))
            return answer

        return serve

    def _stream(self, behavior: Handler, name: str) -> Handler:
        attributes = _call_attributes(name)

        async def serve(request: object, context: _ServicerContext) -> AsyncIterator[object]:
            span = self._begin(name, attributes, context)
            # A caller may leave while an answer is being sent; gRPC then drops this generator where it stands.
            context.add_done_callback(partial(self._dropped, span))  # type: ignore[arg-type]  # a keyword in stubs
            try:
                async with aclosing(behavior(request, context)) as answers:
                    async for answer in answers:
                        yield answer
            except BaseException as error:
                self._end(span, *_outcome(context, error))
                raise
            self._end(span, *_outcome(context, None))

        return serve

    def _begin(self, name: str, attributes: dict[str, AttributeValue], context: _ServicerContext) -> Span:
        carrier = {key: value for key, value in context.invocation_metadata() or () if key in self._fields}
        around = self._propagator.extract(carrier, context=Context()) if carrier else Context()
        span: Span = self._tracer.start_span(name, around, SpanKind.SERVER, attributes=attributes)
        # Never detached: gRPC gives each call a task, and the task's context goes with it. A stream may even be
        # finalized from another task, where detaching would fail.
        attach(set_span_in_context(span, around))
        return span

    def _dropped(self, span: Span, call: _Call) -> None:
        self._end(span, *_outcome(call, GeneratorExit()))

    def _end(self, span: Span, code: grpc.StatusCode, message: str) -> None:
        if not span.is_recording():
            return
        span.set_attributes(self._results[code])
        if code in _SERVER_ERRORS:
            span.set_status(StatusCode.ERROR, message)
        span.end()


def _call_attributes(name: str) -> dict[str, AttributeValue]:
    return {"rpc.method": name, "rpc.system.name": "grpc"}


def _results(address: dict[str, AttributeValue]) -> dict[grpc.StatusCode, dict[str, AttributeValue]]:
    """Return what a span gets at its end, by the call's code."""
    return {code: {**address, "rpc.response.status_code": code.name} for code in grpc.StatusCode}


def _outcome(context: _ServicerContext, error: BaseException | None) -> tuple[grpc.StatusCode, str]:
    """Return the code and text that gRPC sends, or would have sent, for a handler that ended like this."""
    code = context.code() or grpc.StatusCode.OK
    if error is None and code is grpc.StatusCode.OK:  # nearly always
        return code, ""
    message = context.details() or ""
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
