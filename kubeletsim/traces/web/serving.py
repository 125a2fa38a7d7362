"""The server of the page: one address, one store, until the block ends."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe

from aiohttp import web

from kubeletsim.base.loopback import is_loopback
from kubeletsim.traces.receiver import Address, ListenError
from kubeletsim.traces.web import api, jaeger, stream
from kubeletsim.traces.web.guard import Guard, add_headers
from kubeletsim.traces.web.reader import StoreReader, reading

_STATIC = Path(__file__).parent / "static"
_PAGES = ("/", "/trace/{id}", "/compare", "/operations", "/map", "/pods")
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Ours rather than the machine's: a module of another type would not run."""
_TRACE = re.compile(r"/trace/([0-9a-fA-F]{1,32})")
_FIRST_ROWS = 2000
"""As in static/views/trace.js."""
_GRACE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Page:
    """Where the page can be opened."""

    address: Address
    token: str | None

    @property
    def url(self) -> str:
        """Return what to type into a browser, with the token where one is wanted."""
        host = Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address.host, self.address.host), 0)
        url = f"http://{str(host).removesuffix('0')}{self.address.port}/"
        return f"{url}?token={self.token}" if self.token else url


@asynccontextmanager
async def serving(db: Path, *, address: Address) -> AsyncIterator[Page]:
    """Serve the page for the store at `db` until the block ends.

    Raises:
        ListenError: the address is in use, or is not ours.
    """
    token = None if is_loopback(address.host) else token_urlsafe(18)
    with reading(db) as reader:
        runner = web.AppRunner(application(reader, token=token), access_log=None, shutdown_timeout=_GRACE_SECONDS)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, address.host, address.port).start()
            except OSError as e:
                raise ListenError(f"cannot listen on {address} for the web page: {_reason(e)}") from e
            yield Page(Address(address.host, runner.addresses[0][1]), token)
        finally:
            await runner.cleanup()


def application(reader: StoreReader, *, token: str | None = None) -> web.Application:
    """Return the page, both APIs and the guard before them as an aiohttp application."""
    app = web.Application(middlewares=[Guard(token).__call__, api.as_json_errors])
    app.on_response_prepare.append(add_headers)
    api.add_routes(app, reader)
    jaeger.add_routes(app, reader)
    stream.add_routes(app, reader)
    for path in _PAGES:
        app.router.add_get(path, _index)
    app.router.add_get("/static/{name:.+}", _file)
    app.router.add_get("/{path:(?!api/|static/).*}", _no_page)
    return app


async def _index(request: web.Request) -> web.StreamResponse:
    headers = {"Cache-Control": "no-cache"}
    if trace := _TRACE.fullmatch(request.path):
        # What the script will ask first, so that the answer is on its way while the script itself is.
        rows = f"/api/v1/traces/{trace[1].lower().zfill(32)}/columns?first={_FIRST_ROWS}"
        headers["Link"] = f"<{rows}>; rel=preload; as=fetch; crossorigin"
    return _content(_STATIC / "index.html", headers)


async def _no_page(_request: web.Request) -> web.StreamResponse:
    return _content(_STATIC / "index.html", {"Cache-Control": "no-cache"}, status=404)


async def _file(request: web.Request) -> web.StreamResponse:
    path = (_STATIC / request.match_info["name"]).resolve()
    if not path.is_relative_to(_STATIC.resolve()) or path.suffix not in _TYPES or not path.is_file():
        raise web.HTTPNotFound(text=f"{request.path}: no such file")
    return _content(path, {"Cache-Control": "no-cache"})


def _content(path: Path, headers: Mapping[str, str], *, status: int = 200) -> web.Response:
    """Return a file of ours, read in line: they are small, and a thread would wait for those that answer questions."""
    return web.Response(status=status, body=path.read_bytes(), headers={**headers, "Content-Type": _TYPES[path.suffix]})


def _reason(error: OSError) -> str:
    import os

    return os.strerror(error.errno) if error.errno else str(error)
