"""Joins a client to the runtime's streaming server: the request goes there as it came, and then bytes go both ways.

What protocol they speak, SPDY or WebSocket, is their own business. A runtime that refuses is heard out and its answer
passed on. Upstream: UpgradeAwareHandler in staging/src/k8s.io/apimachinery/pkg/util/proxy/upgradeaware.go.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from aiohttp import web
from multidict import CIMultiDict

from kubeletsim.server.answers import NOSNIFF, unseen_text
from kubeletsim.server.streams.backend import SWITCHING_PROTOCOLS, Backend, BackendError, Headers, ask
from kubeletsim.server.streams.hijack import Hijacked, hijack
from kubeletsim.server.streams.options import is_upgrade

log = logging.getLogger(__name__)

OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "trailer"})
"""Headers that belong to the message and not to what is asked."""


class Bytes(Protocol):
    """One end of a stream."""

    async def read(self) -> bytes:
        """Return some bytes; none at the end."""

    async def write(self, data: bytes) -> None:
        """Send bytes; raises ConnectionError once nobody takes them."""


async def proxy(request: web.BaseRequest, url: str) -> web.StreamResponse:
    """Answer a request with what the runtime says at a URL; returns when the stream is over."""
    if not is_upgrade(request.headers.getall("Connection", [])):
        return failure("Upgrade request required")
    headers = forwarded_headers(request)
    if request.method == "POST":
        headers.add("Content-Length", "0")
    try:
        async with ask(
            url, method=request.method, host=request.headers.get("Host", ""), headers=pairs(headers)
        ) as backend:
            if backend.status < 400 and backend.status != SWITCHING_PROTOCOLS:
                return failure(f"invalid upgrade response: status code {backend.status}")
            return await _join(request, backend)
    except BackendError as error:
        return failure(str(error))


async def join(one: Bytes, other: Bytes) -> None:
    """Carry bytes both ways until one side has no more to say; the other is then heard no longer, as upstream."""
    async with asyncio.TaskGroup() as tasks:
        ways = [
            tasks.create_task(_carry(one, other), name="stream/to-runtime"),
            tasks.create_task(_carry(other, one), name="stream/to-client"),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()


def forwarded_headers(request: web.BaseRequest) -> CIMultiDict[str]:
    """Return a request's headers for the runtime, the client's address added to X-Forwarded-For."""
    headers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in OWN_HEADERS)
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if peer:
        headers["X-Forwarded-For"] = ", ".join([*headers.popall("X-Forwarded-For", []), str(peer[0])])
    return headers


def pairs(headers: CIMultiDict[str]) -> Headers:
    """Return headers as names and values."""
    return [(str(name), value) for name, value in headers.items()]


def failure(message: str) -> web.Response:
    """Make the answer for a stream that does not come about."""
    log.error("Error while proxying request: %s", message)
    return unseen_text(f"{message}\n", status=500, headers=NOSNIFF)


async def _join(request: web.BaseRequest, backend: Backend) -> Hijacked:
    with suppress(ConnectionError):
        client = hijack(request)
        try:
            await client.write(backend.head)
            if backend.status == SWITCHING_PROTOCOLS:
                await join(client, backend.connection)
            else:
                await client.write(await backend.refusal())
        finally:
            client.close()
    return Hijacked()


async def _carry(source: Bytes, sink: Bytes) -> None:
    with suppress(ConnectionError):
        while data := await source.read():
            await sink.write(data)
