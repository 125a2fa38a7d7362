"""What answers on a port of a container: HTTP (`http`, `pages`), gRPC health (`health`), plain text (`text`).

Each is the server's side of one connection, without I/O: it is fed what the client sends and returns what to answer.
"""

from typing import Protocol

from runtime_stub.network.stream import End


class Answers(Protocol):
    """The server's side of one connection."""

    @property
    def closed(self) -> bool:
        """Whether the server has said its last word."""

    def feed(self, received: bytes) -> bytes:
        """Take what the client sends, and return the answer; called with nothing when the client has connected."""


def attend(end: End, answers: Answers) -> None:
    """Let answers be given at an end of a connection until either side closes it."""
    waiting = bytearray(answers.feed(b""))

    def go_on() -> None:
        nonlocal waiting
        while end.room or not waiting:
            while waiting and end.room:
                piece = bytes(waiting[: end.room])
                del waiting[: len(piece)]
                end.write(piece)
            if answers.closed or not end.has_data:
                break
            waiting += answers.feed(end.read())
        if (answers.closed and not waiting) or end.is_over:
            end.close()

    def hear() -> None:
        try:
            go_on()
        except OSError:
            end.close()

    end.on_news = hear
    hear()
