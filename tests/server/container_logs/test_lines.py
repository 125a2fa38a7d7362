"""Claims about the lines of log files."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.server.container_logs.lines import (
    BadFormat,
    BadLine,
    BadTime,
    LogLine,
    format_of,
    nanoseconds,
    parse_cri,
    parse_docker_json,
    stamp,
)

TIME = "2016-10-06T00:17:09.669794202Z"


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (f"{TIME} stdout F all of it\n", LogLine(TIME, b"stdout", b"all of it\n")),
        (f"{TIME} stderr P a piece\n", LogLine(TIME, b"stderr", b"a piece")),
        (f"{TIME} stdout P:TAG a piece\n", LogLine(TIME, b"stdout", b"a piece")),
        (f"{TIME} stdout F \n", LogLine(TIME, b"stdout", b"\n")),
        (f"{TIME} stdout F without an end", LogLine(TIME, b"stdout", b"without an end")),
    ],
)
def test_a_line_of_cris_format_is_parsed(raw, line):
    assert parse_cri(raw.encode()) == line


@pytest.mark.parametrize("raw", ["", "hello\n", "now stdout F x\n", f"{TIME} stdin F x\n", f"{TIME} stdout F\n"])
def test_what_is_no_line_of_cris_format_is_said_to_be_none(raw):
    with pytest.raises(BadLine):
        parse_cri(raw.encode())


def test_a_line_of_dockers_format_is_parsed():
    raw = b'{"log":"hi\\n","stream":"stderr","time":"2016-10-20T18:39:20.5Z"}\n'

    assert format_of(raw) is parse_docker_json
    assert parse_docker_json(raw) == LogLine("2016-10-20T18:39:20.5Z", b"stderr", b"hi\n")


@pytest.mark.parametrize("raw", [b"[]", b"{", b'{"log":1}', b'{"log":"x","time":"now"}', b'{"log":"x","time":5}'])
def test_other_json_is_no_line_of_dockers_format(raw):
    with pytest.raises(BadLine):
        parse_docker_json(raw)


def test_a_first_line_of_no_known_format_is_quoted():
    with pytest.raises(BadFormat, match=r'^failed to get parse function: unsupported log format: "what\?\\n"$'):
        format_of(b"what?\n")


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (TIME, TIME),
        ("2016-10-06T00:17:09Z", "2016-10-06T00:17:09.000000000Z"),
        ("2016-10-06T00:17:09.5+02:00", "2016-10-06T00:17:09.500000000+02:00"),
        ("2016-10-06T00:17:09.5+00:00", "2016-10-06T00:17:09.500000000Z"),
    ],
)
def test_times_are_shown_with_nine_digits(time, shown):
    assert stamp(time).decode() == shown


@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999_999))
def test_a_time_keeps_its_nanoseconds(seconds, fraction):
    time = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"

    assert nanoseconds(time) == seconds * 1_000_000_000 + fraction


def test_a_time_that_is_none_is_refused():
    with pytest.raises(BadTime):
        nanoseconds("2016-13-40T00:00:00Z")
