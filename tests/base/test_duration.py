import pytest
from hypothesis import given

from kubeletsim.base.duration import Duration
from tests.strategies import durations


@pytest.mark.parametrize(
    ("text", "nanoseconds", "printed"),
    [
        ("0", 0, "0s"),
        ("0s", 0, "0s"),
        ("-0", 0, "0s"),
        ("1m", 60 * 10**9, "1m0s"),
        ("1m0s", 60 * 10**9, "1m0s"),
        ("1h0m0s", 3600 * 10**9, "1h0m0s"),
        ("2h45m", 9900 * 10**9, "2h45m0s"),
        ("300ms", 300 * 10**6, "300ms"),
        ("1.5h", 5400 * 10**9, "1h30m0s"),
        (".5s", 500 * 10**6, "500ms"),
        ("5.s", 5 * 10**9, "5s"),
        ("1500us", 1_500_000, "1.5ms"),
        ("1µs", 1000, "1µs"),
        ("1μs", 1000, "1µs"),
        ("7ns", 7, "7ns"),
        ("1001ns", 1001, "1.001µs"),
        ("-1.5h", -5400 * 10**9, "-1h30m0s"),
        ("+5s", 5 * 10**9, "5s"),
        ("1s500ms", 1_500_000_000, "1.5s"),
        ("0.3333333333333333333h", 1_200_000_000_000, "20m0s"),
        ("9223372036854775807ns", 2**63 - 1, "2562047h47m16.854775807s"),
        ("-9223372036854775808ns", -(2**63), "-2562047h47m16.854775808s"),
        ("0.9223372036854775807s", 922_337_203, "922.337203ms"),
    ],
)
def test_durations_are_read_and_printed_as_go_does(text: str, nanoseconds: int, printed: str) -> None:
    duration = Duration.parse(text)
    assert (duration.nanoseconds, str(duration)) == (nanoseconds, printed)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no duration"),
        ("-", "is no duration"),
        ("s", "is no duration"),
        (".", "is no duration"),
        (".s", "is no duration"),
        ("1", "lacks a unit"),
        ("1h30", "lacks a unit"),
        ("1d", "unknown unit 'd'"),
        ("1 s", "unknown unit ' s'"),
        ("1S", "unknown unit 'S'"),
        ("--1s", "is no duration"),
        ("9223372036854775808ns", "longer than"),
        ("3000000h", "longer than"),
        ("1" * 5000 + "s", "longer than"),
    ],
)
def test_what_is_no_duration_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Duration.parse(text)


@given(durations())
def test_every_duration_survives_printing_and_reading(duration: Duration) -> None:
    assert Duration.parse(str(duration)) == duration


@given(durations(), durations())
def test_durations_order_as_their_lengths(one: Duration, other: Duration) -> None:
    assert (one < other) == (one.nanoseconds < other.nanoseconds)


def test_numbers_make_durations_and_come_back_as_seconds() -> None:
    assert Duration.of(hours=1, minutes=1, seconds=1.5, milliseconds=500).seconds == 3662
    assert not Duration()
