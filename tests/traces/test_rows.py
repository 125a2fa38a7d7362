"""Claims about rows: what is indexed, and what is refused."""

from hypothesis import given, settings
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces.rows import Rows
from tests.fakes.traces import START_NS, resource_spans, span_message
from tests.strategies import otlp_resource_spans


def test_a_row_has_the_index_columns_and_the_bytes() -> None:
    rows = Rows()
    span = span_message("syncPod", trace=5, span=6, parent=7, ms=2, error="no")

    assert rows.add([resource_spans(span, service="kubelet")]) == 0
    [row] = rows.spans
    assert (row.trace_id, row.span_id) == (span.trace_id, span.span_id)
    assert rows.operations[row.operation] == ("kubelet", "syncPod")
    assert (row.start_ns, row.duration_ns, row.error, row.root) == (START_NS, 2_000_000, True, False)
    assert SpanMessage.FromString(row.raw) == span


def test_surroundings_and_operations_are_kept_once() -> None:
    rows = Rows()
    rows.add([resource_spans(span_message(span=1), span_message(span=2)), resource_spans(span_message(span=3))])

    assert len(rows.spans) == 3
    assert len(rows.surroundings) == len(rows.operations) == 1


def test_equal_spans_have_equal_checksums_and_others_do_not() -> None:
    rows = Rows()
    rows.add([
        resource_spans(span_message("a")),
        resource_spans(span_message("a")),
        resource_spans(span_message("b")),
        resource_spans(span_message("a"), service="other"),
    ])  # fmt: skip
    first, second, third, fourth = (row.checksum for row in rows.spans)

    assert first == second
    assert len({first, third, fourth}) == 3


def test_spans_without_usable_ids_are_refused_and_the_rest_is_kept() -> None:
    short, empty, zero = span_message(), span_message(), span_message()
    short.trace_id = b"\x01" * 8
    empty.span_id = b""
    zero.trace_id = bytes(16)
    rows = Rows()

    assert rows.add([resource_spans(short, span_message(), empty, zero)]) == 3
    assert len(rows.spans) == 1


@settings(max_examples=40, deadline=None)  # examples are large
@given(otlp_resource_spans())
def test_rows_hold_everything_that_came(made: ResourceSpans) -> None:
    rows = Rows()
    rows.add([made])

    for row in rows.spans:
        resource, scope = rows.surroundings[row.surroundings]
        around = ResourceSpans.FromString(resource)
        assert (around.resource, around.schema_url) == (made.resource, made.schema_url)
        assert ScopeSpans.FromString(scope).scope in [scope_spans.scope for scope_spans in made.scope_spans]
        assert 0 <= row.start_ns < 2**63
        assert 0 <= row.duration_ns < 2**63
    kept = [SpanMessage.FromString(row.raw) for row in rows.spans]
    sent = [span for scope_spans in made.scope_spans for span in scope_spans.spans]
    assert kept == [span for span in sent if any(span.trace_id) and any(span.span_id)]
