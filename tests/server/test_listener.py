"""Sockets: what they say when they cannot be had, and that nothing is left of them."""

import asyncio
import socket

import pytest

from kubeletsim.model.errors import StartupError
from tests.ports import free_port
from tests.server.lab import trusting


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("port", "address, port"),
        ("read_only_port", "address, readOnlyPort"),
        ("healthz_port", "healthzBindAddress, healthzPort"),
    ],
)
async def test_a_port_in_use_is_one_line_that_names_the_field_and_leaves_no_socket_open(host, field, shown):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError) as caught:
            async with host.serve(host.settings(**{field: port})):
                pass

    assert str(caught.value) == f"{shown}: cannot listen on 127.0.0.1:{port}: address already in use"


async def test_an_address_of_another_machine_is_one_line(host):
    with pytest.raises(StartupError, match=r"^address, port: cannot listen on 203\.0\.113\.1:0: "):
        async with host.serve(host.settings(address="203.0.113.1")):
            pass


async def test_closing_ends_every_connection_and_leaves_no_task(host):
    before = asyncio.all_tasks()
    async with host.server() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.https.port, ssl=trusting())
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        port = server.https.port
    await reader.read()
    writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)

    assert asyncio.all_tasks() == before


async def test_a_client_that_speaks_no_http_is_one_line_in_the_log_and_harms_nobody(host, caplog):
    async with host.serve(host.settings(read_only_port=free_port())) as client:
        for sent in (
            b"\x16\x03\x01garbage\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 2_000_000 + b"\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", client.server.read_only.port)
            writer.write(sent)
            assert b" 400 " in await reader.readline()
            writer.close()
        assert (await client.ask("/healthz")).text == "ok"

    assert not any(record.exc_info for record in caplog.records)
    assert "LineTooLong" in caplog.text
