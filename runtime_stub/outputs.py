"""This module is what attached clients see: the output of containers, from the moment they attach.

What was written before is in the log. A client that does not read is cut off rather than remembered without bound.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from runtime_stub.shell.program import Stream

MAX_WAITING_BYTES = 4 * 1024 * 1024


class Outputs:
    """The clients attached to containers."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[OutputListener]] = {}

    def publish(self, id_: str, stream: Stream, data: bytes) -> None:
        """Show a container's output to everybody attached to it."""
        for listener in self._listeners.get(id_, ()):
            listener.take(stream, data)

    def end(self, id_: str) -> None:
        """Tell everybody attached to a container that there will be no more."""
        for listener in self._listeners.get(id_, ()):
            listener.end()

    @contextmanager
    def listening(self, id_: str) -> Iterator["OutputListener"]:
        """Hear what a container writes, as long as the block lasts."""
        listener = OutputListener()
        listeners = self._listeners.setdefault(id_, set())
        listeners.add(listener)
        try:
            yield listener
        finally:
            listeners.discard(listener)
            if not listeners:
                self._listeners.pop(id_, None)


class OutputListener:
    """One attached client: an asynchronous iterator of streams and data."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[tuple[Stream, bytes] | None] = asyncio.Queue()
        self._waiting_bytes = 0

    def take(self, stream: Stream, data: bytes) -> None:
        """Remember output until it is read; nothing after the client has fallen too far behind."""
        if self._waiting_bytes > MAX_WAITING_BYTES:
            return
        self._waiting_bytes += len(data)
        self._waiting.put_nowait((stream, data) if self._waiting_bytes <= MAX_WAITING_BYTES else None)

    def end(self) -> None:
        """Let the iterator end after what is waiting."""
        self._waiting.put_nowait(None)

    def __aiter__(self) -> "OutputListener":
        return self

    async def __anext__(self) -> tuple[Stream, bytes]:
        """Return the next output."""
        if (output := await self._waiting.get()) is None:
            raise StopAsyncIteration
        self._waiting_bytes -= len(output[1])
        return output
