"""This module is the pipe from a connection to whoever reads one of its streams, and the race between two tasks.

A pipe holds a little and then makes the connection wait, so that nobody can fill the memory.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

MAX_WAITING_BYTES = 256 * 1024

T = TypeVar("T")


class Pipe:
    """Bytes on their way to whoever reads them. Nothing (`b""`) is the end, for all or, at a terminal, for one reader.

    Args:
        readable: called whenever there is something new to read.
        limit_bytes: how much may wait to be read.
    """

    def __init__(self, readable: Callable[[], None] = lambda: None, *, limit_bytes: int = MAX_WAITING_BYTES) -> None:
        self._tell = readable
        self._limit_bytes = limit_bytes
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._ended = False
        self._readable = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Add bytes, and wait while there are too many; after the end, they are lost."""
        if self._ended or not data:
            return
        self._add(data)
        while self._waiting_bytes > self._limit_bytes and not self._ended:
            self._room.clear()
            await self._room.wait()

    def offer(self, data: bytes) -> None:
        """Add bytes, or nothing for one reader to hear of; they are lost when too many wait."""
        if not self._ended and self._waiting_bytes <= self._limit_bytes:
            self._add(data)

    def end(self) -> None:
        """Say that there will be no more."""
        self._ended = True
        self._room.set()
        self._come()

    def clear(self) -> None:
        """Lose what has not been read."""
        self._chunks.clear()
        self._waiting_bytes = 0
        self._room.set()

    def take(self) -> bytes | None:
        """Return some bytes, nothing at the end, None when one has to wait."""
        if not self._chunks:
            return b"" if self._ended else None
        chunk = self._chunks.popleft()
        self._waiting_bytes -= len(chunk)
        self._room.set()
        return chunk

    async def read(self) -> bytes:
        """Return some bytes; none at the end."""
        while (data := self.take()) is None:
            self._readable.clear()
            await self._readable.wait()
        return data

    def _add(self, data: bytes) -> None:
        self._chunks.append(data)
        self._waiting_bytes += len(data)
        self._come()

    def _come(self) -> None:
        self._readable.set()
        self._tell()


async def until_either(work: Coroutine[Any, Any, T], end: Coroutine[Any, Any, object], *, name: str) -> T | None:
    """Return what `work` returns; None when `end` ends first. The one that is late is cancelled.

    Raises:
        BaseExceptionGroup: one of them failed.
    """
    async with asyncio.TaskGroup() as tasks:
        worker = tasks.create_task(work, name=f"runtime-stub/stream/{name}")
        ender = tasks.create_task(end, name=f"runtime-stub/stream/{name}/end")
        worker.add_done_callback(lambda _: ender.cancel())
        ender.add_done_callback(lambda _: worker.cancel())
    return None if worker.cancelled() else worker.result()
