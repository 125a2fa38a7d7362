"""The span as the viewer sees it: plain values, ids as hex text, times in Unix nanoseconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

AttributeValue: TypeAlias = (
    "str | bool | int | float | bytes | Sequence[AttributeValue] | Mapping[str, AttributeValue] | None"
)
Attributes: TypeAlias = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened during a span."""

    name: str
    time_ns: int
    attributes: Attributes = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Link:
    """A span in this or another trace that has to do with this one."""

    trace_id: str
    span_id: str
    attributes: Attributes = field(default_factory=dict)


@dataclass(slots=True)
class Span:
    """One span with what surrounds it; `parent_span_id` is empty for a root.

    Nobody changes one. It is not frozen only because frozen ones take five times as long to make, and a trace may have
    a hundred thousand.
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    service: str
    start_ns: int
    end_ns: int
    kind: str = "INTERNAL"
    error: bool = False
    status_message: str = ""
    attributes: Attributes = field(default_factory=dict)
    events: Sequence[Event] = ()
    links: Sequence[Link] = ()
    scope: str = ""
    scope_version: str = ""
    resource: Attributes = field(default_factory=dict)
    flags: int = 0
    trace_state: str = ""

    @property
    def duration_ns(self) -> int:
        """Return the time between start and end; 0 where the clock went back."""
        return max(0, self.end_ns - self.start_ns)
