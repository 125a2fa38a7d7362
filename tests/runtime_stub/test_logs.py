"""Log files have CRI's format, whatever a process writes and however it is cut up."""

import os
import re
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.logs import MAX_LINE_BYTES, LogFile, create_log, timestamp

LINE = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr) ([FP]) (.*)", re.DOTALL)
AT = 1_700_000_000_123_456_789


def read(path: Path) -> list[tuple[str, str, bytes]]:
    """Return stream, tag and text of each line of a log file."""
    matches = [LINE.fullmatch(line) for line in path.read_bytes().split(b"\n")[:-1]]
    assert all(matches)
    return [(found[2].decode(), found[3].decode(), found[4]) for found in matches if found]


def test_a_line_carries_time_stream_and_tag(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "app" / "0.log"))
    log.write("stdout", b"hello World\n", at=AT)
    log.close(at=AT)

    assert (tmp_path / "app/0.log").read_bytes() == b"2023-11-14T22:13:20.123456789Z stdout F hello World\n"


def test_the_file_may_be_read_by_its_group_and_its_directory_by_all(tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        create_log(str(tmp_path / "file"))
    finally:
        os.umask(previous)

    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_streams_do_not_mix_their_unfinished_lines(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"))
    log.write("stdout", b"a", at=AT)
    log.write("stderr", b"x\n", at=AT)
    log.write("stdout", b"b\nc", at=AT)
    assert log.has_rest
    log.close(at=AT)

    assert read(tmp_path / "log") == [("stderr", "F", b"x"), ("stdout", "F", b"ab"), ("stdout", "P", b"c")]


@given(st.integers(0, 3), st.integers(-2, 2))
def test_long_lines_are_cut_into_parts_that_end_with_a_full_one(
    tmp_path_factory: pytest.TempPathFactory, parts: int, more: int
) -> None:
    path, text = tmp_path_factory.mktemp("log") / "log", b"x" * max(0, parts * MAX_LINE_BYTES + more)
    log = LogFile(str(path))
    log.write("stdout", text + b"\n", at=AT)
    log.close(at=AT)

    lines = read(path)
    assert b"".join(line for _, _, line in lines) == text
    assert [tag for _, tag, _ in lines] == ["P"] * (len(lines) - 1) + ["F"]
    assert all(len(line) <= MAX_LINE_BYTES for _, _, line in lines)


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_how_output_arrives_does_not_matter(tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes]) -> None:
    directory = tmp_path_factory.mktemp("log")
    piecemeal, whole = LogFile(str(directory / "a")), LogFile(str(directory / "b"))
    for chunk in chunks:
        piecemeal.write("stdout", chunk, at=AT)
    whole.write("stdout", b"".join(chunks), at=AT)
    piecemeal.close(at=AT)
    whole.close(at=AT)

    assert (directory / "a").read_bytes() == (directory / "b").read_bytes()


def test_without_a_reopen_the_writer_goes_on_in_the_renamed_file(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"))
    log.write("stdout", b"1\n", at=AT)
    (tmp_path / "log").rename(tmp_path / "log.1")
    log.write("stdout", b"2\n", at=AT)
    log.reopen()
    log.write("stdout", b"3\n", at=AT)
    log.close(at=AT)

    assert [text for _, _, text in read(tmp_path / "log.1")] == [b"1", b"2"]
    assert [text for _, _, text in read(tmp_path / "log")] == [b"3"]


def test_a_remembered_beginning_is_written_with_its_end(tmp_path: Path) -> None:
    log = LogFile(str(tmp_path / "log"))
    log.remember("stdout", b"old\nbegun ")
    log.write("stdout", b"ended\n", at=AT)
    log.close(at=AT)

    assert read(tmp_path / "log") == [("stdout", "F", b"begun ended")]


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="File exists"):
        LogFile(str(tmp_path / "file" / "log"))


def test_times_have_nine_digits_and_a_zone() -> None:
    assert timestamp(1) == "1970-01-01T00:00:00.000000001Z"
