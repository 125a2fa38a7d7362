"""The length of time as Go writes it: `1m0s`, `300ms`, `1h0m0s`.

KubeletConfiguration, the flags, events and log lines all carry durations in the spelling of Go's `time.Duration`.
Reading and writing here follow its algorithm to the nanosecond, truncation of fractions included, so that a kubelet's
text and ours are the same.

Upstream: Go's `time.ParseDuration` and `time.Duration.String`.
"""

import re
from dataclasses import dataclass

NANOSECONDS_PER_SECOND = 1_000_000_000
_MAGNITUDE_LIMIT = 1 << 63
_UNIT_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,  # U+00B5, the micro sign
    "μs": 1_000,  # U+03BC, the Greek letter, which Go takes as well
    "ms": 1_000_000,
    "s": NANOSECONDS_PER_SECOND,
    "m": 60 * NANOSECONDS_PER_SECOND,
    "h": 3600 * NANOSECONDS_PER_SECOND,
}
_TERM = re.compile(r"([0-9]*)(\.?)([0-9]*)([^0-9.]*)")


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time, exact in nanoseconds; may be negative. Prints as Go prints it."""

    nanoseconds: int = 0

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read Go's spelling: signed decimal numbers with a unit each, such as `1.5h` or `2h45m`; also a bare `0`.

        Raises:
            ValueError: the text is no duration, lacks a unit or does not fit 64 bits; the message says which.
        """
        unsigned = text[1:] if text[:1] in ("+", "-") else text
        if unsigned == "0":
            return cls(0)
        if not unsigned:
            raise ValueError(f"{text!r} is no duration")
        total = 0
        position = 0
        while position < len(unsigned):
            term = _TERM.match(unsigned, position)
            if term is None or not (term[1] or term[3]):
                raise ValueError(f"{text!r} is no duration")
            total += _term_nanoseconds(term, text)
            position = term.end()
        negative = text.startswith("-")
        if total > _MAGNITUDE_LIMIT - (not negative):
            raise ValueError(f"{text!r} is longer than a duration can be (about 292 years)")
        return cls(-total if negative else total)

    @classmethod
    def of(cls, *, hours: float = 0, minutes: float = 0, seconds: float = 0, milliseconds: float = 0) -> "Duration":
        """Build a duration from numbers, rounded to the nanosecond."""
        in_seconds = hours * 3600 + minutes * 60 + seconds + milliseconds / 1000
        return cls(round(in_seconds * NANOSECONDS_PER_SECOND))

    @property
    def seconds(self) -> float:
        """The length in seconds, for timers."""
        return self.nanoseconds / NANOSECONDS_PER_SECOND

    def __bool__(self) -> bool:
        return self.nanoseconds != 0

    def __str__(self) -> str:
        sign = "-" if self.nanoseconds < 0 else ""
        return sign + _format_magnitude(abs(self.nanoseconds))


def _term_nanoseconds(term: re.Match[str], text: str) -> int:
    """Return the nanoseconds of one number with its unit; a fraction is cut off as Go's float arithmetic does."""
    whole, _, fraction, unit_name = term.groups()
    if not unit_name:
        raise ValueError(f"{text!r} lacks a unit (ns, us, ms, s, m or h)")
    unit = _UNIT_NANOSECONDS.get(unit_name)
    if unit is None:
        raise ValueError(f"{text!r} has the unknown unit {unit_name!r} (known: ns, us, ms, s, m, h)")
    if len(whole.lstrip("0")) > 19:
        raise ValueError(f"{text!r} is longer than a duration can be (about 292 years)")
    numerator, scale = 0, 1.0
    for digit in fraction:
        if numerator * 10 + int(digit) >= _MAGNITUDE_LIMIT:
            break  # further digits cannot change a nanosecond
        numerator = numerator * 10 + int(digit)
        scale *= 10
    return int(whole or 0) * unit + int(numerator * (unit / scale))


def _format_magnitude(nanoseconds: int) -> str:
    """Print a length that is not negative: one small unit below a second, otherwise hours, minutes and seconds."""
    if nanoseconds == 0:
        return "0s"
    for limit, unit, name in ((1_000, 1, "ns"), (1_000_000, 1_000, "µs"), (NANOSECONDS_PER_SECOND, 1_000_000, "ms")):
        if nanoseconds < limit:
            return _decimal(nanoseconds, unit) + name
    minutes, rest = divmod(nanoseconds, 60 * NANOSECONDS_PER_SECOND)
    text = _decimal(rest, NANOSECONDS_PER_SECOND) + "s"
    if minutes == 0:
        return text
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes}m{text}" if hours else f"{minutes}m{text}"


def _decimal(amount: int, unit: int) -> str:
    """Print amount/unit, a power of ten, exactly and without trailing zeros."""
    whole, rest = divmod(amount, unit)
    if rest == 0:
        return str(whole)
    return f"{whole}.{str(rest).zfill(len(str(unit)) - 1).rstrip('0')}"
