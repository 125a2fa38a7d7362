"""The amount of a resource as Kubernetes writes it: `100m` CPU, `10Mi` of memory, `1e3`.

An amount is exact: a whole number of billionths ("nanos"), which is also the finest that upstream keeps; anything finer
rounds away from zero, so that who asks for something never gets nothing. Magnitudes stop at 2^63-1, as upstream.
The suffix family an amount was written in stays with it and decides how it prints.

Upstream: `staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go`. One deviation: upstream prints `1.500` as it
was written, because of a shortcut in its parser; here it always prints in canonical form, `1500m`.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import total_ordering

_NANOS = 1_000_000_000
_MAX_NANOS = ((1 << 63) - 1) * _NANOS
_TEXT = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?[0-9]+))?")
_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_SUFFIX_OF_EXPONENT = {exponent: suffix for suffix, exponent in _DECIMAL_SUFFIXES.items()}
_BINARY_SUFFIXES = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_FARTHEST_EXPONENT = 64
"""Beyond ten to this power every amount is capped or rounds to one nano; keeps hostile exponents cheap."""


class QuantityFormat(Enum):
    """Suffix family; decides how an amount prints."""

    DECIMAL_SI = "DecimalSI"
    BINARY_SI = "BinarySI"
    DECIMAL_EXPONENT = "DecimalExponent"


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """An exact amount. Equal amounts are equal whatever they were written as: `1` and `1000m`."""

    nanos: int = 0
    """The amount in billionths."""
    format: QuantityFormat = QuantityFormat.DECIMAL_SI

    @classmethod
    def parse(cls, text: str) -> "Quantity":
        """Read an amount: a signed decimal number and an optional suffix (n u m k M G T P E, Ki … Ei, e3, E-2).

        Raises:
            ValueError: the text is no quantity.
        """
        match = _TEXT.fullmatch(text)
        if match is None or not (match[2] or match[3]):
            raise ValueError(
                f"{text!r} is no quantity (a number with an optional suffix such as m, k, M, G, Ki, Mi or Gi)"
            )
        sign, whole, fraction, binary, decimal, exponent = match.groups()
        digits = (whole + (fraction or "")).lstrip("0")
        if len(digits) > 4000:
            raise ValueError(f"a quantity of {len(digits)} digits is too long")
        power = -len(fraction or "")
        if binary:
            magnitude = _scale(int(digits or 0) << (10 * _BINARY_SUFFIXES.index(binary)), power)
            format_ = QuantityFormat.BINARY_SI if magnitude == 0 or magnitude >= _NANOS else QuantityFormat.DECIMAL_SI
        else:
            power += int(exponent) if exponent else _DECIMAL_SUFFIXES[decimal or ""]
            magnitude = _scale(int(digits or 0), power)
            format_ = QuantityFormat.DECIMAL_EXPONENT if exponent else QuantityFormat.DECIMAL_SI
        return cls(-magnitude if sign == "-" else magnitude, format_)

    @classmethod
    def of(cls, value: int, *, format: QuantityFormat = QuantityFormat.DECIMAL_SI) -> "Quantity":  # noqa: A002
        """Return a whole amount, for example bytes with `QuantityFormat.BINARY_SI`."""
        return cls(value * _NANOS, format)

    def value(self) -> int:
        """Return the amount in whole units, rounded away from zero."""
        return _divide_away_from_zero(self.nanos, _NANOS)

    def milli_value(self) -> int:
        """Return the amount in thousandths, rounded away from zero; for CPU these are millicores."""
        return _divide_away_from_zero(self.nanos, _NANOS // 1000)

    def __add__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.nanos + other.nanos, self.format if self.nanos else other.format)

    def __sub__(self, other: "Quantity") -> "Quantity":
        return Quantity(self.nanos - other.nanos, self.format if self.nanos else other.format)

    def __neg__(self) -> "Quantity":
        return Quantity(-self.nanos, self.format)

    def __bool__(self) -> bool:
        return self.nanos != 0

    def __eq__(self, other: object) -> bool:
        return self.nanos == other.nanos if isinstance(other, Quantity) else NotImplemented

    def __lt__(self, other: "Quantity") -> bool:
        return self.nanos < other.nanos

    def __hash__(self) -> int:
        return hash(self.nanos)

    def __str__(self) -> str:
        """Print in canonical form: no fraction, the largest suffix that keeps the number whole."""
        whole = self.nanos % _NANOS == 0
        # Small amounts and fractions would not read well, or not at all, in powers of 1024.
        if self.format is QuantityFormat.BINARY_SI and whole and abs(self.nanos) >= 1024 * _NANOS:
            number, power = _strip_factor(self.nanos // _NANOS, 1024, limit=len(_BINARY_SUFFIXES) - 1)
            return f"{number}{_BINARY_SUFFIXES[power]}"
        number, thousands = _strip_factor(self.nanos, 1000, limit=9)
        exponent = 3 * thousands - 9 if number else 0
        if self.format is QuantityFormat.DECIMAL_EXPONENT:
            return f"{number}e{exponent}" if exponent else str(number)
        return f"{number}{_SUFFIX_OF_EXPONENT[exponent]}"


def _scale(digits: int, power: int) -> int:
    """Return digits * 10^power in nanos, rounded up and capped."""
    if digits == 0:
        return 0
    power += 9
    if power >= 0:
        return min(digits * _power_of_ten(min(power, _FARTHEST_EXPONENT)), _MAX_NANOS)
    farthest = len(str(digits)) + 1  # dividing by more than the number itself leaves the same one nano
    return min(_divide_away_from_zero(digits, _power_of_ten(min(-power, farthest))), _MAX_NANOS)


def _power_of_ten(exponent: int) -> int:
    """Return 10^exponent for an exponent that is not negative, which the type of `**` cannot tell."""
    return int("1" + "0" * exponent)


def _divide_away_from_zero(dividend: int, divisor: int) -> int:
    return -(-dividend // divisor) if dividend >= 0 else dividend // divisor


def _strip_factor(number: int, factor: int, *, limit: int) -> tuple[int, int]:
    """Divide by `factor` as often as it goes, `limit` times at most; return what is left and how often it went."""
    times = 0
    while number and times < limit and number % factor == 0:
        number //= factor
        times += 1
    return number, times
