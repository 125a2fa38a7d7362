"""This module is the seam under every RPC: its deadline, its errors and its metrics, of which the RPCs know nothing."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

import grpc
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import Tracer

from kubeletsim.base.rpc_spans import traced
from kubeletsim.clients.cri.operations import Operations
from kubeletsim.clients.cri_error import cri_error
from kubeletsim.clients.endpoint import Endpoint
from kubeletsim.pb.cri_pb2_grpc import ImageServiceStub, RuntimeServiceStub

if TYPE_CHECKING:  # the generated code has these classes in its stubs alone
    from kubeletsim.pb.cri_pb2_grpc import ImageServiceAsyncStub, RuntimeServiceAsyncStub

Q = TypeVar("Q")
A = TypeVar("A")
T = TypeVar("T")
Within = float | None | Literal["usual"]
"""A deadline in seconds, None for none, "usual" for the configured one."""

LARGEST_ANSWER_BYTES = 16 * 1024 * 1024
CHANNEL_OPTIONS = (
    ("grpc.default_authority", "localhost"),
    ("grpc.max_receive_message_length", LARGEST_ANSWER_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 3_000),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # despite its name the time one attempt to connect may take
    ("grpc.use_local_subchannel_pool", 1),  # otherwise two channels to one socket share a connection
    ("grpc.enable_http_proxy", 0),
)
"""The client every user of CRI shares: staging/src/k8s.io/cri-client/pkg/remote_runtime.go and utils.go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Two connections and how to call on them."""

    runtime: "RuntimeServiceAsyncStub"
    images: "ImageServiceAsyncStub"
    runtime_endpoint: Endpoint
    image_endpoint: Endpoint
    timeout_seconds: float
    """The deadline of a call that has none of its own: `runtimeRequestTimeout`."""
    operations: Operations | None = None

    @property
    def uncounted(self) -> "Calls":
        """The same connections, without metrics."""
        return replace(self, operations=None)

    async def one(
        self,
        rpc: str,
        method: grpc.aio.UnaryUnaryMultiCallable[Q, A],
        request: Q,
        read: Callable[[A], T],
        *,
        within: Within = "usual",
    ) -> T:
        """Call, and return the answer as `read` understands it.

        Raises:
            CRIError: the call failed, or `read` missed something.
        """
        with self._observe(rpc):
            try:
                answer = await method(request, timeout=self._seconds(within))
            except grpc.aio.AioRpcError as error:
                raise cri_error(error, rpc=rpc) from error
            return read(answer)

    async def many(
        self,
        rpc: str,
        method: grpc.aio.UnaryStreamMultiCallable[Q, A],
        request: Q,
        read: Callable[[A], Iterable[T]],
        *,
        within: Within = "usual",
        connected: Callable[[], None] | None = None,
    ) -> AsyncGenerator[T, None]:
        """Call, and give one by one what `read` finds in each message; closing the iterator ends the call.

        `connected` is called once the request is out, before there is an answer.

        Raises:
            CRIError: the call failed, perhaps after some messages.
        """
        with self._observe(rpc):
            call = method(request, timeout=self._seconds(within))
            try:
                if connected is not None:
                    await call.wait_for_connection()
                    connected()
                async for message in call:
                    for item in read(message):
                        yield item
            except grpc.aio.AioRpcError as error:
                raise cri_error(error, rpc=rpc) from error
            finally:
                call.cancel()  # gRPC would keep a stream that nobody reads open for as long as the channel lives

    def _observe(self, rpc: str) -> AbstractContextManager[None]:
        return self.operations.observe(rpc) if self.operations else nullcontext()

    def _seconds(self, within: Within) -> float | None:
        return self.timeout_seconds if within == "usual" else within


@asynccontextmanager
async def open_calls(
    runtime_endpoint: Endpoint,
    *,
    image_endpoint: Endpoint | None,
    timeout_seconds: float,
    tracer: Tracer | None,
    propagator: TextMapPropagator | None,
    operations: Operations | None,
) -> AsyncIterator[Calls]:
    """Open the two channels for the length of the block. Nothing is dialled before the first call."""
    image_endpoint = image_endpoint or runtime_endpoint

    def channel(endpoint: Endpoint) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(endpoint.target, options=CHANNEL_OPTIONS)

    def methods(channel: grpc.aio.Channel, endpoint: Endpoint) -> grpc.aio.Channel:
        return traced(channel, tracer, propagator, address=endpoint.address) if tracer and propagator else channel

    async with channel(runtime_endpoint) as runtime, channel(image_endpoint) as images:
        yield Calls(
            runtime=RuntimeServiceStub(methods(runtime, runtime_endpoint)),
            images=ImageServiceStub(methods(images, image_endpoint)),
            runtime_endpoint=runtime_endpoint,
            image_endpoint=image_endpoint,
            timeout_seconds=timeout_seconds,
            operations=operations,
        )
