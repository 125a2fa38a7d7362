"""A terminal edits lines, echoes them, and knows three control characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.terminal import MAX_LINE_BYTES, LineDiscipline, Typed, displayed


@pytest.mark.parametrize(
    ("keys", "typed"),
    [
        (b"ls", Typed(b"ls")),
        (b"ls\r", Typed(b"ls\r\n", (b"ls\n",))),
        (b"lx\x7fs\n", Typed(b"lx\b \bs\r\n", (b"ls\n",))),
        (b"\x7f", Typed()),
        (b"ab\x15c\r", Typed(b"ab\b \b\b \bc\r\n", (b"c\n",))),
        (b"ab\x03", Typed(b"ab^C\r\n", interrupted=True)),
        (b"\x04more\r", Typed(b"more\r\n", (b"", b"more\n"))),
        (b"ab\x04", Typed(b"ab", (b"ab",))),
        (b"a\rb\x03c", Typed(b"a\r\nb^C\r\nc", interrupted=True)),
        (b"\x1b[A", Typed(b"^[[A")),
    ],
)
def test_keys_mean_what_they_mean_in_the_kernel(keys: bytes, typed: Typed) -> None:
    assert LineDiscipline().type(keys) == typed


def test_a_line_is_kept_until_it_is_entered() -> None:
    discipline = LineDiscipline()
    discipline.type(b"echo ")

    assert discipline.type(b"hi\r").lines == (b"echo hi\n",)


def test_a_line_has_a_longest_length() -> None:
    [line] = LineDiscipline().type(b"x" * 10_000 + b"\r").lines
    assert len(line) == MAX_LINE_BYTES


@given(keys=st.lists(st.binary(max_size=60), max_size=6))
def test_any_keys_can_be_typed(keys: list[bytes]) -> None:
    discipline = LineDiscipline()

    assert all(len(discipline.type(some).echo) <= 3 * MAX_LINE_BYTES for some in keys)


def test_output_returns_to_the_beginning_of_each_line() -> None:
    assert displayed(b"a\nb\n") == b"a\r\nb\r\n"
