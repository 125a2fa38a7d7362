"""The spans of gRPC calls, over real sockets, beside the recordings of a real kubelet."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, attach, detach
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import (
    NonRecordingSpan,
    NoOpTracerProvider,
    SpanContext,
    SpanKind,
    TraceFlags,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kubeletsim.base.rpc_spans import (
    SCOPE_NAME,
    SCOPE_VERSION,
    _outcome,
    address_attributes,
    server_interceptor,
    traced,
)
from kubeletsim.pb import cri_pb2
from kubeletsim.pb.cri_pb2_grpc import ImageServiceStub, RuntimeServiceStub
from tests.fakes.cri_server import Failure, FakeCRI, serving, socket_directory

GOLDEN = [
    span
    for span in json.loads((Path(__file__).parents[1] / "golden" / "spans.json").read_text())
    if span["name"].startswith("runtime.v1.")
]
SOCKET = "/run/containerd/containerd.sock"
PROPAGATOR = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])
REMOTE = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, is_remote=True)
BLAMED = {"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"}


@dataclass
class Wire:
    """A traced client and a traced server with a socket between them."""

    path: Path
    fake: FakeCRI
    spans: InMemorySpanExporter
    channel: grpc.aio.Channel
    methods: grpc.aio.Channel
    runtime: Any = field(init=False)
    images: Any = field(init=False)

    def __post_init__(self) -> None:
        self.runtime = RuntimeServiceStub(self.methods)  # type: ignore[no-untyped-call]
        self.images = ImageServiceStub(self.methods)  # type: ignore[no-untyped-call]

    async def finished(self, kind: SpanKind, count: int = 1) -> list[ReadableSpan]:
        """Return the ended spans of that kind once there are `count`."""
        async with asyncio.timeout(60):
            while True:
                found = [span for span in self.spans.get_finished_spans() if span.kind is kind]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.01)

    async def client_span(self) -> ReadableSpan:
        """Return the one CLIENT span."""
        (span,) = await self.finished(SpanKind.CLIENT)
        return span

    async def server_span(self) -> ReadableSpan:
        """Return the one SERVER span."""
        (span,) = await self.finished(SpanKind.SERVER)
        return span


@asynccontextmanager
async def wired(
    *, client: trace.TracerProvider | None = None, address: str = "", served: bool = True
) -> AsyncIterator[Wire]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(ALWAYS_ON))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    fake = FakeCRI()
    async with socket_directory() as directory:
        path = directory / "s"
        channel = grpc.aio.insecure_channel(f"unix:{path}")
        tracer = (client or provider).get_tracer(SCOPE_NAME, SCOPE_VERSION)
        methods = traced(channel, tracer, PROPAGATOR, address=address or str(path))
        served_spans = server_interceptor(provider.get_tracer(SCOPE_NAME, SCOPE_VERSION), PROPAGATOR, address=str(path))
        async with channel:
            if served:
                async with serving(fake, path, interceptors=[served_spans]):
                    yield Wire(path, fake, exporter, channel, methods)
            else:
                yield Wire(path, fake, exporter, channel, methods)
    provider.shutdown()


@asynccontextmanager
async def under(context: Context) -> AsyncIterator[None]:
    token = attach(context)
    try:
        yield
    finally:
        detach(token)


def shape(span: ReadableSpan) -> dict[str, Any]:
    assert span.instrumentation_scope is not None
    return {
        "name": span.name,
        "kind": span.kind.name,
        "scope": span.instrumentation_scope.name,
        "scope_version": span.instrumentation_scope.version,
        "attributes": dict(span.attributes or {}),
        "status": [span.status.status_code.value, span.status.description or ""],
        "events": [event.name for event in span.events],
        "links": list(span.links),
    }


def _fail(code: str, text: str) -> Failure:
    return Failure(grpc.StatusCode[code], text)


@pytest.mark.parametrize(
    "recorded",
    [span for span in GOLDEN if "server.address" in span["attributes"]],
    ids=lambda span: f"{span['name'].split('/')[1]}-{span['attributes']['rpc.response.status_code']}",
)
async def test_a_client_span_equals_the_recorded_one(recorded: dict[str, Any]) -> None:
    service, _, method = recorded["name"].partition("/")
    code = recorded["attributes"]["rpc.response.status_code"]
    async with wired(address=SOCKET) as wire:
        stub = wire.images if service.endswith("ImageService") else wire.runtime
        request = cri_pb2.DESCRIPTOR.services_by_name[service.rpartition(".")[2]].methods_by_name[method]
        if code != "OK":
            wire.fake.answers[method] = _fail(code, recorded["status"][1])
        try:
            await getattr(stub, method)(request.input_type._concrete_class())
        except grpc.aio.AioRpcError:
            assert code != "OK"
        seen = shape(await wire.client_span())
    assert seen == {key: recorded[key] for key in seen}
    assert list(seen["attributes"]) == list(recorded["attributes"])


@pytest.mark.parametrize(
    "recorded",
    [span for span in GOLDEN if "server.address" not in span["attributes"]],
    ids=lambda span: span["name"].split("/")[1],
)
async def test_a_span_of_a_dead_socket_equals_the_recorded_one(recorded: dict[str, Any]) -> None:
    async with wired(served=False) as wire:
        method = recorded["name"].partition("/")[2]
        request = cri_pb2.DESCRIPTOR.services_by_name["RuntimeService"].methods_by_name[method]
        with pytest.raises(grpc.aio.AioRpcError):
            await getattr(wire.runtime, method)(request.input_type._concrete_class())
        seen = shape(await wire.client_span())
        seen["status"][1] = seen["status"][1].replace(str(wire.path), SOCKET)
    assert seen == {key: recorded[key] for key in seen}


async def test_the_server_span_is_the_child_of_the_client_span() -> None:
    async with wired() as wire:
        await wire.runtime.Version(cri_pb2.VersionRequest())
        client, server = await wire.client_span(), await wire.server_span()
        assert client.parent is None
        assert server.parent is not None
        assert server.parent.span_id == client.context.span_id
        assert server.parent.is_remote
        assert server.context.trace_id == client.context.trace_id
        assert shape(server) == {**shape(client), "kind": "SERVER"}


async def test_a_client_span_is_the_child_of_the_span_around_the_call() -> None:
    provider = TracerProvider()
    async with wired() as wire:
        with provider.get_tracer("t").start_as_current_span("syncPod") as around:
            await wire.runtime.Version(cri_pb2.VersionRequest())
        client = await wire.client_span()
        assert client.parent is not None
        assert client.parent.span_id == around.get_span_context().span_id
    provider.shutdown()


@pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK], ids=lambda code: code.name
)
async def test_a_server_span_is_an_error_only_where_the_server_is_to_blame(code: grpc.StatusCode) -> None:
    blamed = code.name in BLAMED
    async with wired() as wire:
        wire.fake.answers["Version"] = Failure(code, "what happened")
        with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
            await wire.runtime.Version(cri_pb2.VersionRequest())
        server, client = await wire.server_span(), await wire.client_span()
        assert shape(server)["status"] == ([2, "what happened"] if blamed else [0, ""])
        assert shape(client)["status"] == [2, "what happened"]
        assert (server.attributes or {})["rpc.response.status_code"] == code.name


async def test_a_handlers_own_exception_is_unknown_and_leaves_no_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def broken(_request: object, _context: object) -> object:
        raise ValueError("boo")

    async with wired() as wire:
        wire.fake.answers["Version"] = broken
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await wire.runtime.Version(cri_pb2.VersionRequest())
        server = await wire.server_span()
        assert shape(server)["status"] == [2, raised.value.details()]
        assert server.events == ()


async def test_a_handler_sets_attributes_on_its_server_span() -> None:
    async def answer(_request: object, _context: object) -> object:
        trace.get_current_span().set_attribute("sandbox.id", "1")
        return cri_pb2.VersionResponse()

    async with wired() as wire:
        wire.fake.answers["Version"] = answer
        await wire.runtime.Version(cri_pb2.VersionRequest())
        assert ((await wire.server_span()).attributes or {})["sandbox.id"] == "1"


async def _hang(_request: object, _context: object) -> object:
    await asyncio.sleep(60)
    return cri_pb2.VersionResponse()


async def test_a_cancelled_call_ends_its_span_at_once_and_leaves_no_task() -> None:
    async with wired() as wire:
        wire.fake.answers["Version"] = _hang
        await wire.runtime.Status(cri_pb2.StatusRequest())  # the connection's own tasks exist from here on
        wire.spans.clear()
        before = len(_tasks())
        call = asyncio.create_task(_awaited(wire.runtime.Version(cri_pb2.VersionRequest())))
        await _until(lambda: "Version" in wire.fake.calls)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        (span,) = (s for s in wire.spans.get_finished_spans() if s.kind is SpanKind.CLIENT)
        assert shape(span)["status"] == [2, "context canceled"]
        assert (span.attributes or {})["rpc.response.status_code"] == "CANCELLED"
        assert shape(await wire.server_span())["status"] == [0, ""]
        assert ((await wire.server_span()).attributes or {})["rpc.response.status_code"] == "CANCELLED"
        await _until(lambda: len(_tasks()) <= before)


async def test_a_call_cancelled_before_it_left_has_a_span_too() -> None:
    async with wired() as wire:
        call = asyncio.create_task(_awaited(wire.runtime.Version(cri_pb2.VersionRequest())))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        del call
        gc.collect()
        assert [s.status.description for s in await wire.finished(SpanKind.CLIENT)] == ["context canceled"]


async def test_a_call_on_a_closed_channel_has_a_span_that_ended() -> None:
    async with wired() as wire:
        await wire.channel.close()
        with pytest.raises(grpc.aio.UsageError):
            await wire.runtime.Version(cri_pb2.VersionRequest())
        assert (await wire.client_span()).status.status_code is trace.StatusCode.ERROR


async def test_a_method_without_a_handler_is_unimplemented_and_leaves_no_server_span() -> None:
    async with wired() as wire:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await wire.methods.unary_unary("/runtime.v1.RuntimeService/Dance")(b"")
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert (await wire.client_span()).name == "runtime.v1.RuntimeService/Dance"
        assert all(span.kind is SpanKind.CLIENT for span in wire.spans.get_finished_spans())


async def test_a_passed_deadline_is_named_on_the_clients_side_and_the_server_is_told_no_later() -> None:
    async with wired() as wire:
        wire.fake.answers["Version"] = _hang
        with pytest.raises(grpc.aio.AioRpcError):
            await wire.runtime.Version(cri_pb2.VersionRequest(), timeout=1)  # it has to get there first
        client, server = await wire.client_span(), await wire.server_span()
        assert shape(client)["status"] == [2, "context deadline exceeded"]
        assert (client.attributes or {})["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
        # The server counts from when the call came, so the client's leave may reach it before its own deadline.
        assert (server.attributes or {})["rpc.response.status_code"] in ("DEADLINE_EXCEEDED", "CANCELLED")


class _Context:
    """What a server knows of a call that ended without an answer."""

    def __init__(self, *, remaining: float | None) -> None:
        self._remaining = remaining

    def code(self) -> None:
        """No code was set."""

    def details(self) -> str:
        return ""

    def time_remaining(self) -> float | None:
        return self._remaining


@pytest.mark.parametrize(
    ("remaining", "code", "message"),
    [
        (0, grpc.StatusCode.DEADLINE_EXCEEDED, "context deadline exceeded"),
        (0.1, grpc.StatusCode.CANCELLED, "context canceled"),
        (None, grpc.StatusCode.CANCELLED, "context canceled"),
    ],
)
def test_a_call_that_is_cut_short_ran_out_of_time_or_lost_its_caller(
    remaining: float | None, code: grpc.StatusCode, message: str
) -> None:
    context: Any = _Context(remaining=remaining)

    assert _outcome(context, asyncio.CancelledError()) == (code, message)


async def _events(_request: object, _context: object) -> AsyncIterator[object]:
    while True:
        yield cri_pb2.ContainerEventResponse(container_id="c")
        await asyncio.sleep(0.01)


async def test_a_stream_has_one_span_until_its_end() -> None:
    async with wired() as wire:
        wire.fake.answers["GetContainerEvents"] = [cri_pb2.ContainerEventResponse()] * 3
        seen = [event async for event in wire.runtime.GetContainerEvents(cri_pb2.GetEventsRequest())]
        assert len(seen) == 3
        client, server = await wire.client_span(), await wire.server_span()
        assert shape(client)["status"] == shape(server)["status"] == [0, ""]
        assert server.parent is not None
        assert server.parent.span_id == client.context.span_id


async def test_a_stream_that_fails_names_the_failure() -> None:
    async with wired() as wire:
        wire.fake.answers["GetContainerEvents"] = [cri_pb2.ContainerEventResponse(), _fail("INTERNAL", "oh")]
        with pytest.raises(grpc.aio.AioRpcError):
            async for _ in wire.runtime.GetContainerEvents(cri_pb2.GetEventsRequest()):
                pass
        for span in (await wire.client_span(), await wire.server_span()):
            assert shape(span)["status"] == [2, "oh"]


async def _cancel_stream(wire: Wire) -> None:
    call = wire.runtime.GetContainerEvents(cri_pb2.GetEventsRequest())
    async for _ in call:
        call.cancel()
        break


async def _cancel_consumer(wire: Wire) -> None:
    async def consume() -> None:
        async for _ in wire.runtime.GetContainerEvents(cri_pb2.GetEventsRequest()):
            seen.set()

    seen = asyncio.Event()
    consumer = asyncio.create_task(consume())
    await seen.wait()
    consumer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await consumer
    gc.collect()


@pytest.mark.parametrize("leave", [_cancel_stream, _cancel_consumer])
async def test_a_stream_left_early_ends_both_spans_as_cancelled(
    leave: Callable[[Wire], Awaitable[None]],
) -> None:
    async with wired() as wire:
        wire.fake.answers["GetContainerEvents"] = _events
        await leave(wire)
        for span in (await wire.client_span(), await wire.server_span()):
            assert (span.attributes or {})["rpc.response.status_code"] == "CANCELLED"


async def test_a_stream_that_nobody_reads_ends_with_its_channel() -> None:
    """GRPC itself keeps a forgotten stream open until then, so its span is open for as long."""
    async with wired() as wire:
        wire.fake.answers["GetContainerEvents"] = _events
        wire.runtime.GetContainerEvents(cri_pb2.GetEventsRequest())
        await _until(lambda: "GetContainerEvents" in wire.fake.calls)
        assert wire.spans.get_finished_spans() == ()
        await wire.channel.close()
        for span in (await wire.client_span(), await wire.server_span()):
            assert (span.attributes or {})["rpc.response.status_code"] == "CANCELLED"


async def test_context_and_baggage_travel_in_the_metadata() -> None:
    async with wired() as wire:
        async with under(baggage.set_baggage("who", "me", Context())):
            await wire.runtime.Version(cri_pb2.VersionRequest())
        client = await wire.client_span()
        metadata = wire.fake.last("Version").metadata
        ids = f"{client.context.trace_id:032x}-{client.context.span_id:016x}"
        assert metadata["traceparent"] == f"00-{ids}-{client.context.trace_flags:02x}"
        assert client.context.trace_flags & TraceFlags.SAMPLED
        assert metadata["baggage"] == "who=me"


async def test_an_unsampled_context_is_sent_too() -> None:
    off = TracerProvider(sampler=ALWAYS_OFF)
    async with wired(client=off) as wire:
        await wire.runtime.Version(cri_pb2.VersionRequest())
        flags = int(wire.fake.last("Version").metadata["traceparent"][-2:], 16)
        assert not flags & TraceFlags.SAMPLED
        assert wire.spans.get_finished_spans() == ()
    off.shutdown()


@pytest.mark.parametrize("flags", [TraceFlags.SAMPLED, TraceFlags.DEFAULT])
async def test_without_a_provider_an_incoming_context_is_relayed(flags: int) -> None:
    remote = SpanContext(REMOTE.trace_id, REMOTE.span_id, is_remote=True, trace_flags=TraceFlags(flags))
    async with wired(client=NoOpTracerProvider()) as wire:
        async with under(trace.set_span_in_context(NonRecordingSpan(remote), Context())):
            await wire.runtime.Version(cri_pb2.VersionRequest())
        assert wire.fake.last("Version").metadata["traceparent"] == (
            f"00-{REMOTE.trace_id:032x}-{REMOTE.span_id:016x}-{flags:02x}"
        )


async def test_without_a_provider_and_a_context_nothing_is_sent() -> None:
    async with wired(client=NoOpTracerProvider()) as wire:
        await wire.runtime.Version(cri_pb2.VersionRequest())
        assert not {"traceparent", "tracestate", "baggage"} & set(wire.fake.last("Version").metadata)
        assert (await wire.server_span()).parent is None


async def test_the_callers_own_metadata_is_kept() -> None:
    async with wired() as wire:
        await wire.runtime.Version(cri_pb2.VersionRequest(), metadata=(("x", "1"),))
        assert wire.fake.last("Version").metadata["x"] == "1"


@pytest.mark.parametrize(
    ("address", "attributes"),
    [
        ("/run/a.sock", {"server.address": "/run/a.sock"}),
        ("@name", {"server.address": "@name"}),
        ("@name:7", {"server.address": "@name:7"}),
        ("127.0.0.1:3735", {"server.address": "127.0.0.1", "server.port": 3735}),
        ("[::1]:3735", {"server.address": "::1", "server.port": 3735}),
        ("host", {"server.address": "host"}),
    ],
)
def test_an_address_is_a_path_or_a_host_with_a_port(address: str, attributes: dict[str, object]) -> None:
    assert address_attributes(address) == attributes


async def _awaited(call: Awaitable[Any]) -> Any:
    return await call


def _tasks() -> list[asyncio.Task[Any]]:
    """The tasks of this loop, without those in which the fake server waits for the next call."""
    return [task for task in asyncio.all_tasks() if "AioServer" not in repr(task.get_coro())]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  what is waited for is anything, so nobody sets an event
            await asyncio.sleep(0.01)
