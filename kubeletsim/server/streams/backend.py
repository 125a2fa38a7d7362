"""Speaks to the runtime's streaming server: one request, the head of its answer, and then bytes.

Upstream: DialForUpgrade and getResponse in staging/src/k8s.io/apimachinery/pkg/util/proxy/upgradeaware.go.
"""

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from kubeletsim.model.errors import KubeletSimError
from kubeletsim.server.streams.hijack import READ_BYTES, Connection

MAX_HEAD_BYTES = 1 << 20
MAX_REFUSAL_BYTES = 1 << 20
REFUSAL_SECONDS = 10.0
"""How long a runtime that refuses may take to say why."""
SWITCHING_PROTOCOLS = 101

Headers = Sequence[tuple[str, str]]


class BackendError(KubeletSimError):
    """The runtime's streaming server cannot be reached, or says what it must not; the text is upstream's."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A connection on which the runtime has answered."""

    status: int
    head: bytes
    """Status line and headers, the empty line included, as they came."""
    connection: Connection

    def header(self, name: str) -> str:
        """Return the value of one of the answer's headers; empty when it is missing."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.strip().lower() == name.lower():
                return value.strip()
        return ""

    async def refusal(self) -> bytes:
        """Return the body of an answer that refuses, as far as it comes within ten seconds."""
        body = b""
        length = int(self.header("Content-Length") or MAX_REFUSAL_BYTES)
        try:
            async with asyncio.timeout(REFUSAL_SECONDS):
                while len(body) < min(length, MAX_REFUSAL_BYTES) and (piece := await self.connection.read()):
                    body += piece
        except TimeoutError:
            pass
        return body


@asynccontextmanager
async def ask(url: str, *, method: str, host: str, headers: Headers) -> AsyncIterator[Backend]:
    """Send a request to the runtime and read the head of its answer; the connection lasts as long as the block.

    Args:
        url: where, as the runtime has given it.
        method: of the request.
        host: what the client takes itself to be talking to.
        headers: the rest of the request's head.

    Raises:
        BackendError: nobody is there, or nobody who speaks HTTP.
    """
    reader, writer = await _dial(url)
    try:
        parts = urlsplit(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers)]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
        except (OSError, asyncio.IncompleteReadError) as error:
            raise BackendError("unexpected EOF") from error
        except (asyncio.LimitOverrunError, IndexError, ValueError) as error:
            raise BackendError("malformed HTTP response") from error
        yield Backend(status, head, Connection(reader, writer))
    finally:
        writer.close()


async def _dial(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        return await asyncio.open_connection(
            parts.hostname,
            port,
            ssl=ssl.create_default_context() if secure else None,
            limit=max(READ_BYTES, MAX_HEAD_BYTES),
        )
    except ssl.SSLError as error:
        raise BackendError(f"error dialing backend: {error.reason or error}") from error
    except OSError as error:
        number = error.errno or 0
        reason = os.strerror(number).lower() if number > 0 else error.strerror or str(error)
        raise BackendError(f"error dialing backend: dial tcp {parts.netloc}: connect: {reason}") from error
