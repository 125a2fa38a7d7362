"""A CRI runtime that answers what a test tells it to: a real gRPC server on a real socket, both services in one."""

import inspect
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from kubeletsim.pb import cri_pb2

SERVICES = cri_pb2.DESCRIPTOR.services_by_name
METHODS = {method.name: method for service in SERVICES.values() for method in service.methods}


@dataclass(frozen=True)
class Failure:
    """An answer that is an error."""

    code: grpc.StatusCode
    text: str


@dataclass(frozen=True)
class Received:
    """One call as it arrived."""

    rpc: str
    request: Any
    metadata: Mapping[str, str]
    authority: str | None
    seconds_left: float | None


@dataclass
class FakeCRI:
    """The runtime: `answers` by RPC name, and what was `received`.

    An answer is a message, a Failure, a list of messages (for a stream, perhaps ending with a Failure), or a function
    of request and context that does as it likes. An RPC without one gets an empty message.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)

    @property
    def calls(self) -> list[str]:
        """The names of the RPCs received, in order."""
        return [call.rpc for call in self.received]

    def last(self, rpc: str) -> Received:
        """Return the last call of that RPC."""
        return next(call for call in reversed(self.received) if call.rpc == rpc)

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        """Return what a server needs to serve both services."""
        return [
            grpc.method_handlers_generic_handler(
                service.full_name, {method.name: self._handler(method) for method in service.methods}
            )
            for service in SERVICES.values()
        ]

    def _handler(self, method: MethodDescriptor) -> Any:
        async def unary(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            return await self._unary(method, request, context)

        async def stream(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
            async for answer in self._stream(method, request, context):
                yield answer

        make: Callable[..., Any] = (
            grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        )
        return make(
            stream if method.server_streaming else unary,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _note(self, method: MethodDescriptor, request: Message, context: Any) -> Any:
        metadata = {entry.key: entry.value for entry in context.invocation_metadata()}
        self.received.append(
            Received(method.name, request, metadata, metadata.get(":authority"), context.time_remaining())
        )
        return self.answers.get(method.name, GetMessageClass(method.output_type)())

    async def _unary(self, method: MethodDescriptor, request: Message, context: Any) -> Any:
        answer = self._note(method, request, context)
        if callable(answer):
            answer = await answer(request, context)
        if isinstance(answer, Failure):
            await context.abort(answer.code, answer.text)
        return answer

    async def _stream(self, method: MethodDescriptor, request: Message, context: Any) -> AsyncIterator[Any]:
        answer = self._note(method, request, context)
        if inspect.isasyncgenfunction(answer):
            async for message in answer(request, context):
                yield message
            return
        for message in answer if isinstance(answer, list) else [answer]:
            if isinstance(message, Failure):
                await context.abort(message.code, message.text)
            yield message


@asynccontextmanager
async def socket_directory() -> AsyncIterator[Path]:
    """Give a directory with a name short enough for a socket's path."""
    with tempfile.TemporaryDirectory(prefix="cri") as name:
        yield Path(name)


@asynccontextmanager
async def serving(
    fake: FakeCRI, path: Path, *, interceptors: list[grpc.aio.ServerInterceptor] | None = None
) -> AsyncIterator[grpc.aio.Server]:
    """Serve `fake` on a unix socket for the length of the block; the socket is gone afterwards."""
    server = grpc.aio.server(
        handlers=fake.handlers(),
        interceptors=interceptors or [],
        options=[("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 64 << 20)],
    )
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    try:
        yield server
    finally:
        await server.stop(None)
