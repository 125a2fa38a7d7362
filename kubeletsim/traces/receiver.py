"""The receiver: OTLP over gRPC and over HTTP, answered when the spans are stored.

Follows the OTLP specification 1.x: spans with unusable ids are refused by a partial success and the rest is kept;
a request that is no trace request is the sender's fault (INVALID_ARGUMENT, 400) and one that cannot be stored now
is worth a retry (UNAVAILABLE, 503). Browsers get nothing: without CORS headers a page elsewhere cannot send JSON
here.
"""

import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from kubeletsim.traces.otlp import OTLPError, parse_json_request
from kubeletsim.traces.store import TraceStoreError
from kubeletsim.traces.writer import TraceWriter

log = logging.getLogger(__name__)

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
_LARGEST_REQUEST_BYTES = 64 << 20
_GRACE_SECONDS = 2.0
_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_INVALID_ARGUMENT, _RESOURCE_EXHAUSTED, _UNAVAILABLE = 3, 8, 14


class ListenError(Exception):
    """An address cannot be listened on; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on; port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a receiver really listens; None where it was not asked to."""

    grpc: Address | None
    http: Address | None


@asynccontextmanager
async def receiving(
    writer: TraceWriter, *, grpc_address: Address | None, http_address: Address | None
) -> AsyncIterator[Listening]:
    """Receive spans until the block ends, then finish what is under way, for two seconds at most.

    Raises:
        ListenError: an address is in use, or is not ours.
    """
    async with AsyncExitStack() as stack:
        yield Listening(
            grpc=await stack.enter_async_context(_serving_grpc(writer, grpc_address)) if grpc_address else None,
            http=await stack.enter_async_context(_serving_http(writer, http_address)) if http_address else None,
        )


@asynccontextmanager
async def _serving_grpc(writer: TraceWriter, address: Address) -> AsyncIterator[Address]:
    async def export(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        try:
            return (await _store(writer, body)).SerializeToString()
        except OTLPError as e:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(e))
        except TraceStoreError as e:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(e))

    _check_free(address, protocol="gRPC")
    server = grpc.aio.server(
        options=[
            ("grpc.so_reuseport", 0),  # or two receivers would share a port and each get some of the spans
            ("grpc.max_receive_message_length", _LARGEST_REQUEST_BYTES),
        ]
    )
    # Bytes in, bytes out: a body that is no request then gets an answer of ours instead of gRPC's traceback.
    handlers: dict[str, Any] = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
    try:
        port = server.add_insecure_port(str(address))
    except RuntimeError as e:
        raise ListenError(f"cannot listen on {address} for OTLP gRPC: {e}") from e  # lost a race since the check
    await server.start()
    try:
        yield Address(address.host, port)
    finally:
        await server.stop(_GRACE_SECONDS)


def _check_free(address: Address, *, protocol: str) -> None:
    """Bind and let go: gRPC does not say why it cannot listen and writes to stderr, asyncio says it at length."""
    try:
        family, *_, where = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # closed connections may linger on the port
            probe.bind(where)
            probe.listen()
    except OSError as e:
        raise ListenError(f"cannot listen on {address} for OTLP {protocol}: {e.strerror}") from e


@asynccontextmanager
async def _serving_http(writer: TraceWriter, address: Address) -> AsyncIterator[Address]:
    _check_free(address, protocol="HTTP")
    app = web.Application(client_max_size=_LARGEST_REQUEST_BYTES)
    app.router.add_post("/v1/traces", _traces_endpoint(writer))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GRACE_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, address.host, address.port).start()
        except OSError as e:
            raise ListenError(f"cannot listen on {address} for OTLP HTTP: {e}") from e
        yield Address(address.host, runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _traces_endpoint(writer: TraceWriter) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def post_traces(request: web.Request) -> web.Response:
        content_type = request.content_type
        if content_type not in (_PROTOBUF, _JSON):
            return _failure(415, _INVALID_ARGUMENT, f"want {_PROTOBUF} or {_JSON}, not {content_type}", _JSON)
        try:
            body = await request.read()
            if content_type == _JSON:
                body = parse_json_request(body).SerializeToString()
            return _answer(200, await _store(writer, body), content_type)
        except web.HTTPRequestEntityTooLarge:
            return _failure(413, _RESOURCE_EXHAUSTED, f"more than {_LARGEST_REQUEST_BYTES} bytes", content_type)
        except web.RequestPayloadError as e:  # a body that is not what its Content-Encoding says
            return _failure(400, _INVALID_ARGUMENT, f"cannot read the body: {e}", content_type)
        except OTLPError as e:
            return _failure(400, _INVALID_ARGUMENT, str(e), content_type)
        except TraceStoreError as e:
            return _failure(503, _UNAVAILABLE, str(e), content_type)

    return post_traces


async def _store(writer: TraceWriter, payload: bytes) -> ExportTraceServiceResponse:
    try:
        rejected = await writer.add(payload)
    except TraceStoreError as e:
        log.error("spans refused, the sender may try again: %s", e)  # noqa: TRY400  no traceback: the text says it all
        raise
    response = ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = "a trace id must have 16 bytes and a span id 8, not all of them zero"
    return response


def _answer(status: int, message: Message, content_type: str, **headers: str) -> web.Response:
    body = message.SerializeToString() if content_type == _PROTOBUF else json_format.MessageToJson(message).encode()
    return web.Response(status=status, body=body, content_type=content_type, headers=headers)


def _failure(status: int, code: int, message: str, content_type: str) -> web.Response:
    headers: dict[str, Any] = {"Retry-After": "1"} if status == 503 else {}
    return _answer(status, Status(code=code, message=message), content_type, **headers)
