"""Connections into a pod reach its simulated web server, or are refused as by a kernel."""

import asyncio

import aiohttp
import pytest

from kubeletsim.base import spdy
from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.streaming import forwarding
from tests.fakes.spdy_client import SpdyClient, spdy_client
from tests.runtime_stub.streaming.conftest import Pod

GET = b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n"
PROTOCOL = "portforward.k8s.io"


async def open_pair(remote: SpdyClient, port: int, request: str) -> tuple[int, int]:
    """Open the streams for errors and data of one connection."""
    error = await remote.open(streamType="error", port=str(port), requestID=request, fin=False)
    return error, await remote.open(streamType="data", port=str(port), requestID=request)


async def test_many_connections_share_one_stream_connection(pod: Pod) -> None:
    async with spdy_client(await pod.forward_url(80), PROTOCOL) as remote:
        pairs = [await open_pair(remote, 80, str(number)) for number in range(3)]
        for _, data in reversed(pairs):
            await remote.send(spdy.Data(data, GET))
        for error, data in pairs:
            await remote.until(data, b"HTTP/1.1 200 OK")
            await remote.send(spdy.Data(data, b"", fin=True))
            while not remote.ended(error):
                assert await remote.receive()
            assert remote.data(error) == b""
            assert remote.ended(data)


async def test_what_a_command_listens_on_is_reached(pod: Pod) -> None:
    await pod.client.run("httpd", "-f", "-p", "8080", sandbox_id=pod.sandbox_id, name="small")
    async with spdy_client(await pod.forward_url(), PROTOCOL) as remote:
        _, data = await open_pair(remote, 8080, "0")
        await remote.send(spdy.Data(data, GET))
        await remote.until(data, b"404 Not Found")


async def test_a_port_where_nothing_listens_refuses(pod: Pod) -> None:
    async with spdy_client(await pod.forward_url(), PROTOCOL) as remote:
        error, data = await open_pair(remote, 81, "0")
        await remote.until(error, b"connect: connection refused")

        assert remote.data(error).startswith(f"error forwarding port 81 to pod {pod.sandbox_id}, uid : ".encode())
        while not remote.was_reset(data):
            assert await remote.receive()


async def test_a_sandbox_that_has_stopped_meanwhile_refuses(pod: Pod) -> None:
    async with spdy_client(await pod.forward_url(), PROTOCOL) as remote:
        await pod.client.runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=pod.sandbox_id))
        error, _ = await open_pair(remote, 80, "0")
        await remote.until(error, b"is not running")


async def test_streams_without_a_port_a_type_or_a_partner_are_reset(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "PAIR_SECONDS", 0.05)
    async with spdy_client(await pod.forward_url(), PROTOCOL) as remote:
        refused = [
            await remote.open(streamType="data", requestID="a"),
            await remote.open(streamType="data", requestID="a", port="70000"),
            await remote.open(port="80", requestID="a"),
            await remote.open(streamType="data", port="80", requestID="b"),
            await remote.open(streamType="data", port="80", requestID="b"),
        ]
        lonely = await remote.open(streamType="error", port="80", requestID="c")
        while not all(remote.was_reset(id_) for id_ in (*refused, lonely)):
            assert await remote.receive()

        assert b"no stream of the other type" in remote.data(lonely)


async def test_old_clients_need_no_request_id(pod: Pod) -> None:
    async with spdy_client(await pod.forward_url(), PROTOCOL) as remote:
        await remote.open(streamType="error", port="80")
        data = await remote.open(streamType="data", port="80")
        await remote.send(spdy.Data(data, GET))
        await remote.until(data, b"200 OK")


async def test_spdy_may_be_tunnelled_through_a_websocket(pod: Pod) -> None:
    encoder, decoder = spdy.Encoder(), spdy.Decoder()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(await pod.forward_url(), protocols=("SPDY/3.1+portforward.k8s.io",)) as socket,
    ):
        for id_, kind in ((1, "error"), (3, "data")):
            headers = (("streamtype", kind), ("port", "80"), ("requestid", "0"))
            await socket.send_bytes(encoder.encode(spdy.SynStream(id_, headers)))
        await socket.send_bytes(encoder.encode(spdy.Data(3, GET)))
        received = b""
        async with asyncio.timeout(60):
            while b"200 OK" not in received:
                frames = decoder.feed(await socket.receive_bytes())
                received += b"".join(one.data for one in frames if isinstance(one, spdy.Data))

        assert socket.protocol == "SPDY/3.1+portforward.k8s.io"


async def test_a_websocket_has_two_channels_for_each_port(pod: Pod) -> None:
    url = await pod.forward_url()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}?port=80,81", protocols=("v4.channel.k8s.io",)) as socket,
    ):
        await socket.send_bytes(b"\x00" + GET)
        received: dict[int, bytes] = {}
        async with asyncio.timeout(60):
            while b"200 OK" not in received.get(0, b"") or b"refused" not in received.get(3, b""):
                message = await socket.receive_bytes()
                received[message[0]] = received.get(message[0], b"") + message[1:]

        assert received[0].startswith((80).to_bytes(2, "little") + b"HTTP/1.1")
        assert [received[channel][:2] for channel in (1, 2, 3)] == [b"P\0", b"Q\0", b"Q\0"]
        assert received[1] == b"P\0"


async def test_a_websocket_ends_with_its_last_connection(pod: Pod) -> None:
    url = await pod.forward_url()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}?port=80,81", protocols=("v4.channel.k8s.io",)) as socket,
    ):
        await socket.send_bytes(b"\x00GET / HTTP/1.0\r\n\r\n")
        async with asyncio.timeout(60):
            received = b"".join([message.data[1:] async for message in socket])

        assert b"200 OK" in received
        assert b"connection refused" in received
