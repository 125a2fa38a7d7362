"""Claims about encoded spans: what OpenTelemetry's own OTLP library writes, with Go's flags."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from kubeletsim.base.telemetry.encoding import SpanBatch, SpanEncoder


def _mapping(values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.text(min_size=1, max_size=5), values, max_size=3)


SAMPLED = TraceFlags(TraceFlags.SAMPLED)
REMOTE, LOCAL = SpanContext(7, 8, True, SAMPLED), SpanContext(7, 9, False, SAMPLED)
NANOSECONDS = st.integers(0, (1 << 64) - 1)
SCALARS = st.one_of(
    st.text(max_size=300),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.booleans(),
    st.floats(allow_nan=False),
    st.binary(max_size=5),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3).map(tuple) | _mapping(inner), max_leaves=5)


def _bounded(values: dict[str, object]) -> BoundedAttributes:
    return BoundedAttributes(maxlen=3, attributes=values)  # type: ignore[arg-type]


def _list(items: list[object]) -> BoundedList:  # type: ignore[type-arg]
    return BoundedList.from_seq(2, items)  # type: ignore[no-untyped-call, no-any-return]


ATTRIBUTES = st.dictionaries(st.text(min_size=1, max_size=5), VALUES, max_size=5).map(_bounded)
CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, (1 << 128) - 1),
    st.integers(1, (1 << 64) - 1),
    st.booleans(),
    st.sampled_from([TraceFlags(0), SAMPLED, TraceFlags(3)]),
    st.sampled_from([TraceState(), TraceState([("a", "1"), ("b", "2")])]),
)
STATUSES = st.one_of(
    st.sampled_from([Status(), Status(StatusCode.OK)]),
    st.builds(Status, st.just(StatusCode.ERROR), st.none() | st.text(max_size=5)),
)
SPANS = st.builds(
    ReadableSpan,
    st.text(max_size=5),
    context=CONTEXTS,
    parent=st.none() | CONTEXTS,
    resource=st.sampled_from([Resource({}), Resource({"service.name": "kubelet", "n": 1}, "https://schema")]),
    attributes=ATTRIBUTES,
    events=st.lists(st.builds(Event, st.text(max_size=5), ATTRIBUTES, NANOSECONDS), max_size=3).map(_list),
    links=st.lists(st.builds(Link, CONTEXTS, ATTRIBUTES), max_size=3).map(_list),
    kind=st.sampled_from(SpanKind),
    status=STATUSES,
    start_time=NANOSECONDS,
    end_time=NANOSECONDS,
    instrumentation_scope=st.sampled_from(
        [InstrumentationScope("a"), InstrumentationScope("b", "1", "https://schema", {"of": "b"}), None]
    ),
)


def encoded(*spans: ReadableSpan) -> ExportTraceServiceRequest:
    encoder, batch = SpanEncoder(), SpanBatch()
    for span in spans:
        batch.add(span, encoder.encode(span))
    return ExportTraceServiceRequest.FromString(batch.wire_form())


def spans_of(request: ExportTraceServiceRequest) -> list[Span]:
    return [span for one in request.resource_spans for scope_spans in one.scope_spans for span in scope_spans.spans]


def attributed(**attributes: object) -> ReadableSpan:
    return ReadableSpan("span", context=LOCAL, attributes=attributes)  # type: ignore[arg-type]


@given(st.lists(SPANS, max_size=5))
def test_spans_are_encoded_as_the_library_encodes_them_but_for_the_flags(spans: list[ReadableSpan]) -> None:
    ours, library = encoded(*spans), encode_spans(spans)
    for span in (*spans_of(ours), *spans_of(library)):
        for flagged in (span, *span.links):
            flagged.flags &= ~0xFF

    assert ours == library


def test_flags_are_those_of_go() -> None:
    unsampled_link = Link(SpanContext(5, 6, True, TraceFlags(0)))
    spans = [
        ReadableSpan("root", context=LOCAL),
        ReadableSpan("child", context=LOCAL, parent=LOCAL),
        ReadableSpan("under a remote parent", context=LOCAL, parent=REMOTE, links=(Link(LOCAL), unsampled_link)),
    ]

    received = spans_of(encoded(*spans))

    assert [span.flags for span in received] == [257, 257, 769]
    assert [link.flags for link in received[2].links] == [257, 768]


def test_an_attribute_seen_before_is_not_mistaken_for_another() -> None:
    encoder = SpanEncoder()
    values = ["1", 1, True, 1.0, "1", "", "é", "x" * 1000, "x" * 1000]
    spans = [Span.FromString(_message(encoder.encode(attributed(key=value)))) for value in values]

    kinds = [span.attributes[0].value.WhichOneof("value") for span in spans]
    assert kinds == ["string_value", "int_value", "bool_value", "double_value", *["string_value"] * 5]
    assert spans[6].attributes[0].value.string_value == "é"


@pytest.mark.parametrize(
    ("value", "shown"), [("a\udcffb", "a?b"), (1 << 63, str(1 << 63)), ((1 << 70, "\ud800"), None)]
)
def test_what_no_message_can_hold_is_shown_as_text(value: object, shown: str | None) -> None:
    [span] = spans_of(encoded(attributed(key=value)))

    received = span.attributes[0].value
    assert received.string_value == (shown or "")
    assert [one.string_value for one in received.array_value.values] == ([] if shown else [str(1 << 70), "?"])


def _message(field: bytes) -> bytes:
    """Return what is behind the tag and the length of a field."""
    end = 1
    while field[end] & 0x80:
        end += 1
    return field[end + 1 :]
