"""The eviction thresholds: `memory.available: 100Mi`, `nodefs.available: 10%`, each for a known signal.

Upstream: `pkg/kubelet/eviction/helpers.go` and `pkg/kubelet/eviction/api/types.go`.
"""

from dataclasses import dataclass
from fractions import Fraction

from kubeletsim.base.duration import Duration
from kubeletsim.model.quantity import Quantity

SIGNALS = (
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "containerfs.available",
    "containerfs.inodesFree",
    "allocatableMemory.available",
    "pid.available",
)


@dataclass(frozen=True, slots=True)
class Threshold:
    """An amount below which a signal calls for eviction: either a quantity or a part of the capacity."""

    quantity: Quantity | None = None
    part: Fraction | None = None
    """Part of the capacity, 0 to 1."""


def parse_percentage(text: str) -> Fraction:
    """Read `12.5%` as a part of one.

    Raises:
        ValueError: no number, or outside 0% to 100%.
    """
    number = text.removesuffix("%")
    try:
        part = Fraction(number) / 100 if text.endswith("%") and "/" not in number else None
    except ValueError:
        part = None
    if part is None or not 0 <= part <= 1:
        raise ValueError("must be a percentage between 0% and 100%")
    return part


def parse_threshold(text: str) -> Threshold | None:
    """Read a threshold; 0% and 100% switch the signal off and give None.

    Raises:
        ValueError: neither a percentage nor a quantity above zero.
    """
    if text.endswith("%"):
        part = parse_percentage(text)
        return Threshold(part=part) if 0 < part < 1 else None
    try:
        quantity = Quantity.parse(text)
    except ValueError:
        quantity = Quantity()
    if quantity.nanos <= 0:
        raise ValueError("must be a quantity above zero such as 100Mi, or a percentage such as 10%")
    return Threshold(quantity=quantity)


def parse_minimum_reclaim(text: str) -> Threshold:
    """Read how much more than the threshold is to be reclaimed.

    Raises:
        ValueError: neither a percentage above zero nor a quantity that is not negative.
    """
    try:
        if text.endswith("%"):
            part = parse_percentage(text)
            if part > 0:
                return Threshold(part=part)
        elif (quantity := Quantity.parse(text)).nanos >= 0:
            return Threshold(quantity=quantity)
    except ValueError:
        pass
    raise ValueError("must be a quantity such as 500Mi, not negative, or a percentage above 0% such as 5%")


def parse_grace_period(text: str) -> Duration:
    """Read how long a soft threshold must hold.

    Raises:
        ValueError: no duration, or a negative one.
    """
    try:
        period = Duration.parse(text)
    except ValueError:
        period = Duration(-1)
    if period.nanoseconds < 0:
        raise ValueError("must be a duration such as 1m30s, not negative")
    return period
