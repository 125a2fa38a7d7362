"""This module is the container's log file: one line of text a line of output, in CRI's format.

    2026-11-23T07:00:00.000000001Z stdout F hello

A line beyond 16 KiB is written in pieces marked P, the last one F; what a process leaves without a newline is P, too. A
file is kept open only while its process may still write, as descriptors are few and sleepers are many. Format:
`staging/src/k8s.io/cri-client/pkg/logs`; writer upstream: internal/cri/io/logger.go.
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

MAX_LINE_BYTES = 16 * 1024
FILE_MODE = 0o640
DIRECTORY_MODE = 0o755


class LogFile:
    """The log of one running container.

    Args:
        path: absolute path; directories above it are made.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._rest: dict[str, bytes] = {}
        self._file = self._open()

    def write(self, stream: str, data: bytes, *, at: int) -> None:
        """Append output of a stream; what comes after its last newline waits for more.

        Args:
            stream: `stdout` or `stderr`.
            data: any bytes.
            at: Unix nanoseconds.
        """
        *lines, rest = (self._rest.pop(stream, b"") + data).split(b"\n")
        stamp = timestamp(at)
        pieces = [piece for line in lines for piece in _pieces(stamp, stream, line, last=b"F")]
        while len(rest) >= MAX_LINE_BYTES:
            pieces.append(_line(stamp, stream, b"P", rest[:MAX_LINE_BYTES]))
            rest = rest[MAX_LINE_BYTES:]
        if rest:
            self._rest[stream] = rest
        self._append(pieces)

    @property
    def has_rest(self) -> bool:
        """Whether a line has been begun and not ended."""
        return bool(self._rest)

    def remember(self, stream: str, data: bytes) -> None:
        """Take output that is in the file already, for the sake of what follows its last newline."""
        rest = (self._rest.pop(stream, b"") + data).rpartition(b"\n")[2]
        if rest := rest[len(rest) // MAX_LINE_BYTES * MAX_LINE_BYTES :]:
            self._rest[stream] = rest

    def reopen(self) -> None:
        """Begin a new file at the path; the old one, which was renamed, gets no more lines.

        Raises:
            OSError: the file cannot be made; the old one stays in use.
        """
        file = self._open()
        os.close(self._file)
        self._file = file

    def close(self, *, at: int) -> None:
        """Write what is left without a newline, and let the file go."""
        stamp = timestamp(at)
        self._append(piece for stream, rest in self._rest.items() for piece in _pieces(stamp, stream, rest, last=b"P"))
        self.release()

    def release(self) -> None:
        """Let the file go as it is."""
        os.close(self._file)

    def _open(self) -> int:
        self._path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
        with suppress(OSError):  # somebody else's file keeps its mode
            os.fchmod(file, FILE_MODE)  # the umask may have taken bits away
        return file

    def _append(self, pieces: Iterable[bytes]) -> None:
        if data := b"".join(pieces):
            os.write(self._file, data)


def create_log(path: str) -> None:
    """Make the log file of a container that will never write to it."""
    LogFile(path).release()


def timestamp(at: int) -> str:
    """Return Unix nanoseconds as RFC 3339 with nine digits, in UTC."""
    seconds, nanoseconds = divmod(at, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"


def _pieces(stamp: str, stream: str, line: bytes, *, last: bytes) -> list[bytes]:
    cuts = range(0, max(len(line), 1), MAX_LINE_BYTES)
    return [_line(stamp, stream, last if cut == cuts[-1] else b"P", line[cut : cut + MAX_LINE_BYTES]) for cut in cuts]


def _line(stamp: str, stream: str, tag: bytes, text: bytes) -> bytes:
    return b"%s %s %s %s\n" % (stamp.encode(), stream.encode(), tag, text)
