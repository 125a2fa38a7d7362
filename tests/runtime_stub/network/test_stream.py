"""A connection in memory behaves like TCP: what is sent arrives, ends are orderly or not, news is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.network.stream import WINDOW_BYTES, connection


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 200))
def test_what_is_sent_arrives_whole_and_in_order(pieces: list[bytes], limit: int) -> None:
    near, far = connection()
    for piece in pieces:
        near.write(piece)
    near.end()
    received = b""
    while not far.is_over:
        received += far.read(limit)

    assert received == b"".join(pieces)


def test_the_other_side_is_told_of_data_of_the_end_and_of_room() -> None:
    near, far = connection()
    told: list[str] = []
    near.on_news, far.on_news = lambda: told.append("near"), lambda: told.append("far")

    near.write(b"x" * WINDOW_BYTES)
    assert (told, near.room) == (["far"], 0)
    far.read()
    assert (told, near.room) == (["far", "near"], WINDOW_BYTES)
    near.end()
    assert told == ["far", "near", "far"]


def test_after_one_side_has_ended_the_other_may_still_send() -> None:
    near, far = connection()
    near.end()
    far.write(b"late")

    assert (far.is_over, far.is_abandoned, near.read()) == (True, False, b"late")
    with pytest.raises(BrokenPipeError):
        near.write(b"more")


def test_leaving_what_has_come_unread_resets_the_connection() -> None:
    near, far = connection()
    far.write(b"answer")
    near.write(b"question")
    far.close()

    assert near.read() == b"answer"
    with pytest.raises(ConnectionResetError):
        near.read()
    with pytest.raises(BrokenPipeError):
        near.write(b"anybody?")


def test_closing_after_everything_was_read_is_an_orderly_end() -> None:
    near, far = connection("a:1", "b:2")
    far.close()

    assert (near.local, near.remote, near.is_over, near.is_reset, near.is_abandoned) == (
        "a:1",
        "b:2",
        True,
        False,
        True,
    )
    assert near.read() == b""
