"""A shell at a terminal edits its lines: what is shown is what is read, wherever the cursor was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.line_editor import LineEditor
from runtime_stub.terminal import MAX_LINE_BYTES

UP, DOWN, RIGHT, LEFT, HOME, END, DELETE = (b"\x1b[" + end for end in (b"A", b"B", b"C", b"D", b"H", b"F", b"3~"))


def screen(echo: bytes) -> str:
    """Return the last row of a terminal that was shown this."""
    row, at = list[str](), 0
    for char in echo.decode("utf-8", "replace").rpartition("\r\n")[2]:
        if char == "\b":
            at = max(0, at - 1)
        else:
            row[at : at + 1] = [char]
            at += 1
    return "".join(row).rstrip(" ")


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (b"ls", b"ls"),
        (b"lx\x7fs", b"ls"),
        (b"helo" + LEFT + b"l", b"hello"),
        (b"echo hello" + LEFT * 3 + b"XX", b"echo heXXllo"),
        (b"bc" + HOME + b"a" + END + b"d", b"abcd"),
        (b"bc\x01a\x05d", b"abcd"),
        (b"abc" + LEFT * 2 + DELETE, b"ac"),
        (b"abc" + LEFT + b"\x15", b"c"),
        (b"abc" + LEFT * 2 + b"\x0b", b"a"),
        (b"one two  \x17three", b"one three"),
        (b"one\x17", b""),
        (b"a\tb", b"ab"),
        ("\u00fcx".encode() + LEFT * 2 + b"\x1b[3~", b"x"),
        (b"abc\x02\x06\x02\x04", b"ab"),
        (b"ab" + b"\x1b[15~" + b"\x1bx" + b"\x1b[1;5C" + b"c", b"abc"),
        (LEFT + RIGHT + UP + DOWN + DELETE + b"\x7f", b""),
    ],
)
def test_keys_edit_the_line(keys: bytes, line: bytes) -> None:
    editor = LineEditor()
    shown = editor.type(keys).echo

    assert screen(shown) == line.decode()
    assert editor.type(b"\r").lines == (line + b"\n",)


def test_older_lines_come_back_and_the_draft_too() -> None:
    editor = LineEditor()
    assert editor.type(b"first\rsecond\rsecond\r").lines == (b"first\n", b"second\n", b"second\n")

    assert editor.type(b"dra" + UP + UP + b"!\r").lines == (b"first!\n",)
    assert editor.type(b"ft" + UP + DOWN + b"\r").lines == (b"ft\n",)


def test_interrupts_and_ends_are_as_at_any_terminal() -> None:
    typed = LineEditor().type(b"ab\x03")
    assert (typed.echo, typed.interrupted) == (b"ab^C\r\n", True)
    assert LineEditor().type(b"\x04").lines == (b"",)
    assert LineEditor().type(b"ab\x03c\r").lines == (b"c\n",)


def test_keys_may_come_in_pieces() -> None:
    editor = LineEditor()
    for key in b"helo" + LEFT + b"l" + "\u00e4".encode() + b"\r":
        typed = editor.type(bytes([key]))

    assert typed.lines == ("hell\u00e4o\n".encode(),)


def test_a_line_has_a_longest_length() -> None:
    (line,) = LineEditor().type(b"x" * 10_000 + b"\r").lines
    assert len(line) == MAX_LINE_BYTES


KEYS = st.sampled_from([UP, DOWN, RIGHT, LEFT, HOME, END, DELETE, b"\x7f", b"\x15", b"\x17", b"\x0b", b"\r", b"\x1b"])


@given(keys=st.lists(KEYS | st.sampled_from([b"a", b"b", b" ", b"xyz"]), max_size=40))
def test_what_is_shown_is_what_is_read(keys: list[bytes]) -> None:
    editor = LineEditor()
    shown = b"".join(editor.type(one).echo for one in [*keys, b" "])

    (line,) = editor.type(b"\r").lines
    assert screen(shown) == line.decode().rstrip("\n").rstrip(" ")


@given(keys=st.binary(max_size=200))
def test_any_keys_can_be_typed(keys: bytes) -> None:
    editor = LineEditor()
    assert editor.type(keys + b"\r\x03\x03").interrupted
    assert editor.type(b"ok\r").lines == (b"ok\n",)
