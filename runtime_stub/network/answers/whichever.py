"""This module is a server that speaks what its client does: HTTP/1, or gRPC health over HTTP/2.

It is what answers for images nobody has described, where a probe of any kind should find a healthy server.
"""

from runtime_stub.network.answers.health import Health, HealthAnswers
from runtime_stub.network.answers.http import HTTPAnswers, Site

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class WhicheverAnswers:
    """The server's side of one connection (`answers.Answers`)."""

    def __init__(self, site: Site, health: Health) -> None:
        self._site = site
        self._health = health
        self._received = b""
        self._answers: HTTPAnswers | HealthAnswers | None = None

    @property
    def closed(self) -> bool:
        """Whether the server has said its last word."""
        return self._answers is not None and self._answers.closed

    def feed(self, received: bytes) -> bytes:
        """Take what the client sends, and return the answer as soon as it is clear what is spoken."""
        if self._answers is None:
            self._received += received
            if len(self._received) < len(_PREFACE) and _PREFACE.startswith(self._received):
                return b""
            is_http2 = self._received.startswith(_PREFACE)
            self._answers = HealthAnswers(self._health) if is_http2 else HTTPAnswers(self._site)
            received, self._received = self._received, b""
        return self._answers.feed(received)
