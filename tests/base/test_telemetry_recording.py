"""Claims about recorded spans: whatever is done to one, it ends as the SDK's own would."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from kubeletsim.base.telemetry.recording import RecordingTracer

Step = Callable[[Span], Any]
VALUES = st.one_of(
    st.text(max_size=5),
    st.integers(-5, 5),
    st.booleans(),
    st.none(),
    st.lists(st.text(max_size=5), max_size=2),
    st.dictionaries(st.text(max_size=2), st.text(max_size=5), max_size=2),
)
ATTRIBUTES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(st.text(max_size=2), VALUES, max_size=4)
CONTEXTS = st.builds(
    SpanContext,
    st.integers(0, 1 << 127),
    st.integers(0, 1 << 63),
    st.booleans(),
    st.sampled_from([TraceFlags(0), TraceFlags(1), TraceFlags(2), TraceFlags(3)]),
    st.sampled_from([TraceState(), TraceState([("a", "1")])]),
)
LIMITS = st.none() | st.integers(0, 3)


@st.composite
def steps(draw: st.DrawFn) -> Step:
    attributes, text, at = draw(ATTRIBUTES), draw(st.text(max_size=5)), draw(st.integers(1, 1 << 60))
    code, link = draw(st.sampled_from(StatusCode)), draw(CONTEXTS)
    choices: list[Step] = [
        lambda span: span.set_attributes(attributes),
        lambda span: [span.set_attribute(key, value) for key, value in attributes.items()],
        lambda span: span.add_event(text, attributes, at),
        lambda span: span.add_link(link, attributes),
        lambda span: span.update_name(text),
        lambda span: span.set_status(code, text),
        lambda span: span.set_status(Status(code)),
        lambda span: span.record_exception(ValueError(text), attributes, at),
        lambda span: span.end(at),
    ]
    return draw(st.sampled_from(choices))


class Counting(IdGenerator):
    """Ids that are the same in two providers."""

    def __init__(self) -> None:
        self._last = 0

    def generate_span_id(self) -> int:
        self._last += 1
        return self._last

    generate_trace_id = generate_span_id

    def is_trace_id_random(self) -> bool:
        return False


def tracers(
    limits: SpanLimits | None = None, sampler: Sampler = ALWAYS_ON
) -> list[tuple[trace.Tracer, Callable[[], tuple[ReadableSpan, ...]]]]:
    """Return ours and the SDK's, and where their spans go; what `sampler` says goes for roots only."""
    limits, made = limits or SpanLimits(), []
    for ours in (True, False):
        exporter = InMemorySpanExporter()
        processor = SimpleSpanProcessor(exporter)
        provider = TracerProvider(
            ParentBased(sampler),
            Resource({"service.name": "it"}),
            shutdown_on_exit=False,
            id_generator=Counting(),
            span_limits=limits,
        )
        provider.add_span_processor(processor)
        scope = InstrumentationScope("scope", "1")
        tracer: trace.Tracer = RecordingTracer(provider, scope=scope, limits=limits, on_end=processor.on_end)
        made.append((tracer if ours else provider.get_tracer("scope", "1"), exporter.get_finished_spans))
    return made


def wire(spans: tuple[ReadableSpan, ...]) -> ExportTraceServiceRequest:
    return encode_spans(spans)


@given(
    parent=CONTEXTS,
    kind=st.sampled_from(SpanKind),
    attributes=ATTRIBUTES,
    links=st.lists(st.builds(Link, CONTEXTS, ATTRIBUTES), max_size=3),
    done=st.lists(steps(), max_size=6),
    limits=st.builds(
        SpanLimits,
        max_events=LIMITS,
        max_links=LIMITS,
        max_span_attributes=LIMITS,
        max_event_attributes=LIMITS,
        max_link_attributes=LIMITS,
        max_span_attribute_length=LIMITS,
    ),
    sampler=st.sampled_from([ALWAYS_ON, ALWAYS_OFF]),
)
def test_a_span_ends_as_the_sdks_own(
    parent: SpanContext,
    kind: SpanKind,
    attributes: dict[str, Any],
    links: list[Link],
    done: list[Step],
    limits: SpanLimits,
    sampler: Sampler,
) -> None:
    context = set_span_in_context(NonRecordingSpan(parent), Context())
    ended = []
    for tracer, finished in tracers(limits, sampler):
        copies = [Link(link.context, link.attributes) for link in links]  # the SDK changes those it is given
        span = tracer.start_span("span", context, kind, attributes, copies, start_time=1)
        for step in done:
            step(span)
        span.end(2)
        ended.append((span.get_span_context(), wire(finished())))

    assert ended[0] == ended[1]


@pytest.mark.parametrize("record", [True, False])
def test_a_block_that_fails_ends_its_span_as_the_sdk_does(record: bool) -> None:
    shown = []
    for tracer, finished in tracers():
        block = tracer.start_as_current_span(
            "span", Context(), start_time=1, record_exception=record, set_status_on_exception=record
        )
        with pytest.raises(KeyError), block as span:
            _fail_below(span)
        [ended] = finished()
        shown.append(
            (ended.status.status_code, ended.status.description, [dict(e.attributes or {}) for e in ended.events])
        )

    ours, sdk = ((code, text, [_without_lines(one) for one in events]) for code, text, events in shown)
    assert ours == sdk
    assert bool(ours[2]) is record


def test_what_is_set_on_a_span_later_does_not_change_what_was_given() -> None:
    for tracer, finished in tracers():
        given_attributes: dict[str, Any] = {"list": ["a"]}
        span = tracer.start_span("span", Context(), attributes=given_attributes)
        given_attributes["list"].append("b")
        span.set_attribute("more", 1)
        span.end()

        [ended] = finished()
        assert dict(ended.attributes or {}) == {"list": ("a",), "more": 1}
        assert given_attributes == {"list": ["a", "b"]}


def _fail_below(span: Span) -> None:
    assert trace.get_current_span() is span
    raise KeyError("no such key")


def _without_lines(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return an exception's attributes without the stack, in which the two have other frames."""
    return {key: value for key, value in attributes.items() if key != "exception.stacktrace"}
