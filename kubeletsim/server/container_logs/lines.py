"""The lines of log files: CRI's format, and the JSON of Docker's days. Pure.

    2016-10-06T00:17:09.669794202Z stdout F a whole line
    {"log":"a line, its end included","stream":"stdout","time":"2016-10-06T00:17:09.669794202Z"}

A CRI line tagged `P` is a piece: it goes on in the next. Upstream: staging/src/k8s.io/cri-client/pkg/logs/logs.go.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kubeletsim.model.errors import KubeletSimError, go_quote

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)
STREAMS = (b"stdout", b"stderr")
ZERO_TIME = "0001-01-01T00:00:00Z"


class BadTime(KubeletSimError):
    """It is no RFC 3339 time."""


class BadLine(KubeletSimError):
    """A line is of another format than its file, and is passed over."""


class BadFormat(KubeletSimError):
    """The first line of a file is of no format known; the file cannot be shown."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line, or a piece of one."""

    time: str
    """As the file has it, RFC 3339."""
    stream: bytes
    content: bytes
    """Ends with a newline, unless it goes on in the next."""


Parse = Callable[[bytes], LogLine]


def parse_cri(line: bytes) -> LogLine:
    """Parse a line of CRI's format, newline included.

    Raises:
        BadLine: it is something else.
    """
    time, _, rest = line.partition(b" ")
    stream, _, rest = rest.partition(b" ")
    tags, space, content = rest.partition(b" ")
    if not space or stream not in STREAMS:
        raise BadLine("no line of CRI's log format")
    stamp = time.decode("ascii", "replace")
    if not _TIME.fullmatch(stamp):
        raise BadLine("no line of CRI's log format: it begins with no time")
    if tags.partition(b":")[0] == b"P":
        content = content.removesuffix(b"\n")
    return LogLine(stamp, stream, content)


def parse_docker_json(line: bytes) -> LogLine:
    """Parse a line of Docker's JSON format.

    Raises:
        BadLine: it is something else.
    """
    try:
        entry = json.loads(line)
        stamp = entry.get("time", ZERO_TIME)
        found = LogLine(stamp, entry.get("stream", "").encode(), entry.get("log", "").encode())
    except (ValueError, AttributeError) as error:
        raise BadLine("no line of Docker's log format") from error
    if not isinstance(stamp, str) or not _TIME.fullmatch(stamp):
        raise BadLine("no line of Docker's log format: its time is none")
    return found


def format_of(line: bytes) -> Parse:
    """Return what parses a file whose first line this is.

    Raises:
        BadFormat: nothing does.
    """
    for parse in (parse_cri, parse_docker_json):
        try:
            parse(line)
        except BadLine:
            continue
        return parse
    raise BadFormat(f"failed to get parse function: unsupported log format: {go_quote(line.decode(errors='replace'))}")


def nanoseconds(time: str) -> int:
    """Return an RFC 3339 time in nanoseconds since 1970.

    Raises:
        BadTime: it is something else.
    """
    match = _TIME.fullmatch(time)
    try:
        seconds = datetime.fromisoformat(match[1] + match[3].replace("Z", "+00:00")) if match else None
    except ValueError:
        seconds = None
    if match is None or seconds is None:
        raise BadTime(f"{time!r} is no RFC 3339 time")
    return int(seconds.timestamp()) * 1_000_000_000 + int((match[2] or "0")[:9].ljust(9, "0"))


def stamp(time: str) -> bytes:
    """Return a line's time as it is shown: always with nine digits after the point."""
    match = _TIME.fullmatch(time)
    if match is None:
        return time.encode()
    zone = "Z" if match[3] in ("Z", "+00:00", "-00:00") else match[3]
    return f"{match[1]}.{(match[2] or '')[:9].ljust(9, '0')}{zone}".encode()
