"""Claims about the receiver: both transports take the same spans, and say clearly what they do not take."""

import asyncio
import gzip
import json
import os
import socket
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import grpc
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.context import Context
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from kubeletsim.base.telemetry import TracingSettings, open_telemetry
from kubeletsim.traces.batch import Batch
from kubeletsim.traces.otlp import to_json
from kubeletsim.traces.receiver import Address, ListenError, receiving
from kubeletsim.traces.store import AddResult, TraceStore
from kubeletsim.traces.writer import writing_to
from tests.fakes.traces import resource_spans, span_message

PROTOBUF, JSON = "application/x-protobuf", "application/json"
ANY_PORT = Address("127.0.0.1", 0)
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@dataclass
class Running:
    store: TraceStore
    grpc: str
    url: str

    def names(self) -> list[str]:
        return sorted(span.name for trace in self.store.trace_ids() for span in self.store.spans(trace))


@asynccontextmanager
async def running(path: Path) -> AsyncIterator[Running]:
    with TraceStore.create(path / "traces.db") as store, TraceStore.open(store.path) as reader:
        async with (
            writing_to(store) as writer,
            receiving(writer, grpc_address=ANY_PORT, http_address=ANY_PORT) as listening,
        ):
            assert listening.grpc is not None
            assert listening.http is not None
            yield Running(reader, str(listening.grpc), f"http://{listening.http}/v1/traces")


@pytest.fixture
async def receiver(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path) as started:
        yield started


def request(*messages: ResourceSpans) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest(resource_spans=messages)


def unusable() -> ResourceSpans:
    span = span_message()
    span.span_id = b""
    return resource_spans(span, span)


async def post(url: str, body: bytes, **headers: str) -> tuple[int, str, bytes]:
    """POST and return status, content type and body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=named) as answer:
        return answer.status, answer.content_type, await answer.read()


async def test_grpc_stores_what_it_acknowledges(receiver: Running) -> None:
    async with grpc.aio.insecure_channel(receiver.grpc) as channel:
        stub = TraceServiceStub(channel)  # type: ignore[no-untyped-call]
        answer = await stub.Export(request(resource_spans(span_message("one"))), compression=grpc.Compression.Gzip)

    assert answer == ExportTraceServiceResponse()
    assert receiver.names() == ["one"]


async def test_grpc_names_spans_it_cannot_use_and_keeps_the_rest(receiver: Running) -> None:
    async with grpc.aio.insecure_channel(receiver.grpc) as channel:
        stub = TraceServiceStub(channel)  # type: ignore[no-untyped-call]
        answer = await stub.Export(request(unusable(), resource_spans(span_message("one"))))

    assert answer.partial_success.rejected_spans == 2
    assert "a trace id must have 16 bytes" in answer.partial_success.error_message
    assert receiver.names() == ["one"]


async def test_grpc_refuses_what_is_no_request_as_the_senders_fault(receiver: Running) -> None:
    async with grpc.aio.insecure_channel(receiver.grpc) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(EXPORT)(b"\xff\xff\xff")

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not an ExportTraceServiceRequest" in str(caught.value.details())


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON, f"{JSON}; charset=utf-8"])
@pytest.mark.parametrize("compressed", [False, True])
async def test_http_takes_protobuf_and_json_plain_and_gzipped(
    receiver: Running, content_type: str, compressed: bool
) -> None:
    made = request(resource_spans(span_message("one")))
    body = made.SerializeToString() if content_type == PROTOBUF else to_json(made.resource_spans).encode()
    headers = {"Content_Type": content_type} | ({"Content_Encoding": "gzip"} if compressed else {})

    status, answered, answer = await post(receiver.url, gzip.compress(body) if compressed else body, **headers)

    assert (status, answered) == (200, content_type.partition(";")[0])
    assert answer in (b"", b"{}")
    assert receiver.names() == ["one"]


async def test_json_and_protobuf_store_the_same(tmp_path: Path) -> None:
    made = request(resource_spans(span_message("one", error="no", n=1), span_message("two", span=2, parent=1)))
    stored = []
    for number, (content_type, body) in enumerate(
        [(PROTOBUF, made.SerializeToString()), (JSON, to_json(made.resource_spans).encode())]
    ):
        directory = tmp_path / str(number)
        directory.mkdir()
        async with running(directory) as receiver:
            await post(receiver.url, body, Content_Type=content_type)
            stored.append([receiver.store.resource_spans(trace) for trace in receiver.store.trace_ids()])

    assert stored[0] == stored[1] == [list(made.resource_spans)]


async def test_http_names_spans_it_cannot_use(receiver: Running) -> None:
    status, _, answer = await post(receiver.url, request(unusable()).SerializeToString(), Content_Type=PROTOBUF)

    assert status == 200
    assert ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans == 2

    status, _, answer = await post(receiver.url, to_json([unusable()]).encode(), Content_Type=JSON)
    assert json.loads(answer)["partialSuccess"]["rejectedSpans"] == "2"


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        pytest.param(b"{", {"Content_Type": JSON}, 400, "not an ExportTraceServiceRequest", id="broken JSON"),
        pytest.param(b"\xff\xff", {"Content_Type": PROTOBUF}, 400, "not an ExportTraceServiceRequest", id="protobuf"),
        pytest.param(
            b"not gzip", {"Content_Type": JSON, "Content_Encoding": "gzip"}, 400, "cannot read the body", id="gzip"
        ),
        pytest.param(b"{}", {"Content_Type": "text/plain"}, 415, "not text/plain", id="text"),
        pytest.param(b"{}", {}, 415, "not application/octet-stream", id="no content type"),
    ],
)
async def test_http_says_what_is_wrong_in_the_senders_own_encoding(
    receiver: Running, body: bytes, headers: dict[str, str], status: int, says: str
) -> None:
    answered, content_type, answer = await post(receiver.url, body, **headers)

    assert answered == status
    message = Status.FromString(answer).message if content_type == PROTOBUF else json.loads(answer)["message"]
    assert says in message
    assert content_type == (PROTOBUF if headers.get("Content_Type") == PROTOBUF else JSON)


async def test_http_refuses_what_is_too_large_before_it_is_unpacked(receiver: Running) -> None:
    bomb = gzip.compress(bytes(65 << 20))
    status, _, answer = await post(receiver.url, bomb, Content_Type=JSON, Content_Encoding="gzip")

    assert status == 413
    assert "more than 67108864 bytes" in json.loads(answer)["message"]


async def test_http_has_one_path_and_one_method(receiver: Running) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(receiver.url) as answer:
            assert answer.status == 405
        async with session.options(receiver.url) as answer:  # so a page of another origin may not send JSON
            assert answer.status == 405
            assert "Access-Control-Allow-Origin" not in answer.headers
        async with session.post(receiver.url.replace("traces", "metrics")) as answer:
            assert answer.status == 404


async def test_a_store_that_is_full_asks_senders_to_try_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    large = request(resource_spans(span_message(text=os.urandom(50_000).hex())))
    with TraceStore.create(tmp_path / "traces.db") as store:
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages + 5}")
        async with (
            writing_to(store) as writer,
            receiving(writer, grpc_address=ANY_PORT, http_address=ANY_PORT) as listening,
        ):
            async with grpc.aio.insecure_channel(str(listening.grpc)) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await TraceServiceStub(channel).Export(large)  # type: ignore[no-untyped-call]
            url = f"http://{listening.http}/v1/traces"
            async with aiohttp.ClientSession() as session:
                body, headers = large.SerializeToString(), {"Content-Type": PROTOBUF}
                async with session.post(url, data=body, headers=headers) as answer:
                    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "database or disk is full" in caplog.messages[0]
    assert all(record.exc_info is None for record in caplog.records)


@pytest.mark.parametrize("protocol", ["gRPC", "HTTP"])
async def test_a_port_in_use_is_named(tmp_path: Path, protocol: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, TraceStore.create(tmp_path / "traces.db") as store:
        address = Address("127.0.0.1", taken.getsockname()[1])
        async with writing_to(store) as writer:
            with pytest.raises(ListenError) as caught:
                async with receiving(
                    writer,
                    grpc_address=address if protocol == "gRPC" else None,
                    http_address=address if protocol == "HTTP" else None,
                ):
                    pass

    assert str(caught.value) == f"cannot listen on {address} for OTLP {protocol}: Address already in use"


async def test_an_address_that_is_not_ours_is_named(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "traces.db") as store:
        async with writing_to(store) as writer:
            with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:0 for OTLP HTTP"):
                async with receiving(writer, grpc_address=None, http_address=Address("192.0.2.1", 0)):
                    pass


class SlowStore(TraceStore):
    """Commits when it is told to."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        super().__init__(connection, path)
        self.committing = threading.Event()
        self.go_on = threading.Event()

    def add_batch(self, batch: Batch) -> AddResult:
        self.committing.set()
        self.go_on.wait(60)
        return super().add_batch(batch)


async def test_what_is_under_way_at_the_end_is_stored_and_answered(tmp_path: Path) -> None:
    with SlowStore.create(tmp_path / "traces.db") as store:
        async with (
            asyncio.TaskGroup() as senders,
            writing_to(store) as writer,
            receiving(writer, grpc_address=ANY_PORT, http_address=None) as listening,
        ):
            channel = grpc.aio.insecure_channel(str(listening.grpc))
            stub = TraceServiceStub(channel)  # type: ignore[no-untyped-call]

            async def send() -> None:
                await stub.Export(request(resource_spans(span_message())))

            senders.create_task(send(), name="sender")
            await asyncio.to_thread(store.committing.wait, 60)
            asyncio.get_running_loop().call_later(0.1, store.go_on.set)
        await channel.close()

        assert len(list(store.trace_ids())) == 1


async def test_our_own_telemetry_arrives(receiver: Running) -> None:
    async with open_telemetry(
        TracingSettings(receiver.grpc, 1_000_000), resource={"service.name": "kubelet"}, environ={}
    ) as telemetry:
        tracer = telemetry.tracer("k8s.io/kubernetes/pkg/kubelet")
        with tracer.start_as_current_span("syncPod", context=Context()), tracer.start_as_current_span("child"):
            pass

    assert receiver.names() == ["child", "syncPod"]
    [trace] = receiver.store.traces()
    assert (trace.root_name, trace.root_service, trace.spans) == ("syncPod", "kubelet", 2)
