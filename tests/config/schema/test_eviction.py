from fractions import Fraction

import pytest

from kubeletsim.base.duration import Duration
from kubeletsim.config.schema.eviction import (
    Threshold,
    parse_grace_period,
    parse_minimum_reclaim,
    parse_percentage,
    parse_threshold,
)
from kubeletsim.model.quantity import Quantity


def test_thresholds_are_quantities_or_parts_and_the_extremes_switch_off() -> None:
    assert parse_threshold("100Mi") == Threshold(quantity=Quantity.parse("100Mi"))
    assert parse_threshold("12.5%") == Threshold(part=Fraction(1, 8))
    assert parse_threshold("0%") is None
    assert parse_threshold("100%") is None


@pytest.mark.parametrize("text", ["0", "-1Mi", "101%", "-1%", "x", "", "%", "1/2%", "5 %x"])
def test_impossible_thresholds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_threshold(text)


def test_minimum_reclaim_may_be_zero_as_quantity_only() -> None:
    assert parse_minimum_reclaim("0") == Threshold(quantity=Quantity())
    assert parse_minimum_reclaim("5%") == Threshold(part=Fraction(1, 20))
    for text in ("0%", "-1", "-5%", "x"):
        with pytest.raises(ValueError, match="not negative"):
            parse_minimum_reclaim(text)


def test_grace_periods_are_durations_that_are_not_negative() -> None:
    assert parse_grace_period("1m30s") == Duration.of(seconds=90)
    assert not parse_grace_period("0s")
    for text in ("-1s", "1", "x"):
        with pytest.raises(ValueError, match="must be a duration"):
            parse_grace_period(text)


def test_a_percentage_is_a_part_of_one() -> None:
    assert parse_percentage("100%") == 1
    with pytest.raises(ValueError, match="between 0% and 100%"):
        parse_percentage("50")
