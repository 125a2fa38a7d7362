"""The recording of spans: a tracer for the SDK's provider, whose spans cost a third of the SDK's own.

The SDK's span guards each of its parts with a lock, asks abstract classes what each value is, and is copied when it
ends; in a busy process that takes longer than all the rest that a traced call adds. These spans do the same without:
what matters to two threads at once is a step of a dictionary or of a deque, which the interpreter makes whole.
Provider, sampler, ids, resource, limits and processors are the SDK's, and its span is the measure in the tests.
docs/decisions/0007 has the figures.
"""

import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
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
    Tracer,
    TraceState,
    get_current_span,
    use_span,
)
from opentelemetry.util.types import Attributes, AttributeValue

T = TypeVar("T")

_PLAIN = frozenset({str, int, bool, float, bytes})
_UNSET = Status(StatusCode.UNSET)
_UNLIMITED = sys.maxsize
_INHERITED = TraceFlags.SAMPLED | TraceFlags.RANDOM_TRACE_ID


class RecordedSpan(ReadableSpan, Span):
    """A span that is recorded; once it has ended nothing changes it."""

    def __init__(
        self,
        name: str,
        *,
        begun: "RecordingTracer",
        context: SpanContext,
        parent: SpanContext | None,
        kind: SpanKind,
        attributes: Attributes,
        start_time: int | None,
    ) -> None:
        super().__init__(
            name,
            context=context,
            parent=parent,
            resource=begun.resource,
            kind=kind,
            status=_UNSET,
            start_time=time.time_ns() if start_time is None else start_time,
            instrumentation_scope=begun.scope,
        )
        self._limits, self._on_end = begun.limits, begun.on_end
        self._dropped_attributes = self._dropped_events = self._dropped_links = 0
        self._attributes: dict[str, Any] = {}
        if attributes:
            self.set_attributes(attributes)

    @property
    def dropped_attributes(self) -> int:
        """How many attributes had no room."""
        return self._dropped_attributes

    @property
    def dropped_events(self) -> int:
        """How many events had no room."""
        return self._dropped_events

    @property
    def dropped_links(self) -> int:
        """How many links had no room."""
        return self._dropped_links

    def get_span_context(self) -> SpanContext:
        """Return the span's ids and flags."""
        return self._context  # type: ignore[return-value]  # given to the constructor

    def is_recording(self) -> bool:
        """Tell whether the span goes on."""
        return self._end_time is None

    def set_attributes(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set attributes; with too many, the oldest goes."""
        if self._end_time is None:
            limits = self._limits
            self._dropped_attributes += _put(
                self._attributes, attributes, limits.max_span_attributes, limits.max_span_attribute_length
            )

    def set_attribute(self, key: str, value: AttributeValue) -> None:
        """Set one attribute."""
        self.set_attributes({key: value})

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        """Add an event, now or at Unix nanoseconds."""
        if self._end_time is None:
            at = time.time_ns() if timestamp is None else timestamp
            limits = self._limits
            bounded = BoundedAttributes(
                limits.max_event_attributes, attributes, max_value_len=limits.max_attribute_length
            )
            self._events, dropped = _appended(self._events, Event(name, bounded, at), limits.max_events)
            self._dropped_events += dropped

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        """Add a link to another span."""
        if self._end_time is None and (context.is_valid or attributes or context.trace_state):
            limits = self._limits
            bounded = BoundedAttributes(
                limits.max_link_attributes, attributes, max_value_len=limits.max_attribute_length
            )
            self._links, dropped = _appended(self._links, Link(context, bounded), limits.max_links)
            self._dropped_links += dropped

    def update_name(self, name: str) -> None:
        """Give the span another name."""
        if self._end_time is None:
            self._name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status; OK is final, UNSET changes nothing."""
        new = status if isinstance(status, Status) else Status(status, description)
        final = self._end_time is not None or self._status.status_code is StatusCode.OK
        if not final and new.status_code is not StatusCode.UNSET:
            self._status = new

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add an event that shows an exception."""
        module, name = type(exception).__module__, type(exception).__qualname__
        shown = {
            "exception.type": name if module == "builtins" else f"{module}.{name}",
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        self.add_event("exception", {**shown, **(attributes or {})}, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End the span, now or at Unix nanoseconds, and hand it over."""
        if self._end_time is None:
            self._end_time = time.time_ns() if end_time is None else end_time
            self._on_end(self)


class RecordingTracer(Tracer):
    """A tracer of one scope of a provider, whose sampler is asked about roots alone."""

    def __init__(
        self,
        provider: TracerProvider,
        *,
        scope: InstrumentationScope,
        limits: SpanLimits,
        on_end: Callable[[ReadableSpan], None],
    ) -> None:
        self.scope = scope
        self.limits = limits
        self.on_end = on_end
        self.resource = provider.resource
        self._sampler = provider.sampler
        self._ids = provider.id_generator

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,  # noqa: ARG002  OpenTelemetry's interface
        set_status_on_exception: bool = True,  # noqa: ARG002
    ) -> Span:
        """Begin a span below the current one of `context`; one that is not sampled only carries its context on."""
        parent: SpanContext | None = get_current_span(context).get_span_context()
        state: TraceState | None
        if parent is not None and parent.is_valid:  # it decides, as ParentBased samplers have it
            trace_id, flags, state = parent.trace_id, parent.trace_flags & _INHERITED, parent.trace_state
        else:
            parent, trace_id = None, self._ids.generate_trace_id()
            decided = self._sampler.should_sample(context, trace_id, name, kind, attributes, links)
            sampled, state = decided.decision is Decision.RECORD_AND_SAMPLE, decided.trace_state
            flags = TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT
        own = SpanContext(trace_id, self._ids.generate_span_id(), False, TraceFlags(flags), state)
        if not flags & TraceFlags.SAMPLED:
            return NonRecordingSpan(own)
        span = RecordedSpan(
            name,
            begun=self,
            context=own,
            parent=parent,
            kind=kind,
            attributes=attributes,
            start_time=start_time,
        )
        for link in links or ():
            span.add_link(link.context, link.attributes)
        return span

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # the interface's decorator makes more of it
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> Iterator[Span]:
        """Begin a span that is the current one inside the block."""
        begun = self.start_span(name, context, kind, attributes, links, start_time)
        with use_span(begun, end_on_exit, record_exception, set_status_on_exception) as span:
            yield span


def _put(into: dict[str, Any], attributes: Mapping[str, Any], most: int | None, longest: int | None) -> int:
    """Set attributes of a dictionary as the SDK does, within limits; return how many had no room."""
    room = _UNLIMITED if most is None else most
    plain = longest is None and _PLAIN.issuperset(map(type, attributes.values())) and "" not in attributes
    cleaned = attributes if plain else BoundedAttributes(None, attributes, max_value_len=longest)
    if len(into) + len(cleaned) <= room and into.keys().isdisjoint(cleaned):  # nearly always
        into.update(cleaned)
        return len(attributes) - len(cleaned)
    dropped = len(attributes) - len(cleaned)
    for key, value in cleaned.items():
        into.pop(key, None)
        into[key] = value
        if len(into) > room:
            del into[next(iter(into))]
            dropped += 1
    return dropped


def _appended(items: Sequence[T], item: T, most: int | None) -> tuple[deque[T], int]:
    """Return the items with one more, and how many had to go for it: the oldest, if there are too many."""
    kept = items if isinstance(items, deque) else deque(items, maxlen=most)
    dropped = int(len(kept) == kept.maxlen)
    kept.append(item)
    return kept, dropped
