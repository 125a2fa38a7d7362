"""This module is the seam between handlers and gRPC: it finds the handler of each RPC and words its refusals.

Handlers are methods named after their RPC (`pod_sandbox_status` serves PodSandboxStatus). A plain method answers at
once; an `async` one takes its time; one that serves a stream returns it, begun. An RPC without a handler answers
UNIMPLEMENTED.
"""

import inspect
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import closing
from typing import Any, NoReturn

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from opentelemetry import trace

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.refusals import Wordings, word
from runtime_stub.services.injector import Injector
from runtime_stub.services.performer import Performer
from runtime_stub.services.scene import Scene
from runtime_stub.state.refusals import Refusal

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
Handler = Callable[[Any], Any]
Behavior = Callable[[Any, Context], Any]

_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def generic_handlers(
    handlers: Sequence[object],
    *,
    performer: Performer,
    injector: Injector,
    wordings: Wordings,
    excepted: Collection[str] = (),
) -> list[grpc.GenericRpcHandler]:
    """Return both CRI services, served by the methods of some objects.

    A failure of an RPC named in `excepted` is an `exception` event of its span as well.
    """
    services = []
    for service in pb.DESCRIPTOR.services_by_name.values():
        methods = {
            method.name: _method_handler(
                method,
                _find(handlers, method.name),
                performer=performer,
                injector=injector,
                wordings=wordings,
                is_excepted=method.name in excepted,
            )
            for method in service.methods
        }
        services.append(grpc.method_handlers_generic_handler(service.full_name, methods))
    return services


def handler_name(rpc: str) -> str:
    """Return the name of the method that serves an RPC."""
    return _CAPITAL.sub("_", rpc).lower()


def _find(handlers: Sequence[object], rpc: str) -> Handler | None:
    return next((found for one in handlers if (found := getattr(one, handler_name(rpc), None)) is not None), None)


def _method_handler(
    method: MethodDescriptor,
    handler: Handler | None,
    *,
    performer: Performer,
    injector: Injector,
    wordings: Wordings,
    is_excepted: bool,
) -> "grpc.RpcMethodHandler[Any, Any]":
    decode = GetMessageClass(method.input_type).FromString
    if handler is not None and method.server_streaming:
        stream = _stream(method.name, handler, injector=injector, wordings=wordings)
        return grpc.unary_stream_rpc_method_handler(stream, request_deserializer=decode, response_serializer=_encode)
    behavior = _unary(
        method, handler, performer=performer, injector=injector, wordings=wordings, is_excepted=is_excepted
    )
    make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
    return make(behavior, request_deserializer=decode, response_serializer=_encode)


def _unary(
    method: MethodDescriptor,
    handler: Handler | None,
    *,
    performer: Performer,
    injector: Injector,
    wordings: Wordings,
    is_excepted: bool,
) -> Behavior:
    if handler is None:
        return _unimplemented(method)
    rpc = method.name
    answer = handler if inspect.iscoroutinefunction(handler) else None
    has_plan = performer.has_plan(rpc)
    if answer is None and has_plan:
        answer = _planned(rpc, handler, performer)

    async def serve(request: Message, context: Context) -> object:
        try:
            if injector.armed:
                return await injector.serve(rpc, request, answer or _awaitable(handler), has_plan=has_plan)
            return handler(request) if answer is None else await answer(request)
        except Refusal as refusal:
            code, text = word(refusal, wordings)
            log.debug("%s: %s: %s", rpc, code, text)
            if is_excepted:
                _note_exception(code, text)
            return await _abort(context, code, text)

    return serve


def _planned(rpc: str, handler: Handler, performer: Performer) -> Callable[[Any], Awaitable[object]]:
    """Return a handler that answers where the profile's plan says so."""

    async def answer(request: Message) -> object:
        answers: list[object] = []
        await performer.perform(rpc, Scene(steps={"answer": lambda: answers.append(handler(request))}))
        return answers[0]

    return answer


def _awaitable(handler: Handler) -> Callable[[Any], Awaitable[object]]:
    async def answer(request: Message) -> object:
        return handler(request)

    return answer


def _stream(rpc: str, handler: Handler, *, injector: Injector, wordings: Wordings) -> Behavior:
    async def serve(request: Message, context: Context) -> AsyncIterator[object]:
        try:
            if injector.armed:
                await injector.begin_stream(rpc, request)
            with closing(handler(request)) as stream:
                await context.send_initial_metadata(())  # tells the caller that the stream has begun
                async for message in stream:
                    yield message
        except Refusal as refusal:
            await _abort(context, *word(refusal, wordings))

    return serve


def _unimplemented(method: MethodDescriptor) -> Behavior:
    service = method.containing_service.full_name

    async def serve(request: Message, context: Context) -> NoReturn:
        del request
        await _abort(context, "UNIMPLEMENTED", f"unknown method {method.name} for service {service}")

    return serve


def _note_exception(code: str, text: str) -> None:
    """Add a failure to the call's span in the way a runtime in Go records it."""
    spelled = "Canceled" if code == "CANCELLED" else code.title().replace("_", "")
    message = f"rpc error: code = {spelled} desc = {text}"
    event = {"exception.type": "*status.Error", "exception.message": message}
    trace.get_current_span().add_event("exception", event)


async def _abort(context: Context, code: str, text: str) -> NoReturn:
    await context.abort(grpc.StatusCode[code], text)
    raise AssertionError("abort never returns")


def _encode(answer: Message | bytes) -> bytes:
    """Return an answer's wire form; a handler may have put it together already."""
    return answer if isinstance(answer, bytes) else answer.SerializeToString()
