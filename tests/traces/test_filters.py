"""Claims about filters: what a word on the command line means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.traces.filters import AttributeFilter, parse_attribute, parse_duration_ns, text_of


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("200ms", 200_000_000),
        ("1.5s", 1_500_000_000),
        ("10m", 600_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("2d", 172_800_000_000_000),
        ("85µs", 85_000),
        ("85us", 85_000),
        ("7ns", 7),
    ],
)
def test_durations_are_spelled_as_go_spells_them_and_in_days(text: str, nanoseconds: int) -> None:
    assert parse_duration_ns(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "200", "ms", "-1s", "1s ", "1 s", "one second", "1s2"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as"):
        parse_duration_ns(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("k=v", AttributeFilter("k", "v")),
        ("k=", AttributeFilter("k", "")),
        ("url=a=b", AttributeFilter("url", "a=b")),
    ],
)
def test_an_attribute_is_cut_at_its_first_equals_sign(text: str, expected: AttributeFilter) -> None:
    assert parse_attribute(text) == expected


@pytest.mark.parametrize("text", ["", "k", "=v"])
def test_an_attribute_without_a_key_or_an_equals_sign_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not key=value"):
        parse_attribute(text)


@pytest.mark.parametrize(
    ("pattern", "value", "matches"),
    [
        ("web*", "web-1", True),
        ("web?", "web-1", False),
        ("pod[0]", "pod[0]", True),
        ("pod[0]", "pod0", False),
        ("true", True, True),
        ("1", True, False),
        ("404", 404, True),
        ("1.5", 1.5, True),
        ("[a, 1]", ["a", 1], True),
        ("{k: null}", {"k": None}, True),
        ("00ff", b"\x00\xff", True),
    ],
)
def test_values_match_as_they_are_shown(pattern: str, value: object, matches: bool) -> None:
    assert AttributeFilter("k", pattern).matches({"k": value}) is matches  # type: ignore[dict-item]
    assert not AttributeFilter("other", pattern).matches({"k": value})  # type: ignore[dict-item]


@given(st.one_of(st.text(), st.integers(), st.booleans(), st.binary()))
def test_every_value_matches_its_own_text(value: str | int | bool | bytes) -> None:
    text = text_of(value)
    if "*" not in text and "?" not in text:
        assert AttributeFilter("k", text).matches({"k": value})
