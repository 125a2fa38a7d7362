"""This module is the pipe from a connection to whoever reads one of its streams, and the race between two tasks.

A pipe holds a little and then makes the connection wait, so that nobody can fill the memory.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

MAX_WAITING_BYTES = 256 * 1024

T = TypeVar("T")


class Pipe:
    """Bytes on their way from one task to another."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._ended = False
        self._readable = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, data: bytes) -> None:
        """Add bytes, and wait while there are too many; after the end, they are lost."""
        if self._ended or not data:
            return
        self._chunks.append(data)
        self._waiting_bytes += len(data)
        self._readable.set()
        while self._waiting_bytes > MAX_WAITING_BYTES and not self._ended:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        """Say that there will be no more."""
        self._ended = True
        self._readable.set()
        self._room.set()

    async def read(self) -> bytes:
        """Return some bytes; none at the end."""
        while not self._chunks and not self._ended:
            self._readable.clear()
            await self._readable.wait()
        if not self._chunks:
            return b""
        chunk = self._chunks.popleft()
        self._waiting_bytes -= len(chunk)
        self._room.set()
        return chunk


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
