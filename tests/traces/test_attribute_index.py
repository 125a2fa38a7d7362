"""Claims about the attribute index: it may say yes too often, and never no."""

import re
from fnmatch import translate

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from kubeletsim.traces.attribute_index import Pattern, index_attributes, needle_of, texts_in
from kubeletsim.traces.filters import as_glob, text_of
from kubeletsim.traces.otlp import decode_value


def text(key: str, value: str) -> bytes:
    return KeyValue(key=key, value=AnyValue(string_value=value)).SerializeToString()


def exactly(value: AnyValue) -> str:
    return text_of(decode_value(value))


VALUES = st.one_of(
    st.builds(AnyValue, string_value=st.text(max_size=8)),
    st.builds(AnyValue, string_value=st.text(min_size=100, max_size=200)),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
    st.builds(AnyValue, double_value=st.floats()),
    st.builds(AnyValue, bytes_value=st.binary(max_size=8)),
    st.just(AnyValue()),
)


@given(st.text(max_size=200), st.lists(VALUES, min_size=1, max_size=5))
def test_a_value_of_any_type_is_found_by_its_text(key: str, values: list[AnyValue]) -> None:
    filler = [text(key, f"filler {number}") for number in range(70)]  # so that they are too many to list
    pairs = [KeyValue(key=key, value=value).SerializeToString() for value in values]
    index = index_attributes([*filler, *pairs])

    assert all(Pattern(exactly(value)).can_be_in(index.joined[key]) for value in values)


@given(st.text(alphabet="ab*?\0ü", max_size=8), st.text(alphabet="ab\0ü", max_size=8))
def test_what_matches_a_pattern_is_not_passed_over(pattern: str, value: str) -> None:
    index = index_attributes([text("k", value), *(text("k", f"filler {number}") for number in range(70))])

    if re.match(translate(as_glob(pattern)), value):
        assert Pattern(pattern).can_be_in(index.joined["k"])


@given(st.dictionaries(st.text(max_size=200), st.lists(st.text(max_size=300), max_size=3), max_size=5))
def test_every_attribute_is_listed_or_joined(attributes: dict[str, list[str]]) -> None:
    encoded = {text(key, value) for key, values in attributes.items() for value in values}
    index = index_attributes(encoded)

    for one in encoded:
        pair = KeyValue.FromString(one)
        joined = index.joined.get(pair.key)
        assert one in index.listed or (joined is not None and Pattern(pair.value.string_value).can_be_in(joined))


def test_few_values_are_listed_and_many_are_joined() -> None:
    few, many = [text("few", str(n)) for n in range(64)], [text("many", str(n)) for n in range(65)]
    index = index_attributes([*few, *many])

    assert index.listed == few
    assert set(index.joined["many"].split(b"\0")) == {b"", *(str(n).encode() for n in range(65))}


def test_a_long_value_is_joined_and_the_short_ones_beside_it_are_listed() -> None:
    short, long = text("note", "x"), text("note", "x" * 300)
    index = index_attributes([short, long])

    assert index.listed == [short]
    assert index.joined == {"note": b"\0" + b"x" * 300 + b"\0"}


def test_of_more_than_is_worth_keeping_nothing_is_kept_and_anything_can_be_there() -> None:
    index = index_attributes([text("log", "x" * 600_000), text("log", "y" * 600_000)])

    assert index.joined == {"log": b""}
    assert Pattern("x").can_be_in(b"")


def test_a_pattern_is_looked_for_by_its_longest_piece() -> None:
    assert needle_of("web-7") == b"\0web-7\0"
    assert needle_of("web-*") == b"\0web-"
    assert needle_of("a*longest?z") == b"longest"
    assert needle_of("*-7") == b"-7\0"
    assert needle_of("") == b"\0\0"
    assert needle_of("*") == b""


def test_numbers_and_texts_are_read_off_the_bytes_as_they_would_be_decoded() -> None:
    numbers = [-1, 0, 1, 127, 128, 129, 255, 256, 8191, 16383, 16384, 2**31, 2**63 - 1]
    texts = ["", "a", "x" * 125, "x" * 126, "ä" * 62, "18"]
    values = [AnyValue(int_value=number) for number in numbers] + [AnyValue(string_value=text) for text in texts]
    encoded = [KeyValue(key="k", value=value).SerializeToString() for value in values]

    assert texts_in(encoded, 3) == [str(number).encode() for number in numbers] + [text.encode() for text in texts]
