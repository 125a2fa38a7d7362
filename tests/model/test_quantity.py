import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.model.quantity import Quantity, QuantityFormat
from tests.strategies import quantities


@pytest.mark.parametrize(
    ("text", "printed", "value", "milli_value"),
    [
        ("0", "0", 0, 0),
        ("100m", "100m", 1, 100),
        ("0.5", "500m", 1, 500),
        (".5", "500m", 1, 500),
        ("1.", "1", 1, 1000),
        ("1.5", "1500m", 2, 1500),
        ("2", "2", 2, 2000),
        ("1000", "1k", 1000, 10**6),
        ("1500", "1500", 1500, 1_500_000),
        ("10Mi", "10Mi", 10 << 20, 1000 * (10 << 20)),
        ("1024Mi", "1Gi", 1 << 30, 1000 << 30),
        ("0.5Gi", "512Mi", 1 << 29, 1000 << 29),
        ("1Ki", "1Ki", 1024, 1_024_000),
        ("0.5Ki", "512", 512, 512_000),
        ("0.0001Ki", "102400u", 1, 103),
        ("1e3", "1e3", 1000, 10**6),
        ("1E3", "1e3", 1000, 10**6),
        ("1E", "1E", 10**18, 10**21),
        ("100e-3", "100e-3", 1, 100),
        ("12e1", "120", 120, 120_000),
        ("1n", "1n", 1, 1),
        ("0.1n", "1n", 1, 1),
        ("-100m", "-100m", -1, -100),
        ("-1.5Gi", "-1536Mi", -1536 << 20, -1536000 << 20),
        ("+5", "5", 5, 5000),
        ("007", "7", 7, 7000),
        ("1e999999999", "9223372036854775807", 2**63 - 1, (2**63 - 1) * 1000),
        ("1e-999999999", "1e-9", 1, 1),
        ("100E", "9223372036854775807", 2**63 - 1, (2**63 - 1) * 1000),
    ],
)
def test_quantities_are_read_exactly_and_printed_in_canonical_form(
    text: str, printed: str, value: int, milli_value: int
) -> None:
    quantity = Quantity.parse(text)
    assert (str(quantity), quantity.value(), quantity.milli_value()) == (printed, value, milli_value)


@pytest.mark.parametrize(
    "text", ["", "m", ".", "1mi", "1 Gi", " 1", "1KB", "0x10", "1e", "1e1.5", "--1", "10%", "\u0661", "1_000"]
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        Quantity.parse(text)


def test_a_number_of_absurd_length_is_refused_cheaply() -> None:
    with pytest.raises(ValueError, match="too long"):
        Quantity.parse("1" * 10_000)


@given(quantities())
def test_every_quantity_survives_printing_and_reading(quantity: Quantity) -> None:
    assert Quantity.parse(str(quantity)) == quantity


@given(quantities())
def test_canonical_form_has_no_fraction_and_the_largest_suffix_that_fits(quantity: Quantity) -> None:
    found = re.fullmatch(r"(-?[0-9]+)(?:([KMGTPE]i)|([numkMGTPE])|e(-?[0-9]+))?", str(quantity))
    assert found
    number, binary, decimal, _ = found.groups()
    if binary:
        assert int(number) % 1024 or binary == "Ei"
    elif quantity.nanos and quantity.format is not QuantityFormat.BINARY_SI:
        assert int(number) % 1000 or decimal == "E"


@given(quantities())
def test_rounding_never_gives_less_than_was_asked(quantity: Quantity) -> None:
    assert abs(quantity.value()) * 10**9 >= abs(quantity.nanos)
    assert abs(quantity.milli_value()) * 10**6 >= abs(quantity.nanos)
    assert abs(quantity.value() * 10**9 - quantity.nanos) < 10**9


@given(quantities(), quantities())
def test_sums_and_differences_are_exact(one: Quantity, other: Quantity) -> None:
    assert (one + other) - other == one
    assert one - other == -(other - one)


@given(st.integers(0, 2**40), quantities())
def test_equality_and_order_ignore_how_an_amount_is_written(amount: int, other: Quantity) -> None:
    whole = Quantity.of(amount)
    assert whole == Quantity.parse(f"{amount * 1000}m") == Quantity.of(amount, format=QuantityFormat.BINARY_SI)
    assert hash(whole) == hash(Quantity.of(amount, format=QuantityFormat.BINARY_SI))
    assert (whole < other) == (amount * 10**9 < other.nanos)


def test_a_sum_prints_in_the_family_of_its_first_part_unless_that_is_nothing() -> None:
    assert str(Quantity.parse("1Gi") + Quantity.parse("1")) == "1073741825"
    assert str(Quantity() + Quantity.parse("1Gi")) == "1Gi"
    assert Quantity.parse("1") != "1"
