"""The question: which traces are wanted. Parsed from the command line's words, answered by the store."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from kubeletsim.traces.span import Attributes, AttributeValue

_UNITS_NS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_UNITS_NS["d"] = 24 * _UNITS_NS["h"]
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)")


@dataclass(frozen=True, slots=True)
class AttributeFilter:
    """An attribute that a span or its resource must have; `*` and `?` in the value match as in a shell."""

    key: str
    value: str

    def matches(self, attributes: Attributes) -> bool:
        """Tell whether these attributes have the key with such a value."""
        return self.key in attributes and fnmatchcase(text_of(attributes[self.key]), as_glob(self.value))


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """What a trace must be; everything given must hold. Names may hold `*` and `?`."""

    service: str | None = None
    """A service that took part."""
    root_name: str | None = None
    """The name of the root span."""
    operation: str | None = None
    """The name of any span (of `service`, when that is given as well)."""
    attributes: Sequence[AttributeFilter] = ()
    """Attributes that one span has, all of them, itself or in its resource."""
    error: bool = False
    """Only traces with a span whose status is ERROR."""
    min_duration_ns: int = 0
    """From the first start to the last end."""
    max_duration_ns: int | None = None
    """Likewise; None sets no limit."""
    since_ns: int = 0
    """Unix nanoseconds; traces that began earlier are left out."""
    until_ns: int = 0
    """Unix nanoseconds; traces that began later are left out. 0 sets no limit."""
    limit: int | None = None
    """At most this many, the newest."""


def as_glob(pattern: str) -> str:
    """Return a pattern for fnmatch and SQLite's GLOB in which only `*` and `?` are special, and brackets are not."""
    return pattern.replace("[", "[[]")


def text_of(value: AttributeValue) -> str:
    """Return an attribute's value as it is shown and compared: booleans and null as in JSON."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {text_of(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(text_of(item) for item in value) + "]"
    return str(value)


def parse_attribute(text: str) -> AttributeFilter:
    """Parse `key=value`.

    Raises:
        ValueError: there is no key or no equals sign.
    """
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"{text!r} is not key=value")
    return AttributeFilter(key, value)


def parse_duration_ns(text: str) -> int:
    """Parse a duration such as 200ms, 1.5s, 1h30m into nanoseconds.

    Raises:
        ValueError: it is none, or is negative.
    """
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is not a duration such as 200ms, 1.5s or 10m")
    duration_ns = sum(float(number) * _UNITS_NS[unit] for number, unit in parts)
    if duration_ns == float("inf"):
        raise ValueError(f"{text[:20]!r}… is too long a duration")
    return round(duration_ns)
