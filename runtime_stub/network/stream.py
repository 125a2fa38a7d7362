"""This module is a TCP connection in memory: two ends, each with what the other has sent and it has not read yet.

Nothing waits here. Whoever waits for news of an end has itself called (`on_news`), then looks; the other side is called
when it has been sent something, when there is room again, and when the connection ends.
"""

import errno
import os
from collections.abc import Callable

WINDOW_BYTES = 64 * 1024
"""How much may be sent ahead of the reader."""


def nothing() -> None:
    """Ignore the news."""


class End:
    """One end of a connection.

    Args:
        local: address and port of this end, as messages show them.
        remote: those of the other one.
    """

    def __init__(self, local: str = "", remote: str = "") -> None:
        self.local = local
        self.remote = remote
        self.on_news: Callable[[], None] = nothing
        self._peer: End | None = None
        self._received = bytearray()
        self._peer_ended = False
        self._sent_end = False
        self._reset = False

    @property
    def has_data(self) -> bool:
        """Whether something can be read."""
        return bool(self._received)

    @property
    def is_over(self) -> bool:
        """Whether nothing can be read now or later."""
        return not self._received and (self._peer_ended or self._reset)

    @property
    def is_reset(self) -> bool:
        """Whether the other side is gone without an orderly end."""
        return self._reset

    @property
    def is_abandoned(self) -> bool:
        """Whether there is nobody at the other end any more."""
        return self._peer is None

    @property
    def room(self) -> int:
        """How many bytes the other side is ready to take; one that is gone takes, and loses, any number."""
        peer = self._peer
        return WINDOW_BYTES if peer is None else max(0, WINDOW_BYTES - len(peer._received))  # noqa: SLF001

    def read(self, limit: int = WINDOW_BYTES) -> bytes:
        """Return what has come, which may be nothing.

        Raises:
            ConnectionResetError: the other side is gone.
        """
        if not self._received and self._reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        was_full = len(self._received) >= WINDOW_BYTES
        data = bytes(self._received[:limit])
        del self._received[:limit]
        if was_full and data and self._peer is not None:
            self._peer.on_news()
        return data

    def write(self, data: bytes) -> None:
        """Send bytes, also more than there is room for; whoever sends much asks for room before.

        Raises:
            BrokenPipeError: nobody takes them any more.
        """
        if self._peer is None or self._sent_end or self._reset:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if data:
            self._peer._take(data)  # noqa: SLF001

    def end(self) -> None:
        """Say that there will be no more; the other side may still send."""
        if not self._sent_end:
            self._sent_end = True
            if self._peer is not None:
                self._peer._hear_end()  # noqa: SLF001

    def close(self) -> None:
        """Leave: nothing is sent or read here any more. What was not read resets the connection, as in a kernel."""
        peer, self._peer = self._peer, None
        self.on_news = nothing
        if peer is None:
            return
        peer._peer = None  # noqa: SLF001
        if self._received or (self._reset and not peer._peer_ended):  # noqa: SLF001
            peer._reset = True  # noqa: SLF001
        peer._hear_end()  # noqa: SLF001
        self._received.clear()

    def reset(self) -> None:
        """Leave without an orderly end."""
        self._reset = True
        self.close()

    def _take(self, data: bytes) -> None:
        self._received += data
        self.on_news()

    def _hear_end(self) -> None:
        self._peer_ended = True
        self.on_news()


def connection(near: str = "", far: str = "") -> tuple[End, End]:
    """Return both ends of a new connection; the texts are their addresses."""
    one, other = End(near, far), End(far, near)
    one._peer, other._peer = other, one  # noqa: SLF001
    return one, other
