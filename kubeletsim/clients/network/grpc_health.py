"""The health check of gRPC servers, grpc.health.v1.Health/Check, without TLS.

Its two messages have one field each, so they are written and read here by hand: generated code for them would be a
dependency more. Upstream: pkg/probe/grpc.
"""

import asyncio
import time

import grpc
import grpc.aio

from kubeletsim.base.duration import Duration
from kubeletsim.clients.network.dialing import LOOPBACK, join_host_port
from kubeletsim.model.errors import KubeletSimError

METHOD = "/grpc.health.v1.Health/Check"
STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
SERVICE_FIELD = b"\x0a"  # field 1, a string
STATUS_FIELD = 0x08  # field 1, a number


class Unhealthy(KubeletSimError):
    """The service does not serve, or could not be asked; the text is upstream's."""


async def check_health(host: str, port: int, *, service: str, user_agent: str, timeout_seconds: float) -> None:
    """Ask a server whether a service of it serves; the empty name stands for the server itself.

    Raises:
        Unhealthy: it does not, or there was no answer in time.
    """
    target = join_host_port(host, port)
    patience = Duration.of(seconds=timeout_seconds)
    options = [("grpc.primary_user_agent", user_agent), ("grpc.enable_http_proxy", 0)]
    deadline = time.monotonic() + timeout_seconds
    async with grpc.aio.insecure_channel(target if host else f"{LOOPBACK}:{port}", options=options) as channel:
        try:
            await asyncio.wait_for(channel.channel_ready(), timeout_seconds)
        except TimeoutError as error:
            text = f'timeout: failed to connect service "{target}" within {patience}: context deadline exceeded'
            raise Unhealthy(text) from error
        check: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        try:
            answer = await check(encode_request(service), timeout=max(0.001, deadline - time.monotonic()))
        except grpc.aio.AioRpcError as error:
            raise Unhealthy(_failure_text(error, patience=patience)) from error
    status = decode_status(answer)
    if status != "SERVING":
        raise Unhealthy(f'service unhealthy (responded with "{status}")')


def encode_request(service: str) -> bytes:
    """Return a HealthCheckRequest."""
    name = service.encode()
    return SERVICE_FIELD + _varint(len(name)) + name if name else b""


def decode_status(answer: bytes) -> str:
    """Return the status of a HealthCheckResponse by name; UNKNOWN when it says none that is known."""
    if len(answer) < 2 or answer[0] != STATUS_FIELD or answer[1] >= len(STATUSES):
        return STATUSES[0]
    return STATUSES[answer[1]]


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _failure_text(error: grpc.aio.AioRpcError, *, patience: Duration) -> str:
    match error.code():
        case grpc.StatusCode.UNIMPLEMENTED:
            what = "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
            return f"error: {what}: {error.details()}"
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return f"timeout: health rpc did not complete within {patience}"
        case code:
            return f"error: health rpc probe failed: rpc error: code = {code.name} desc = {error.details()}"
