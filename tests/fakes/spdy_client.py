"""A SPDY/3.1 client as Kubernetes' are: an HTTP request with an upgrade, then streams over the same socket."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from kubeletsim.base import spdy


class SpdyClient:
    """One connection; `status` and `headers` are those of the HTTP answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._encoder, self._decoder = spdy.Encoder(), spdy.Decoder()
        self._next_id = 1
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.frames: list[spdy.Frame | spdy.Fault] = []
        """Everything received so far."""

    async def upgrade(self, path: str, *offers: str, method: str = "POST", upgrade: str = "SPDY/3.1") -> None:
        """Send the request and read the answer's head."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Length: 0"]
        lines += ["Connection: Upgrade", f"Upgrade: {upgrade}"] if upgrade else []
        lines += [f"X-Stream-Protocol-Version: {offer}" for offer in offers]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        status, *fields = (await self._reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        self.status = int(status.split()[1])
        self.headers = [(name.lower(), value.strip()) for name, _, value in (one.partition(":") for one in fields)]

    def values(self, name: str) -> list[str]:
        """Return the values of one of the answer's headers."""
        return [value for one, value in self.headers if one == name.lower()]

    async def send(self, *frames: spdy.Frame) -> None:
        """Send frames."""
        self._writer.write(b"".join(self._encoder.encode(frame) for frame in frames))
        await self._writer.drain()

    async def send_raw(self, data: bytes) -> None:
        """Send something else."""
        self._writer.write(data)
        await self._writer.drain()

    async def open(self, *, fin: bool = False, **headers: str) -> int:
        """Open a stream and return its id."""
        id_, self._next_id = self._next_id, self._next_id + 2
        await self.send(spdy.SynStream(id_, tuple(headers.items()), fin))
        return id_

    async def receive(self) -> bool:
        """Receive some more; tell whether there was any."""
        received = await self._reader.read(65536)
        self.frames += self._decoder.feed(received)
        return bool(received)

    async def until(self, id_: int, text: bytes) -> None:
        """Receive until a stream has brought a text."""
        while text not in self.data(id_):
            assert await self.receive(), f"ended before {text!r}: {self.frames}"

    async def to_the_end(self) -> None:
        """Receive until the server has nothing more to say."""
        while await self.receive():
            pass

    def data(self, id_: int) -> bytes:
        """Return what a stream has brought so far."""
        return b"".join(one.data for one in self.frames if isinstance(one, spdy.Data) and one.stream_id == id_)

    def ended(self, id_: int) -> bool:
        """Tell whether the server has ended a stream."""
        return any(isinstance(one, spdy.Data) and one.stream_id == id_ and one.fin for one in self.frames)

    def was_reset(self, id_: int) -> bool:
        """Tell whether the server has given a stream up."""
        return any(isinstance(one, spdy.RstStream) and one.stream_id == id_ for one in self.frames)


@asynccontextmanager
async def spdy_client(
    url: str, *offers: str, method: str = "POST", upgrade: str = "SPDY/3.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[SpdyClient]:
    """Connect to a URL and offer protocols."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
    try:
        client = SpdyClient(reader, writer)
        await client.upgrade(parts._replace(scheme="", netloc="").geturl(), *offers, method=method, upgrade=upgrade)
        yield client
    finally:
        writer.close()
        await asyncio.wait_for(asyncio.shield(writer.wait_closed()), 5)
