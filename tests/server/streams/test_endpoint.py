"""Claims about exec, attach and port-forward through the node's server, on a stub and over real sockets."""

import asyncio
import json
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest

from kubeletsim.base import spdy
from kubeletsim.model.errors import CRIError
from kubeletsim.pb import cri_pb2 as pb
from kubeletsim.server import listener
from tests.fakes.spdy_client import SpdyClient, spdy_client
from tests.ports import free_port
from tests.server.lab import trusting
from tests.server.stub_lab import Lab, stub_lab, web_socket

V4 = "v4.channel.k8s.io"
FORWARD = "portforward.k8s.io"
GET = b"GET / HTTP/1.1\r\nHost: pod\r\n\r\n"


async def open_all(remote: SpdyClient, *names: str) -> dict[str, int]:
    return {name: await remote.open(streamType=name) for name in (*names, "error")}


async def test_a_command_runs_over_spdy_through_tls(lab: Lab) -> None:
    url = f"{lab.url}/exec/default/web/shell?output=1&error=1&command=sh&command=-c&command=echo+out;exit+7"
    async with spdy_client(url, V4, tls=trusting()) as remote:
        streams = await open_all(remote, "stdout", "stderr")
        await remote.to_the_end()

    assert (remote.status, remote.values("X-Stream-Protocol-Version")) == (101, [V4])
    assert remote.data(streams["stdout"]) == b"out\n"
    assert json.loads(remote.data(streams["error"]))["details"]["causes"][0]["message"] == "7"


async def test_what_is_typed_reaches_an_attached_container(lab: Lab) -> None:
    url = f"{lab.url}/attach/default/web/uid-web/shell?input=1&output=1&error=1"
    async with spdy_client(url, V4, tls=trusting()) as remote:
        streams = await open_all(remote, "stdin", "stdout", "stderr")
        await remote.send(spdy.Data(streams["stdin"], b"echo typed\n"))
        await remote.until(streams["stdout"], b"typed\n")


async def test_much_goes_through_in_both_directions(lab: Lab) -> None:
    sent = b"x" * 3_000_000 + b"\n"
    url = f"{lab.url}/exec/default/web/shell?input=1&output=1&command=cat"
    async with spdy_client(url, V4, tls=trusting()) as remote:
        streams = await open_all(remote, "stdin", "stdout")

        async def send() -> None:
            for at in range(0, len(sent), 60_000):
                await remote.send(spdy.Data(streams["stdin"], sent[at : at + 60_000]))
            await remote.send(spdy.Data(streams["stdin"], b"", fin=True))

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(send(), name="send")
            tasks.create_task(remote.to_the_end(), name="receive")

    assert remote.data(streams["stdout"]) == sent


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "v5.channel.k8s.io"])
async def test_a_command_runs_over_websocket(lab: Lab, protocol: str) -> None:
    url = f"{lab.url}/exec/default/web/shell?output=1&command=echo&command=hi"
    async with web_socket(url, protocol) as socket:
        messages = [bytes(message.data) async for message in socket]

    assert socket.protocol == protocol
    assert b"".join(one[1:] for one in messages if one[0] == 1) == b"hi\n"
    assert socket.close_code == 1000


async def test_ports_are_forwarded_over_spdy(lab: Lab) -> None:
    async with spdy_client(f"{lab.url}/portForward/default/web", FORWARD, tls=trusting()) as remote:
        await remote.open(streamType="error", port="80", requestID="0")
        data = await remote.open(streamType="data", port="80", requestID="0")
        await remote.send(spdy.Data(data, GET))
        await remote.until(data, b"HTTP/1.1 200 OK")


async def test_ports_are_forwarded_over_a_websocket_with_the_ports_in_its_query(lab: Lab) -> None:
    async with web_socket(f"{lab.url}/portForward/default/web?port=80", V4) as socket:
        assert await socket.receive_bytes(timeout=60) == b"\x00\x50\x00"  # channel 0 begins with its port
        assert await socket.receive_bytes(timeout=60) == b"\x01\x50\x00"
        await socket.send_bytes(b"\x00" + GET)
        assert b"200 OK" in await socket.receive_bytes(timeout=60)


async def test_spdy_inside_a_websocket_is_unwrapped_for_the_runtime(lab: Lab) -> None:
    encoder, decoder = spdy.Encoder(), spdy.Decoder()
    frames = [
        spdy.SynStream(1, (("streamtype", "error"), ("port", "80"), ("requestid", "0"))),
        spdy.SynStream(3, (("streamtype", "data"), ("port", "80"), ("requestid", "0"))),
        spdy.Data(3, GET),
    ]
    received = b""
    async with web_socket(f"{lab.url}/portForward/default/web", f"SPDY/3.1+{FORWARD}") as socket:
        await socket.send_bytes(b"".join(encoder.encode(frame) for frame in frames))
        while b"200 OK" not in received:
            for frame in decoder.feed(await socket.receive_bytes(timeout=60)):
                received += frame.data if isinstance(frame, spdy.Data) else b""

    assert socket.protocol == f"SPDY/3.1+{FORWARD}"
    name = "kubelet_websocket_streaming_requests_total"
    assert lab.host.registry.get_sample_value(name, {"subresource": "portforward"}) == 1


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/exec/default/web/shell", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("/exec/default/none/shell?output=1", 404, "pod does not exist"),
        ("/exec/default/web/none?output=1&command=ls", 500, 'container not found ("none")'),
        ("/exec/default/web/any-uid/shell?output=1&command=ls", 500, "Upgrade request required\n"),
        ("/attach/default/none/shell?output=1", 404, "pod does not exist"),
        ("/attach/default/web/none?output=1", 500, "container none not found in pod web_default"),
        ("/attach/default/web/other-uid/shell?output=1", 500, "pod web_default not found"),
        ("/attach/default/web/shell", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        ("/portForward/default/none", 404, "pod does not exist"),
        ("/portForward/default/web/other-uid", 404, "pod not found"),
        ("/portForward/default/web/uid-web", 500, "Upgrade request required\n"),
        ("/exec/default/web", 404, "404: Page Not Found"),
    ],
)
async def test_requests_that_lead_nowhere_are_told_so_in_upstreams_words(
    lab: Lab, path: str, status: int, text: str
) -> None:
    answer = await lab.caller.ask(path, method="POST")

    assert (answer.status, answer.text) == (status, text)


async def test_a_websocket_without_a_port_is_refused(lab: Lab) -> None:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
    answer = await lab.caller.ask("/portForward/default/web", headers=headers)

    assert (answer.status, answer.text) == (400, 'query parameter "port" is required')


async def test_a_runtime_that_refuses_the_protocol_is_heard_out(lab: Lab) -> None:
    url = f"{lab.url}/exec/default/web/shell?output=1&command=ls"
    async with spdy_client(url, "v9.channel.k8s.io", tls=trusting()) as remote:
        assert remote.status == 403
        assert V4 in remote.values("X-Accepted-Stream-Protocol-Versions")


async def test_a_pod_whose_sandbox_has_stopped_cannot_be_forwarded_to(lab: Lab) -> None:
    await lab.stub.runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=lab.sandbox_id))

    answer = await lab.caller.ask("/portForward/default/web", method="POST")

    assert (answer.status, answer.text) == (500, 'pod not found ("web_default")')


@pytest.mark.parametrize(
    ("code", "status", "retry"), [("NotFound", 404, None), ("ResourceExhausted", 429, "60"), ("Unknown", 500, None)]
)
async def test_a_runtimes_refusal_has_the_status_of_its_code(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, code: str, status: int, retry: str | None
) -> None:
    async def refuse(*_: object, **__: object) -> str:
        raise CRIError("no", code=code)

    monkeypatch.setattr(lab.host.cri, "exec", refuse)
    answer = await lab.caller.ask("/exec/default/web/shell?output=1&command=ls", method="POST")

    assert (answer.status, answer.headers.get("Retry-After")) == (status, retry)
    assert answer.text == f"rpc error: code = {code} desc = no"


async def test_a_streaming_server_that_is_gone_is_said_to_refuse(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()

    async def url(*_: object, **__: object) -> str:
        return f"http://127.0.0.1:{port}/exec/token"

    monkeypatch.setattr(lab.host.cri, "exec", url)
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    answer = await lab.caller.ask("/exec/default/web/shell?output=1&command=ls", method="POST", headers=headers)

    assert answer.status == 500
    assert answer.text == f"error dialing backend: dial tcp 127.0.0.1:{port}: connect: connection refused\n"


async def test_the_runtimes_calls_are_below_the_requests_span_which_says_200_as_upstreams_does(lab: Lab) -> None:
    url = f"{lab.url}/exec/default/web/shell?output=1&command=true"
    async with spdy_client(url, V4, tls=trusting()) as remote:
        await open_all(remote, "stdout")
        await remote.to_the_end()
    (span,) = await lab.spans()
    assert span.name == "/exec/{podNamespace}/{podID}/{containerName}"
    assert (span.attributes or {})["http.response.status_code"] == 200
    calls = [one for one in lab.host.telemetry.spans("CLIENT") if one.parent == span.context]
    assert [one.name.rpartition("/")[2] for one in calls] == ["ListPodSandbox", "ListContainers", "Exec"]


async def test_streams_end_with_the_server_and_so_do_logs_that_are_followed(
    settings, telemetry, serving, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "SHUTDOWN_PATIENCE_SECONDS", 0.1)
    tasks = asyncio.all_tasks()
    async with AsyncExitStack() as clients:
        async with stub_lab(settings, telemetry=telemetry, serving=serving, directory=tmp_path) as lab:
            url = f"{lab.url}/exec/default/web/shell?output=1&command=sleep&command=1000"
            remote = await clients.enter_async_context(spdy_client(url, V4, tls=trusting()))
            await open_all(remote, "stdout")
            socket = await clients.enter_async_context(web_socket(url, "v5.channel.k8s.io"))
            followed = f"{lab.url}/containerLogs/default/web/shell?follow=true"
            session = await clients.enter_async_context(aiohttp.ClientSession())
            logs = await clients.enter_async_context(session.get(followed, ssl=trusting()))

        async with asyncio.timeout(60):
            await remote.to_the_end()
            messages = [message.data async for message in socket]
            assert messages == [b"\x01"]
            with suppress(aiohttp.ClientError):
                assert await logs.content.read() == b""

    left = {task.get_name() for task in asyncio.all_tasks() - tasks}
    assert not any(name.startswith("stream/") for name in left)
