"""Connections are cut as a crash does it, and nobody else's."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from runtime_stub import connections
from runtime_stub.listener import parse_listen

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(kind: str, directory: Path) -> AsyncIterator[tuple[str, Streams]]:
    """Serve on an address of some kind and connect to it; yields the address as `listen` has it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    if kind == "tcp":
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        listen, client = f"tcp://127.0.0.1:{port}", await asyncio.open_connection("127.0.0.1", port)
    else:
        path = f"\0{uuid.uuid4()}" if kind == "abstract" else str(directory / f"{kind}.sock")
        server = await asyncio.start_unix_server(serve, path)
        listen = f"unix-abstract:{path[1:]}" if kind == "abstract" else f"unix://{path}"
        client = await asyncio.open_unix_connection(path)
    async with server:
        yield listen, client
        client[1].close()
        await client[1].wait_closed()


@pytest.mark.parametrize("kind", ["unix", "abstract", "tcp"])
async def test_every_connection_of_the_address_ends_and_no_other(kind: str, directory: Path) -> None:
    async with connected(kind, directory) as (listen, (reader, _)), connected("other", directory) as (_, (other, _)):
        await asyncio.sleep(0)  # until the server has accepted
        while not (count := connections.cut(parse_listen(listen))):  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)

        assert count == 1
        assert await reader.read() == b""
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.read(), 0.01)
        assert connections.cut(parse_listen(listen)) <= 1, "who is cut is cut, and the one that listens goes on"


def test_where_nobody_is_connected_nothing_is_cut(directory: Path) -> None:
    assert connections.cut(parse_listen(f"unix://{directory}/none.sock")) == 0
