"""Claims about the attribute index: it may say yes too often, and never no."""

from array import array
from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from kubeletsim.traces.attribute_index import has_hash, hashes_of, index_attributes
from kubeletsim.traces.filters import text_of
from kubeletsim.traces.otlp import decode_value


def text(key: str, value: str) -> bytes:
    return KeyValue(key=key, value=AnyValue(string_value=value)).SerializeToString()


VALUES = st.one_of(
    st.builds(AnyValue, string_value=st.text(max_size=8)),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
    st.builds(AnyValue, double_value=st.floats()),
    st.builds(AnyValue, bytes_value=st.binary(max_size=8)),
    st.just(AnyValue()),
)


@given(st.text(max_size=5), VALUES)
def test_a_value_of_any_type_is_found_by_its_text(key: str, value: AnyValue) -> None:
    encoded = KeyValue(key=key, value=value).SerializeToString()
    hashes = hashes_of(key, text_of(decode_value(value)))

    assert hashes is None or crc32(encoded) in hashes


@given(st.dictionaries(st.text(max_size=200), st.lists(st.text(max_size=300), max_size=3), max_size=5))
def test_every_attribute_is_listed_or_hashed(attributes: dict[str, list[str]]) -> None:
    encoded = {text(key, value) for key, values in attributes.items() for value in values}
    index = index_attributes(encoded)

    for one in encoded:
        key = KeyValue.FromString(one).key
        hashes = index.hashed.get(key)
        assert one in index.listed or (hashes is not None and (not hashes or crc32(one) in hashes))


HASHES = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 1 << 8, 1 << 24]))


@given(st.lists(HASHES), HASHES)
def test_a_hash_is_found_where_it_is_and_nowhere_else(hashes: list[int], wanted: int) -> None:
    assert has_hash(array("I", hashes).tobytes(), wanted) == (wanted in hashes)


def test_few_values_are_listed_and_many_are_hashed() -> None:
    few, many = [text("few", str(n)) for n in range(64)], [text("many", str(n)) for n in range(65)]
    index = index_attributes([*few, *many])

    assert index.listed == few
    assert set(index.hashed["many"]) == {crc32(one) for one in many}


def test_a_long_value_is_hashed_and_the_short_ones_beside_it_are_listed() -> None:
    short, long = text("note", "x"), text("note", "x" * 300)
    index = index_attributes([short, long])

    assert index.listed == [short]
    assert list(index.hashed["note"]) == [crc32(long)]


def test_patterns_and_lists_need_a_look() -> None:
    assert hashes_of("k", "web*") is None
    assert hashes_of("k", "[a, b]") is None
    assert hashes_of("k", "nan") is None
    assert hashes_of("k", "web-1") is not None
