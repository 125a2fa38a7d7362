"""This module is a server of a text protocol: a greeting, and replies to lines that it knows."""

from collections.abc import Mapping

MAX_LINE_BYTES = 16 * 1024


class TextAnswers:
    """The server's side of one connection (`answers.Answers`).

    Args:
        greeting: what is sent to who connects.
        replies: what is answered to a line that begins with a word, by that word, whatever its case. A line that
            begins with none of them is passed over.
    """

    def __init__(self, *, greeting: str = "", replies: Mapping[str, str]) -> None:
        self._greeting = greeting.encode()
        self._replies = {word.lower().encode(): text.encode() for word, text in replies.items()}
        self._received = bytearray()
        self.closed = False

    def feed(self, received: bytes) -> bytes:
        """Take what the client sends, and return the replies to the lines that are whole."""
        answers, self._greeting = self._greeting, b""
        self._received += received
        *lines, rest = self._received.split(b"\n")
        self._received = rest
        self.closed = len(rest) > MAX_LINE_BYTES
        return answers + b"".join(self._reply(bytes(line)) for line in lines)

    def _reply(self, line: bytes) -> bytes:
        words = line.split()
        return self._replies.get(words[0].lower(), b"") if words else b""
