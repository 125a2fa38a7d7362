"""Pod addresses are unique while they are held."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.state.addresses import AddressPool, parse_ranges


def test_the_first_address_follows_the_gateway() -> None:
    assert AddressPool(parse_ranges("10.88.0.0/16")).take() == ("10.88.0.2",)


def test_two_ranges_make_dual_stack_pods() -> None:
    assert AddressPool(parse_ranges("10.1.0.0/24, fd00::/64")).take() == ("10.1.0.2", "fd00::2")


def test_an_address_is_given_again_as_late_as_possible() -> None:
    pool = AddressPool(parse_ranges("10.0.0.0/29"))
    first = pool.take()
    pool.release(first)

    assert [pool.take()[0] for _ in range(5)] == [f"10.0.0.{n}" for n in (3, 4, 5, 6, 2)]


def test_an_exhausted_range_has_nothing_to_give() -> None:
    pool = AddressPool(parse_ranges("10.0.0.0/30"))
    pool.take()

    assert pool.take() == ()


@given(st.lists(st.integers(0, 9)))
def test_no_two_pods_ever_hold_one_address(releases: list[int]) -> None:
    pool, held = AddressPool(parse_ranges("10.0.0.0/28")), []
    for release in releases:
        held += pool.take()
        assert len(held) == len(set(held))
        if release < len(held):
            pool.release([held.pop(release)])


def test_addresses_of_restored_sandboxes_are_taken() -> None:
    pool = AddressPool(parse_ranges("10.0.0.0/24"))
    pool.hold(["10.0.0.2"])

    assert pool.take() == ("10.0.0.3",)


def test_a_new_range_serves_the_next_pod() -> None:
    pool = AddressPool(parse_ranges("10.0.0.0/24"))
    pool.use(parse_ranges("10.9.0.0/24"))

    assert pool.take() == ("10.9.0.2",)


@pytest.mark.parametrize("text", ["", "x", "10.0.0.0/33", "10.0.0.1/32"])
def test_what_is_no_range_for_pods_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_ranges(text)
