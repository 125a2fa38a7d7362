"""This module is an HTTP/1 server's side of a connection, as far as probes, browsers and wget need it.

Bodies of requests are skipped; what a request yields is decided elsewhere (`pages`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import parse_qs, unquote, urlsplit

MAX_HEAD_BYTES = 16 * 1024
NO_FIELDS: Mapping[str, str] = MappingProxyType({})

_VERSIONS = ("HTTP/1.0", "HTTP/1.1")


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks for."""

    method: str
    target: str
    """Path and query as they were sent."""
    fields: Mapping[str, str] = field(default_factory=lambda: NO_FIELDS)
    """Header fields by name in lower case."""

    @property
    def path(self) -> str:
        """The path without the query, decoded."""
        return unquote(urlsplit(self.target).path) or "/"

    def query(self, name: str, default: str = "") -> str:
        """Return a parameter of the query."""
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True).get(name, [default])[0]


@dataclass(frozen=True, slots=True)
class Page:
    """What is answered."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/html"
    fields: Mapping[str, str] = field(default_factory=lambda: NO_FIELDS)
    """Further header fields."""


Site = Callable[[Request], Page]
"""A web server's pages."""


class HTTPAnswers:
    """The server's side of one connection (`answers.Answers`).

    Args:
        site: makes the pages.
        keeps_alive: whether a client may ask more than once.
    """

    def __init__(self, site: Site, *, keeps_alive: bool = True) -> None:
        self._site = site
        self._keeps_alive = keeps_alive
        self._received = bytearray()
        self._to_skip = 0
        self.closed = False

    def feed(self, received: bytes) -> bytes:
        """Take what the client sends, and return the answers to the requests that are whole."""
        self._received += received
        answers = b""
        while not self.closed and self._skip_body() and (head := self._head()) is not None:
            answers += self._answer(head)
        return answers

    def _skip_body(self) -> bool:
        """Drop what is left of a request's body; tell whether it is behind us."""
        skipped = min(self._to_skip, len(self._received))
        del self._received[:skipped]
        self._to_skip -= skipped
        return not self._to_skip

    def _head(self) -> str | None:
        found = re.search(rb"\r?\n\r?\n", self._received)
        if not found and len(self._received) <= MAX_HEAD_BYTES:
            return None
        head = bytes(self._received[: found.start()]) if found else b""
        del self._received[: found.end() if found else None]
        return head.decode("latin-1")

    def _answer(self, head: str) -> bytes:
        first, *lines = head.splitlines() or [""]
        words = first.split(" ")
        if len(words) != 3 or words[2] not in _VERSIONS:
            self.closed = True
            return _rendered(Page(b"", 400), version="HTTP/1.1", closes=True, has_body=False)
        fields = {name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
        length = fields.get("content-length", "")
        self._to_skip = int(length) if length.isascii() and length.isdecimal() and len(length) < 19 else 0
        wish = fields.get("connection", "").lower()
        self.closed = not self._keeps_alive or (wish != "keep-alive" if words[2] == "HTTP/1.0" else wish == "close")
        page = self._site(Request(words[0], words[1], fields))
        return _rendered(page, version="HTTP/1.1", closes=self.closed, has_body=words[0] != "HEAD")


def _rendered(page: Page, *, version: str, closes: bool, has_body: bool) -> bytes:
    try:
        reason = HTTPStatus(page.status).phrase
    except ValueError:
        reason = "Unknown"
    fields = {
        "Content-Type": page.content_type,
        "Content-Length": str(len(page.body)),
        "Connection": "close" if closes else "keep-alive",
        **page.fields,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    head = f"{version} {page.status} {reason}\r\n{lines}\r\n"
    return head.encode("latin-1", "replace") + (page.body if has_body else b"")
