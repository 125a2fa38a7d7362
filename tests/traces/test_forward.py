"""Claims about forwarding: the other back end gets everything, sooner or later, and nobody waits for it."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from kubeletsim.traces import forward
from kubeletsim.traces.forward import BackEnd, forwarding, pieces
from kubeletsim.traces.receiver import Address, receiving
from kubeletsim.traces.store import TraceStore
from kubeletsim.traces.writer import writing_to
from tests.fakes.authority import Authority
from tests.fakes.otlp_receiver import running_receiver
from tests.fakes.traces import payload, resource_spans, span_message
from tests.ports import free_port
from tests.strategies import otlp_resource_spans

QUICK = {"poll_seconds": 0.01, "rng": random.Random(1)}


def free_address() -> Address:
    return Address("127.0.0.1", free_port())


def spans_of(store: TraceStore) -> list[str]:
    return sorted(repr(span) for trace in store.trace_ids() for span in store.spans(trace))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  a store has no event to wait for
            await asyncio.sleep(0.01)


@asynccontextmanager
async def back_end(path: Path, address: Address) -> AsyncIterator[TraceStore]:
    with TraceStore.create(path) as store:
        async with writing_to(store) as writer, receiving(writer, grpc_address=address, http_address=None):
            yield store


async def test_the_other_back_end_gets_every_span_that_is_stored(tmp_path: Path) -> None:
    address = free_address()
    with TraceStore.create(tmp_path / "a.db") as store:
        store.add([resource_spans(span_message("before", trace=99))])
        async with back_end(tmp_path / "b.db", address) as other:
            async with forwarding(store.path, BackEnd(address), **QUICK), writing_to(store) as writer:
                for number in range(1, 20):
                    await writer.add(payload(resource_spans(span_message(trace=number, text="x"))))
            assert spans_of(other) == [one for one in spans_of(store) if "before" not in one]


async def test_what_arrives_while_the_other_is_away_is_sent_when_it_is_back(tmp_path: Path) -> None:
    address = free_address()
    with TraceStore.create(tmp_path / "a.db") as store:
        async with forwarding(store.path, BackEnd(address), **QUICK), writing_to(store) as writer:
            await writer.add(payload(resource_spans(span_message(trace=1))))
            await asyncio.sleep(0.1)
            async with back_end(tmp_path / "b.db", address) as other:
                await writer.add(payload(resource_spans(span_message(trace=2))))
                await until(lambda: len(spans_of(other)) == 2)


async def test_a_back_end_that_never_comes_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(forward, "_FLUSH_SECONDS", 0.1)
    with TraceStore.create(tmp_path / "a.db") as store:
        async with asyncio.timeout(60), forwarding(store.path, BackEnd(free_address()), **QUICK):
            store.add([resource_spans(span_message())])

    assert "did not take the last 1 batches; the store has them" in caplog.text


async def test_what_could_not_be_sent_before_the_end_is_sent_after_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "_FLUSH_SECONDS", 0.1)
    address = free_address()
    with TraceStore.create(tmp_path / "a.db") as store:
        store.add([resource_spans(span_message("before", trace=99))])
        async with forwarding(store.path, BackEnd(address), **QUICK):
            store.add([resource_spans(span_message(trace=1))])
        store.add([resource_spans(span_message(trace=2))])  # between an end and a start, by an import
        async with back_end(tmp_path / "b.db", address) as other:
            async with forwarding(store.path, BackEnd(address), **QUICK):
                await until(lambda: len(spans_of(other)) == 2)
            async with forwarding(store.path, BackEnd(address), **QUICK):
                store.add([resource_spans(span_message(trace=3))])
        with TraceStore.open(tmp_path / "b.db") as other:
            assert [int(one.trace_id, 16) for one in other.traces()] == [3, 2, 1]
            assert other.latest_batch() == 3  # nothing came twice


async def test_a_back_end_behind_tls_that_wants_a_token_is_served(tmp_path: Path) -> None:
    authority = Authority.make()
    credentials = grpc.ssl_server_credentials([authority.issue("localhost")])
    with running_receiver("localhost:0", credentials=credentials) as receiver:
        address = Address("localhost", int(receiver.target.rpartition(":")[2]))
        target = BackEnd(address, tls=True, ca=authority.pem, headers=[("authorization", "Bearer x")])
        with TraceStore.create(tmp_path / "a.db") as store:
            async with forwarding(store.path, target, **QUICK):
                store.add([resource_spans(span_message())])
                await until(lambda: receiver.requests)

    assert len(receiver.spans) == 1
    assert receiver.metadata[0]["authorization"] == "Bearer x"


async def test_a_call_that_is_under_way_at_the_end_is_not_made_twice(tmp_path: Path) -> None:
    with running_receiver() as receiver, TraceStore.create(tmp_path / "a.db") as store:
        receiver.hanging.set()
        address = Address("127.0.0.1", int(receiver.target.rpartition(":")[2]))
        async with forwarding(store.path, BackEnd(address), **QUICK):
            store.add([resource_spans(span_message())])
            await until(lambda: receiver.calls)
            asyncio.get_running_loop().call_later(0.1, receiver.released.set)

    assert receiver.calls == 1
    assert len(receiver.spans) == 1


@asynccontextmanager
async def answering(answer: Callable[[bytes, Any], Any]) -> AsyncIterator[Address]:
    server = grpc.aio.server()
    handlers: dict[str, Any] = {"Export": grpc.unary_unary_rpc_method_handler(answer)}
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield Address("127.0.0.1", port)
    finally:
        await server.stop(None)


async def test_what_is_refused_for_good_is_left_out_and_what_may_be_tried_again_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    codes = [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT]
    taken: list[bytes] = []

    async def answer(body: bytes, context: Any) -> bytes:
        if codes:
            await context.abort(codes.pop(0), "not now")
        taken.append(body)
        response = ExportTraceServiceResponse()
        response.partial_success.rejected_spans = 1
        return response.SerializeToString()

    async with answering(answer) as address:
        with TraceStore.create(tmp_path / "a.db") as store:
            async with forwarding(store.path, BackEnd(address), **QUICK):
                for number in (1, 2):
                    store.add([resource_spans(span_message(trace=number))])

    assert taken == [payload(resource_spans(span_message(trace=2)))]
    assert "refused spans for good: INVALID_ARGUMENT: not now" in caplog.text
    assert "refused 1 spans" in caplog.text


@settings(max_examples=40, deadline=None)  # examples are large
@given(st.lists(otlp_resource_spans(), max_size=3), st.integers(1, 500))
def test_pieces_hold_every_span_with_its_surroundings_once(made: list[ResourceSpans], most_bytes: int) -> None:
    def spans(messages: list[ResourceSpans]) -> list[bytes]:
        return [
            one.resource.SerializeToString() + scope.scope.SerializeToString() + span.SerializeToString()
            for one in messages
            for scope in one.scope_spans
            for span in scope.spans
        ]

    whole = payload(*made)
    parts = [ExportTraceServiceRequest.FromString(piece) for piece in pieces(whole, most_bytes=most_bytes)]

    assert [span for part in parts for span in spans(list(part.resource_spans))] == spans(made)
    for part in parts:
        count = sum(len(scope.spans) for one in part.resource_spans for scope in one.scope_spans)
        sizes = sum(span.ByteSize() for one in part.resource_spans for scope in one.scope_spans for span in scope.spans)
        assert count <= 1 or sizes <= most_bytes or (len(parts) == 1 and len(whole) <= most_bytes)
