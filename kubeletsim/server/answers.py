"""The plain forms of answers: text and JSON, as Go's http.Error and the kubelet's own writers give them."""

from collections.abc import Mapping
from html import escape
from typing import Any

import msgspec
from aiohttp import web

NOSNIFF = {"X-Content-Type-Options": "nosniff"}
TEMPORARY_REDIRECT = 307


class Answer(web.Response):
    """An answer whose headers do not say what serves it, as a kubelet's do not."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)


class Unseen(Answer):
    """An answer that upstream writes past the wrapper which spans read the status from: theirs say 200."""


class ChunkedStream(web.StreamResponse):
    """An answer in chunks, of which Go does not guess the type."""

    def __init__(self, *, status: int = 200) -> None:
        super().__init__(status=status)
        self.enable_chunked_encoding()

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall("Server", None)
        self.headers.popall("Content-Type", None)


def text(body: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Make a plain-text answer."""
    return Answer(text=body, status=status, content_type="text/plain", charset="utf-8", headers=headers)


def unseen_text(body: str, *, status: int, headers: Mapping[str, str] | None = None) -> Unseen:
    """Make a plain-text answer that the request's span knows nothing of."""
    return Unseen(text=body, status=status, content_type="text/plain", charset="utf-8", headers=headers)


def json_answer(body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> Answer:
    """Make an answer of one JSON object and a newline."""
    return Answer(
        body=msgspec.json.encode(body) + b"\n", headers={"Content-Type": "application/json", **(headers or {})}
    )


def json_bytes(body: bytes) -> Answer:
    """Answer with bytes that are called JSON, whatever they are; with nothing at all when there are none."""
    return Answer(body=body, headers={"Content-Type": "application/json"}) if body else Answer()


def redirect(location: str, *, method: str) -> Answer:
    """Send the client elsewhere; browsers get a page that says so (http.Redirect in Go)."""
    page = f'<a href="{escape(location)}">Temporary Redirect</a>.\n\n' if method == "GET" else ""
    kind = {"Content-Type": "text/html; charset=utf-8"} if method in ("GET", "HEAD") else {}
    return Answer(body=page.encode(), status=TEMPORARY_REDIRECT, headers={"Location": location, **kind})
