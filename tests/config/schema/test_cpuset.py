import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.config.schema.cpuset import parse_cpu_set


@pytest.mark.parametrize(("text", "cpus"), [("", set()), ("0", {0}), ("0-3,8", {0, 1, 2, 3, 8}), ("1,1-1,0", {0, 1})])
def test_cpu_lists_are_read(text: str, cpus: set[int]) -> None:
    assert parse_cpu_set(text) == cpus


@given(st.sets(st.integers(0, 500), min_size=1))
def test_every_list_of_numbers_is_read(cpus: set[int]) -> None:
    assert parse_cpu_set(",".join(map(str, cpus))) == cpus


@pytest.mark.parametrize("text", ["a", "1-", "-1", "1,,2", " 1", "3-1", "1-2-3", "0-99999999", ","])
def test_what_is_no_cpu_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is neither|runs backwards|there is no CPU"):
        parse_cpu_set(text)
