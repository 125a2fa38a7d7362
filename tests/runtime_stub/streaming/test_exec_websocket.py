"""Commands over WebSocket, in all its sub-protocols."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from tests.runtime_stub.streaming.conftest import Pod


@asynccontextmanager
async def connect(url: str, *protocols: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Connect to a URL and offer sub-protocols."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=protocols) as socket:
        yield socket


async def to_the_end(socket: aiohttp.ClientWebSocketResponse) -> dict[int, bytes]:
    """Return what each channel brings until the server closes."""
    channels: dict[int, bytes] = {}
    async with asyncio.timeout(60):
        async for message in socket:
            if isinstance(message.data, str):
                channel, data = int(message.data[0]), base64.b64decode(message.data[1:])
            else:
                channel, data = message.data[0], message.data[1:]
            channels[channel] = channels.get(channel, b"") + data
    return channels


@pytest.mark.parametrize(
    ("offers", "chosen", "said"),
    [
        (("v5.channel.k8s.io",), "v5.channel.k8s.io", "Success"),
        (("v9.channel.k8s.io", "v4.channel.k8s.io"), "v4.channel.k8s.io", "Success"),
        (("v4.base64.channel.k8s.io",), "v4.base64.channel.k8s.io", "Success"),
        (("base64.channel.k8s.io",), "base64.channel.k8s.io", None),
        (("channel.k8s.io",), "channel.k8s.io", None),
        ((), None, None),
    ],
)
async def test_every_sub_protocol_is_served(pod: Pod, offers: tuple[str, ...], chosen: str, said: str | None) -> None:
    async with connect(await pod.exec_url("echo", "hi"), *offers) as socket:
        channels = await to_the_end(socket)

    assert socket.protocol == chosen
    assert channels[1] == b"hi\n"
    assert (json.loads(channels[3])["status"] if 3 in channels else None) == said
    assert socket.close_code == 1000


async def test_the_server_begins_with_an_empty_message(pod: Pod) -> None:
    async with connect(await pod.exec_url("sleep", "1000"), "v4.channel.k8s.io") as socket:
        assert await socket.receive_bytes(timeout=60) == b"\x01"


async def test_version_5_can_end_the_input(pod: Pod) -> None:
    async with connect(await pod.exec_url("cat", stdin=True), "v5.channel.k8s.io") as socket:
        for message in (b"\x00half", b"", b"\x63?", b"\xff\x63", b"\x00 closed", b"\xff\x00"):
            await socket.send_bytes(message)
        channels = await to_the_end(socket)

    assert channels[1] == b"half closed"
    assert json.loads(channels[3])["status"] == "Success"


async def test_base64_is_decoded_and_what_is_none_is_lost(pod: Pod) -> None:
    async with connect(await pod.exec_url("sh", stdin=True), "v4.base64.channel.k8s.io") as socket:
        for text in (b"echo hi\n", b"exit 3\n"):
            await socket.send_str("0???")
            await socket.send_str(f"0{base64.b64encode(text).decode()}")
        channels = await to_the_end(socket)

    assert channels[1] == b"hi\n"
    assert json.loads(channels[3])["details"]["causes"][0]["message"] == "3"


async def test_none_of_the_offers_being_known_is_forbidden(pod: Pod) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connect(await pod.exec_url("true"), "v9.channel.k8s.io"):
            pass

    assert refused.value.status == 403
