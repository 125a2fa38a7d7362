"""Claims about hostile input: whatever the bytes, they are refused in words or stored and read again."""

import json
from collections.abc import Iterator
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from kubeletsim.traces.batch import Batch
from kubeletsim.traces.filters import AttributeFilter, TraceFilter
from kubeletsim.traces.otlp import OTLPError, parse_json_request
from kubeletsim.traces.query import AttributeSearch
from kubeletsim.traces.render import trace_tree
from kubeletsim.traces.store import TraceStore
from tests.fakes.traces import payload, resource_spans, span_message
from tests.strategies import otlp_resource_spans


@pytest.fixture(scope="module")
def store() -> Iterator[TraceStore]:
    with TemporaryDirectory() as directory, TraceStore.create(f"{directory}/traces.db") as created:
        yield created


def taken(store: TraceStore, body: bytes) -> int:
    """Store a body as the receiver does; return how many spans were stored."""
    batch = Batch()
    batch.add(body)
    stored = store.add_batch(batch).stored
    for trace_id in batch.traces:
        spans = store.spans(trace_id.hex())
        assert spans
        trace_tree(spans)
    return stored


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Encoded requests with some bytes changed, taken out or put in."""
    body = bytearray(payload(draw(otlp_resource_spans())))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(body)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])  # examples are large
@given(body=st.one_of(damaged(), st.binary(max_size=60)))
def test_damaged_protobuf_is_refused_or_stored(store: TraceStore, body: bytes) -> None:
    refusal = ""
    try:
        taken(store, body)
    except OTLPError as error:
        refusal = str(error)

    assert not refusal or refusal.startswith("not an ExportTraceServiceRequest")


@settings(max_examples=100, deadline=None)
@given(
    body=st.recursive(
        st.one_of(st.none(), st.integers(), st.text(max_size=4), st.floats(), st.just("0" * 32), st.just("1" * 16)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=2),
            st.dictionaries(
                st.sampled_from(["resourceSpans", "scopeSpans", "spans", "traceId", "spanId", "attributes", "links"]),
                inner,
                max_size=3,
            ),
        ),
        max_leaves=12,
    )
)
def test_any_json_is_refused_or_stored(store: TraceStore, body: object) -> None:
    refusal = ""
    try:
        taken(store, parse_json_request(json.dumps(body).encode()).SerializeToString())
    except OTLPError as error:
        refusal = str(error)

    assert not refusal or refusal.startswith("not an ExportTraceServiceRequest")


@settings(max_examples=40, deadline=None)
@given(made=otlp_resource_spans(), key=st.text(max_size=5), value=st.text(max_size=5))
def test_a_search_finds_what_a_look_at_every_span_finds(
    store: TraceStore, made: ResourceSpans, key: str, value: str
) -> None:
    store.add([made])
    pairs = [(key, value)]
    spans = [span for trace in store.trace_ids() for span in store.spans(trace)]
    pairs += [(k, "*") for span in spans[-3:] for k in (*span.attributes, *span.resource)]
    for wanted_key, wanted_value in pairs:
        wanted = AttributeFilter(wanted_key, wanted_value)
        looked = {span.trace_id for span in spans if wanted.matches({**span.resource, **span.attributes})}
        assert set(store.trace_ids(TraceFilter(attributes=[wanted]))) == looked


def test_a_gigantic_attribute_and_a_name_of_a_megabyte_are_kept(store: TraceStore) -> None:
    span = span_message("n" * (1 << 20), trace=77, huge="x" * (4 << 20))
    assert taken(store, payload(resource_spans(span))) == 1

    [back] = store.spans(f"{77:032x}")
    assert (len(back.name), len(str(back.attributes["huge"]))) == (1 << 20, 4 << 20)
    assert list(store.trace_ids(TraceFilter(attributes=[AttributeFilter("huge", "xx*")]))) == [f"{77:032x}"]


def test_a_search_for_nothing_known_reads_no_batch(store: TraceStore) -> None:
    assert AttributeSearch(store._db, [AttributeFilter("never seen", "x")]).batches == frozenset()
