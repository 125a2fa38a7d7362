"""Reads one log file, from the line that is asked for to its end or, followed, to the end of its container.

A file that is put aside while it is followed is read to its end, and then the new one at its path. What is looked at
and when is upstream's: at each end of the file the runtime is asked whether the container runs, and then the file is
waited for, a second at most. The wait looks at the file's size ten times a second instead of watching its directory,
which would take a thread for each reader.

Upstream: ReadLogs in staging/src/k8s.io/cri-client/pkg/logs/logs.go.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from kubeletsim.model.errors import KubeletSimError, go_quote
from kubeletsim.server.container_logs.lines import STREAMS, BadLine, LogLine, Parse, format_of, nanoseconds, stamp

log = logging.getLogger(__name__)

BLOCK_BYTES = 64 * 1024
FORCED_LOOK_SECONDS = 1.0
POLL_SECONDS = 0.1


class UnreadableLog(KubeletSimError):
    """A log file cannot be read; the text is for whoever asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What of a file is wanted, and how."""

    tail_lines: int | None = None
    limit_bytes: int | None = None
    since_ns: int | None = None
    """Nanoseconds since 1970; earlier lines are left out."""
    timestamps: bool = False
    follow: bool = False


async def read_log(
    path: str, wanted: Wanted, *, is_running: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes, None]:
    """Yield what is to be shown of a log file, piece by piece.

    Args:
        path: the file, or a link to it.
        wanted: which of its lines, and how.
        is_running: whether the container may still write; asked only by those who follow.

    Raises:
        UnreadableLog: there is no such file, or its format is unknown.
    """
    path = _resolve(path)
    with _Source(path) as source:
        shown = _Shown(wanted)
        source.start(wanted.tail_lines)
        running = True
        while not shown.is_complete:
            lines = source.lines()
            if piece := shown.take(lines):
                yield piece
            if lines:
                await asyncio.sleep(0)  # a long file must not hold everybody up
            elif not wanted.follow:
                if piece := shown.take(source.rest()):
                    yield piece
                return
            elif not running:
                return
            else:
                running = await is_running()
                if running:
                    await source.changed()


class _Source:
    """The file at a path, and the one that takes its place."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._pending = b""
        try:
            self._file: BinaryIO = Path(path).open("rb")  # noqa: SIM115  closed by the block
        except OSError as error:
            raise UnreadableLog(
                f"failed to open log file {go_quote(path)}: {_go_error('open', path, error)}"
            ) from error

    def __enter__(self) -> "_Source":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def start(self, tail_lines: int | None) -> None:
        """Go to the first of the last lines."""
        if tail_lines is not None:
            self._file.seek(tail_start(self._file, tail_lines))

    def lines(self) -> list[bytes]:
        """Return the next whole lines; none at the end of the file, and of a line that is not whole yet."""
        while block := self._file.read(BLOCK_BYTES):
            *whole, self._pending = (self._pending + block).split(b"\n")
            if whole:
                return [line + b"\n" for line in whole]
        return []

    def rest(self) -> list[bytes]:
        """Return a last line without its end, if there is one."""
        rest, self._pending = self._pending, b""
        return [rest] if rest else []

    async def changed(self) -> None:
        """Wait until there may be more to read, a second at most; go on with a new file that is at the path."""
        loop = asyncio.get_running_loop()
        until = loop.time() + FORCED_LOOK_SECONDS
        while not self._has_more() and not self._is_replaced() and loop.time() < until:  # noqa: ASYNC110  see above
            await asyncio.sleep(POLL_SECONDS)
        if self._is_replaced() and not self._has_more():  # in this order: what was written before is read first
            self._reopen()

    def _has_more(self) -> bool:
        return os.fstat(self._file.fileno()).st_size > self._file.tell()

    def _is_replaced(self) -> bool:
        try:
            return not os.path.samestat(Path(self._path).stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False  # put aside, and the new one is not there yet

    def _reopen(self) -> None:
        try:
            opened = Path(self._path).open("rb")  # noqa: SIM115  closed by the block
        except FileNotFoundError:
            return
        self._file.close()
        self._file, self._pending = opened, b""


@dataclass
class _Shown:
    """Turns lines into what is shown of them, and knows when that was all."""

    wanted: Wanted
    is_complete: bool = False
    _parse: Parse | None = None
    _left_bytes: int | None = field(init=False)
    _left_lines: int | None = field(init=False)
    _begins_line: bool = True

    def __post_init__(self) -> None:
        self._left_bytes = self.wanted.limit_bytes
        self._left_lines = None if self.wanted.follow else self.wanted.tail_lines
        self.is_complete = self._left_lines == 0

    def take(self, lines: list[bytes]) -> bytes:
        """Return what is shown of the next lines."""
        shown = []
        for raw in lines:
            if self.is_complete:
                break
            if self._parse is None:
                self._parse = format_of(raw)
            try:
                line = self._parse(raw)
            except BadLine as error:
                log.warning("A line of a log file is passed over: %s: %r", error, raw[:200])
                continue
            shown.append(self._show(line))
        return b"".join(shown)

    def _show(self, line: LogLine) -> bytes:
        text = b""
        if self.wanted.since_ns is None or nanoseconds(line.time) >= self.wanted.since_ns:
            if line.stream not in STREAMS:
                raise UnreadableLog(f"unexpected stream type {go_quote(line.stream.decode(errors='replace'))}")
            with_time = self.wanted.timestamps and self._begins_line
            text = stamp(line.time) + b" " + line.content if with_time else line.content
            if self._left_bytes is not None:
                text = text[: self._left_bytes]
                self._left_bytes -= len(text)
        self._begins_line = not line.content or line.content.endswith(b"\n")
        if self._left_lines is not None:
            self._left_lines -= 1
        self.is_complete = self._left_bytes == 0 or self._left_lines == 0
        return text


def tail_start(file: BinaryIO, lines: int) -> int:
    """Return where the last lines of a file begin; one without an end counts for nothing, as upstream."""
    right = file.seek(0, os.SEEK_END)
    found = 0
    while right > 0:
        left = max(0, right - BLOCK_BYTES)
        file.seek(left)
        block = file.read(right - left)
        found += block.count(b"\n")
        if found > lines:
            at = -1
            for _ in range(found - lines):
                at = block.index(b"\n", at + 1)
            return left + at + 1
        right = left
    return 0


def _resolve(path: str) -> str:
    try:
        return str(Path(path).resolve(strict=True))
    except OSError as error:
        reason = _go_error("lstat", str(error.filename or path), error)
        raise UnreadableLog(f"failed to try resolving symlinks in path {go_quote(path)}: {reason}") from error


def _go_error(operation: str, path: str, error: OSError) -> str:
    return f"{operation} {path}: {(error.strerror or str(error)).lower()}"
