"""Claims about batches: what came is kept byte for byte, the index agrees with it, what is refused is counted."""

import pytest
from hypothesis import given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from kubeletsim.traces.batch import Batch, Root
from kubeletsim.traces.otlp import OTLPError, service_name
from tests.fakes.traces import MS, START_NS, payload, resource_spans, span_message
from tests.strategies import otlp_resource_spans

ONE = (1).to_bytes(16, "big")


def test_a_request_is_kept_as_it_arrived_and_its_columns_are_read() -> None:
    batch = Batch()
    sent = payload(
        resource_spans(span_message("syncPod", span=1, ms=20)),
        resource_spans(span_message("Run", span=2, parent=1, start_ms=5, ms=30, error="no"), service="containerd"),
    )

    assert batch.add(sent) == 0
    assert batch.payload == sent
    [part] = batch.traces.values()
    assert (part.start_ns, part.end_ns, part.spans, part.errors) == (START_NS, START_NS + 35 * MS, 2, 1)
    assert list(batch.operations) == [("kubelet", "syncPod"), ("containerd", "Run")]
    assert part.root == 0
    assert batch.roots == [Root(ONE.hex(), "kubelet", "syncPod", 20 * MS, error=False)]


def test_several_requests_are_their_union() -> None:
    batch = Batch()
    batch.add(payload(resource_spans(span_message(span=1))))
    batch.add(payload(resource_spans(span_message(span=2, parent=1))))

    assert len(ExportTraceServiceRequest.FromString(batch.payload).resource_spans) == 2
    assert (batch.spans, len(batch.operations)) == (2, 1)


def test_spans_without_usable_ids_are_refused_and_the_rest_is_kept() -> None:
    short, empty, zero = span_message(), span_message(), span_message()
    short.trace_id = b"\x01" * 8
    empty.span_id = b""
    zero.trace_id = bytes(16)
    batch = Batch()

    assert batch.add(payload(resource_spans(short, span_message("kept"), empty, zero))) == 3
    assert batch.payload == payload(resource_spans(span_message("kept")))
    assert (batch.spans, batch.rejected) == (1, 3)


def test_what_is_no_request_leaves_the_batch_as_it_was() -> None:
    batch = Batch()
    with pytest.raises(OTLPError, match="not an ExportTraceServiceRequest"):
        batch.add(b"\xff\xff")
    invalid_utf8_in_an_attribute = payload(resource_spans(span_message(text="AAAA"))).replace(
        b"AAAA", b"\xff\xff\xff\xff"
    )
    with pytest.raises(OTLPError):
        batch.add(invalid_utf8_in_an_attribute)

    assert (batch.payload, batch.traces, batch.attributes) == (b"", {}, set())


def test_only_equal_spans_are_doubles() -> None:
    batch = Batch()
    batch.add(payload(resource_spans(span_message("a"), span_message("a"), span_message("b"))))
    batch.add(payload(resource_spans(span_message("a"), service="other")))

    assert batch.is_doubtful()
    cleaned = batch.without()
    assert (cleaned.spans, cleaned.duplicates) == (3, 1)
    assert sorted(cleaned.operations) == [("kubelet", "a"), ("kubelet", "b"), ("other", "a")]


@settings(max_examples=40, deadline=None)  # examples are large
@given(otlp_resource_spans())
def test_the_index_agrees_with_the_messages(made: ResourceSpans) -> None:
    batch = Batch()
    batch.add(payload(made))
    spans = [span for scope_spans in made.scope_spans for span in scope_spans.spans]
    usable = [span for span in spans if any(span.trace_id) and any(span.span_id)]

    assert (batch.spans, batch.rejected) == (len(usable), len(spans) - len(usable))
    assert set(batch.traces) == {span.trace_id for span in usable}
    assert {name for _, name in batch.operations} == {span.name for span in usable}
    assert {service for service, _ in batch.operations} <= {service_name(made.resource)}
    for part in batch.traces.values():
        assert 0 <= part.start_ns <= part.end_ns < 1 << 63
    assert batch.attributes == {
        pair.SerializeToString() for holder in (made.resource, *usable) for pair in holder.attributes
    }
