"""The wrong clock: spans of a program whose clock is to be wrong, shifted when they end.

Spans take their times from where they are made, some from the system's clock, some from a simulated one; here they all
come by.
"""

from collections.abc import Callable

from opentelemetry.sdk.trace import Event, ReadableSpan

OnEnd = Callable[[ReadableSpan], None]


def skewed(on_end: OnEnd, seconds: float) -> OnEnd:
    """Return what gets spans that have ended, shifts them by so much to the future, and passes them on."""
    nanoseconds = int(seconds * 1e9)

    def shift(span: ReadableSpan) -> None:
        span._start_time = (span.start_time or 0) + nanoseconds  # noqa: SLF001  # the SDK has no other way
        span._end_time = (span.end_time or 0) + nanoseconds  # noqa: SLF001
        span._events = [  # noqa: SLF001
            Event(event.name, event.attributes, event.timestamp + nanoseconds) for event in span.events
        ]
        on_end(span)

    return shift
