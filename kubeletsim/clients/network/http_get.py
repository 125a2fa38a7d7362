"""HTTP GETs to pods for probes and hooks: no keep-alive, no proxy, certificates not verified, redirects only at home.

Upstream: pkg/probe/http; the lifecycle hooks' client in pkg/kubelet/kubelet.go is made alike.
"""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import aiohttp

from kubeletsim.clients.network.dialing import LOOPBACK, dial_text
from kubeletsim.model.errors import KubeletSimError

MAX_BODY_BYTES = 10 * 1024
MAX_REDIRECTS = 10
REDIRECTS = frozenset({301, 302, 303, 307, 308})
NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
"""What OpenSSL calls an answer that is no TLS."""
AUTOMATIC_HEADERS = ("User-Agent", "Accept", "Accept-Encoding")


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPGet:
    """A request; it has just the headers that are given, besides Host and Connection."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HTTPAnswer:
    """An answer, of which redirects to another host are one."""

    status: int
    body: str
    """At most MAX_BODY_BYTES of it."""


class HTTPFailure(KubeletSimError):
    """There was no answer; the text is Go's.

    Args:
        text: what happened.
        answered_in_clear: TLS was asked for, and the other side does not speak it.
    """

    def __init__(self, text: str, *, answered_in_clear: bool = False) -> None:
        super().__init__(text)
        self.answered_in_clear = answered_in_clear


async def http_get(request: HTTPGet, *, timeout_seconds: float | None) -> HTTPAnswer:
    """Send a request and read the answer's beginning.

    Args:
        request: what to send.
        timeout_seconds: for all of it, redirects included; None for no limit.

    Raises:
        HTTPFailure: there was no answer in time.
    """
    url = request.url
    connector = aiohttp.TCPConnector(force_close=True, ssl=False)
    limits = aiohttp.ClientTimeout(total=None)
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            aiohttp.ClientSession(connector=connector, timeout=limits, auto_decompress=False) as session,
        ):
            for _ in range(MAX_REDIRECTS):
                answer, location = await _once(session, url, request.headers)
                if location is None or urlsplit(location).hostname != urlsplit(request.url).hostname:
                    return answer
                url = location
    except TimeoutError as error:
        cause = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        raise HTTPFailure(f'Get "{url}": {cause}') from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise _failure(url, error) from error
    raise HTTPFailure(f'Get "{url}": stopped after {MAX_REDIRECTS} redirects')


async def _once(
    session: aiohttp.ClientSession, url: str, headers: tuple[tuple[str, str], ...]
) -> tuple[HTTPAnswer, str | None]:
    """Send one request; return the answer and where it redirects to, if it does."""
    there = url
    if urlsplit(url).hostname is None:  # this machine; the server is told of the port alone, as by Go
        there = url.replace("://", f"://{LOOPBACK}", 1)
        headers = (*headers, ("Host", urlsplit(url).netloc))
    async with session.get(there, headers=headers, skip_auto_headers=AUTOMATIC_HEADERS, allow_redirects=False) as got:
        body = b""
        while len(body) < MAX_BODY_BYTES and (chunk := await got.content.read(MAX_BODY_BYTES - len(body))):
            body += chunk
        location = got.headers.get("Location")
        answer = HTTPAnswer(status=got.status, body=body.decode(errors="replace"))
        return answer, urljoin(url, location) if location and got.status in REDIRECTS else None


def _failure(url: str, error: Exception) -> HTTPFailure:
    if isinstance(error, (aiohttp.ClientConnectorSSLError, ssl.SSLError)):
        reason = getattr(getattr(error, "os_error", error), "reason", "") or ""
        if reason in NOT_TLS:
            return HTTPFailure(f'Get "{url}": http: server gave HTTP response to HTTPS client', answered_in_clear=True)
        return HTTPFailure(f'Get "{url}": tls: {reason.lower().replace("_", " ") or error}')
    if isinstance(error, aiohttp.ClientConnectorError):
        text = dial_text(urlsplit(url).hostname or "", error.port or 0, error.os_error)
        return HTTPFailure(f'Get "{url}": {text}')
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return HTTPFailure(f'Get "{url}": EOF')
    return HTTPFailure(f'Get "{url}": {error}')
