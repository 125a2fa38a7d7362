"""This module is the far side of an exec or attach: what a client types, what it is shown, how it is told the end.

Whoever runs a command sees this and nothing of SPDY or WebSocket.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from runtime_stub.shell.program import Stream
from runtime_stub.streaming.outcome import Outcome

MAX_RESIZE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Size:
    """A terminal's size in characters."""

    width: int
    height: int


class Remote(Protocol):
    """A client that takes part in a command."""

    async def read_stdin(self) -> bytes:
        """Return what was typed; nothing at the end, at once when the client has no stdin."""

    async def read_resize(self) -> bytes:
        """Return some of the stream of terminal sizes; nothing at the end."""

    async def write(self, stream: Stream, data: bytes) -> None:
        """Show output, if the client wants that stream."""

    async def finish(self, outcome: Outcome) -> None:
        """Tell the end, and take leave."""


class Sizes:
    """Reader of a resize stream: JSON objects one behind the other, in pieces."""

    def __init__(self) -> None:
        self._text = ""
        self._decoder = json.JSONDecoder()

    def feed(self, received: bytes) -> Iterator[Size]:
        """Yield the sizes that are whole; what is no size is passed over."""
        self._text += received.decode("utf-8", "replace")
        while self._text:
            try:
                value, end = self._decoder.raw_decode(self._text.lstrip())
            except (json.JSONDecodeError, RecursionError):
                if len(self._text) > MAX_RESIZE_BYTES:
                    self._text = ""
                return
            self._text = self._text.lstrip()[end:]
            if (size := _size(value)) is not None:
                yield size


def _size(value: object) -> Size | None:
    if not isinstance(value, dict):
        return None
    width, height = value.get("Width"), value.get("Height")
    if not (isinstance(width, int) and isinstance(height, int) and 0 <= width < 2**16 and 0 <= height < 2**16):
        return None
    return Size(width, height)
