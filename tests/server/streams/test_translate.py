"""Claims about commands over the fifth version of the WebSocket protocol, which only this side speaks."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from kubeletsim.server.streams.translate import V5, wants_v5
from tests.ports import free_port
from tests.server.stub_lab import Lab, web_socket

EXEC = "/exec/default/web/shell"


async def to_the_end(socket: aiohttp.ClientWebSocketResponse) -> dict[int, bytes]:
    """Return what each channel brings until the server closes."""
    channels: dict[int, bytes] = {}
    async with asyncio.timeout(60):
        async for message in socket:
            channels[message.data[0]] = channels.get(message.data[0], b"") + message.data[1:]
    return channels


async def run(lab: Lab, query: str, *sent: bytes, path: str = EXEC) -> tuple[dict[int, bytes], Any]:
    """Run a command; return what each channel has brought, and the status at last."""
    async with web_socket(f"{lab.url}{path}?{query}", V5) as socket:
        assert socket.protocol == V5
        for message in sent:
            await socket.send_bytes(message)
        channels = await to_the_end(socket)
    return channels, json.loads(channels.pop(3))


async def test_output_and_errors_have_channels_of_their_own_and_the_exit_code_comes_last(lab: Lab) -> None:
    command = "command=sh&command=-c&command=echo+out%3B+echo+err+%3E%262%3B+exit+3"
    channels, status = await run(lab, f"output=1&error=1&{command}")

    assert channels == {1: b"out\n", 2: b"err\n"}
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    assert status["message"].endswith("command terminated with exit code 3")


async def test_the_end_of_input_can_be_told(lab: Lab) -> None:
    channels, status = await run(lab, "input=1&output=1&command=cat", b"\x00typed", b"\xff\x00")

    assert channels == {1: b"typed"}
    assert status == {"metadata": {}, "status": "Success"}


async def test_a_terminal_takes_sizes_beside_what_is_typed(lab: Lab) -> None:
    async with web_socket(f"{lab.url}{EXEC}?input=1&output=1&tty=1&command=sh", V5) as socket:
        await socket.send_bytes(b'\x04{"Width":77,"Height":33}')
        await socket.send_bytes(b"\x00echo $((6 * 7))\r")
        seen = b""
        async with asyncio.timeout(60):
            while b"42" not in seen:
                seen += (await socket.receive_bytes())[1:]


async def test_much_goes_through_in_both_directions(lab: Lab) -> None:
    pieces = [b"\x00" + b"x" * 100_000] * 10
    channels, _ = await run(lab, "input=1&output=1&command=cat", *pieces, b"\xff\x00")

    assert channels[1] == b"x" * 1_000_000


async def test_a_container_can_be_attached_to(lab: Lab) -> None:
    async with web_socket(f"{lab.url}/attach/default/web/shell?input=1&output=1", V5) as socket:
        await socket.send_bytes(b"\x00echo hi\n")
        seen = b""
        async with asyncio.timeout(60):
            while b"hi\n" not in seen:
                seen += (await socket.receive_bytes())[1:]

    name = "kubelet_websocket_streaming_requests_total"
    assert lab.host.registry.get_sample_value(name, {"subresource": "attach"}) == 1


async def test_a_runtime_that_is_gone_is_told_as_an_internal_error(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()

    async def url(*_: object, **__: object) -> str:
        return f"http://127.0.0.1:{port}/exec/token"

    monkeypatch.setattr(lab.host.cri, "exec", url)
    _, status = await run(lab, "output=1&command=ls")

    text = f"error dialing backend: dial tcp 127.0.0.1:{port}: connect: connection refused"
    assert (status["reason"], status["message"]) == ("InternalError", f"Internal error occurred: {text}")


async def test_a_client_that_leaves_ends_the_command(lab: Lab) -> None:
    async with web_socket(f"{lab.url}{EXEC}?output=1&command=sleep&command=1000", V5) as socket:
        assert await socket.receive_bytes(timeout=5) == b"\x01"

    (span,) = await lab.spans()
    assert span.name == "/exec/{podNamespace}/{podID}/{containerName}"


def test_the_fifth_version_is_wanted_by_those_who_offer_it() -> None:
    assert wants_v5(["v4.channel.k8s.io, v5.channel.k8s.io"])
    assert not wants_v5(["v4.channel.k8s.io"])
    assert not wants_v5([])
