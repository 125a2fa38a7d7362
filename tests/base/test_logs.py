"""Log lines are those of klog, so that tools that read a kubelet's log read ours."""

import io
import json
import logging
import os
import re
from collections.abc import Iterator

import pytest

from kubeletsim.base import logs

log = logging.getLogger("kubeletsim.test")


@pytest.fixture(autouse=True)
def _root_logger_is_put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_a_text_line_has_klogs_header(stream: io.StringIO) -> None:
    logs.configure(stream=stream)
    log.warning("pod %s", "web")

    header = rf"W\d{{4}} \d\d:\d\d:\d\d\.\d{{6}} {os.getpid():7d} test_logs\.py:\d+\] pod web\n"
    assert re.fullmatch(header, stream.getvalue())


@pytest.mark.parametrize(
    ("level", "letter"),
    [(logging.DEBUG, "I"), (logging.INFO, "I"), (logging.WARNING, "W"), (logging.ERROR, "E"), (logging.CRITICAL, "F")],
)
def test_severities_are_klogs_letters(stream: io.StringIO, level: int, letter: str) -> None:
    logs.configure(verbosity=4, stream=stream)
    log.log(level, "x")
    assert stream.getvalue()[0] == letter


def test_debug_lines_need_verbosity_4(stream: io.StringIO) -> None:
    logs.configure(verbosity=3, stream=stream)
    log.debug("hidden")
    log.info("shown")
    assert "hidden" not in stream.getvalue()
    assert "shown" in stream.getvalue()


def test_a_json_line_is_one_object_whatever_the_message(stream: io.StringIO) -> None:
    logs.configure(format_="json", verbosity=4, stream=stream)
    log.info("two\nlines")
    log.debug("detail")

    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(entry["msg"], entry["v"]) for entry in told] == [("two\nlines", 0), ("detail", 4)]
    assert all(re.fullmatch(r"test_logs\.py:\d+", entry["caller"]) and entry["ts"] > 1e12 for entry in told)


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_failure_brings_its_traceback(stream: io.StringIO, format_: str) -> None:
    logs.configure(format_="json" if format_ == "json" else "text", stream=stream)
    try:
        {}["lost"]
    except KeyError:
        log.exception("failed")

    said = stream.getvalue()
    if format_ == "json":
        entry = json.loads(said)
        assert "v" not in entry
        said = entry["err"]
    assert "Traceback" in said
    assert "KeyError: 'lost'" in said


def test_to_configure_again_replaces_what_was_there(stream: io.StringIO) -> None:
    logs.configure(stream=io.StringIO())
    logs.configure(stream=stream)
    log.info("once")
    assert stream.getvalue().count("once") == 1
