"""Who gets a stream, and who is refused how."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import aiohttp
import grpc
import pytest
from opentelemetry.context import Context
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from kubeletsim.base import spdy
from kubeletsim.base.timing import LoopClock
from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.settings import Settings
from runtime_stub.state.refusals import Refusal
from runtime_stub.streaming import server, tickets
from tests.fakes.otlp_receiver import running_receiver
from tests.fakes.spdy_client import spdy_client
from tests.runtime_stub.conftest import connected
from tests.runtime_stub.streaming.conftest import Pod, make_pod

V4 = "v4.channel.k8s.io"


async def refusal(call: Awaitable[object]) -> tuple[str, str]:
    """Return the code and text of a call that must fail."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return failed.value.code().name, failed.value.details() or ""


async def test_a_url_leads_to_loopback_and_works_once(pod: Pod) -> None:
    url = await pod.exec_url("true")
    async with spdy_client(url, V4) as first, spdy_client(url, V4) as second:
        assert (first.status, second.status) == (101, 404)

    assert url.startswith("http://127.0.0.1:")
    assert len(url.rpartition("/")[2]) == 8


async def test_get_is_as_good_as_post(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("true"), V4, method="GET") as remote:
        assert remote.status == 101


@pytest.mark.parametrize("change", ["/attach/", "/exec/x/", "/other/"])
async def test_a_token_opens_only_what_it_is_for(pod: Pod, change: str) -> None:
    async with spdy_client((await pod.exec_url("true")).replace("/exec/", change), V4) as remote:
        assert remote.status == 404


async def test_without_an_upgrade_the_request_is_bad(pod: Pod) -> None:
    async with aiohttp.ClientSession() as session, session.get(await pod.exec_url("true")) as answer:
        assert answer.status == 400
        assert "missing upgrade headers" in await answer.text()


async def test_spdy_needs_a_version_that_is_known(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("true")) as silent:
        assert silent.status == 400
    async with spdy_client(await pod.exec_url("true"), "v9.channel.k8s.io") as modern:
        assert modern.status == 403
        assert modern.values("X-Accepted-Stream-Protocol-Versions")[0] == V4
        assert len(modern.values("X-Accepted-Stream-Protocol-Versions")) == 4


@pytest.mark.parametrize("query", ["", "?port=x", "?port=0", "?port=80,70000"])
async def test_a_websocket_must_say_which_ports(pod: Pod, query: str) -> None:
    url = await pod.forward_url()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url + query, protocols=(V4,))

    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"tty": True, "stdout": True, "stderr": True}, "tty and stderr cannot both be true"),
        ({}, "one of stdin, stdout, or stderr must be set"),
        ({"tty": True}, "one of stdin, stdout, or stderr must be set"),
    ],
)
async def test_streams_that_make_no_sense_are_invalid(pod: Pod, flags: dict[str, bool], text: str) -> None:
    runtime = pod.client.runtime
    for call in (
        runtime.Exec(pb.ExecRequest(container_id=pod.shell_id, cmd=["true"], **flags)),
        runtime.Attach(pb.AttachRequest(container_id=pod.shell_id, **flags)),
    ):
        code, found = await refusal(call)
        assert code == "INVALID_ARGUMENT"
        assert found.endswith(text)


async def test_what_is_missing_or_does_not_run_has_no_streams(pod: Pod) -> None:
    runtime, missing = pod.client.runtime, "0" * 64
    await runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=pod.sandbox_id))

    assert await refusal(runtime.Exec(pb.ExecRequest(container_id=missing, cmd=["true"], stdout=True))) == (
        "NOT_FOUND",
        f'container_id: failed to find container "{missing}" in store: not found',
    )
    assert (await refusal(runtime.Attach(pb.AttachRequest(container_id=missing, stdout=True))))[0] == "NOT_FOUND"
    state = "FAILED_PRECONDITION"
    assert await refusal(pod.forward_url()) == (state, "pod_sandbox_id: sandbox container is not running")
    assert await refusal(pod.exec_url("true")) == (state, "container_id: container is in CONTAINER_EXITED state")
    sandbox = await refusal(runtime.PortForward(pb.PortForwardRequest(pod_sandbox_id=missing)))
    assert sandbox == ("NOT_FOUND", f'pod_sandbox_id: failed to find sandbox "{missing}": not found')

    command = await refusal(runtime.Exec(pb.ExecRequest(container_id=pod.shell_id, stdout=True)))
    assert command[0] == state, "what does not run comes before what is missing"


async def test_a_thousand_streams_may_wait_and_no_more(pod: Pod) -> None:
    for _ in range(tickets.MAX_WAITING):
        await pod.forward_url()

    assert await refusal(pod.forward_url()) == (
        "RESOURCE_EXHAUSTED",
        "maximum number of in flight requests exceeded",
    )


@pytest.mark.looptime
async def test_a_ticket_lives_a_minute() -> None:
    waiting = tickets.Tickets(LoopClock())
    request = tickets.PortForward("sandbox")
    early, late = waiting.issue(request, Context()), waiting.issue(request, Context())
    await asyncio.sleep(59.9)
    found = waiting.redeem("portforward", early)
    await asyncio.sleep(0.2)

    assert found is not None
    assert found.request == request
    assert waiting.redeem("portforward", late) is None


@pytest.mark.looptime
async def test_expired_tickets_make_room() -> None:
    waiting = tickets.Tickets(LoopClock())
    for _ in range(tickets.MAX_WAITING):
        waiting.issue(tickets.PortForward("sandbox"), Context())
    with pytest.raises(Refusal):
        waiting.issue(tickets.PortForward("sandbox"), Context())
    await asyncio.sleep(tickets.LIFETIME_SECONDS)

    assert waiting.issue(tickets.PortForward("sandbox"), Context())


async def test_a_stream_on_which_nothing_happens_is_closed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.05)
    async with connected(settings) as client:
        pod = await make_pod(client)
        async with spdy_client(await pod.forward_url(), "portforward.k8s.io") as remote:
            await remote.to_the_end()


async def test_the_port_is_closed_with_the_stub_though_a_stream_is_open(settings: Settings) -> None:
    async with connected(settings) as client:
        pod = await make_pod(client)
        url = await pod.exec_url("sleep", "1000")
        async with spdy_client(url, V4) as remote:
            for name in ("stdout", "stderr", "error"):
                await remote.open(streamType=name)
            await remote.receive()
    with pytest.raises(ConnectionRefusedError):
        async with spdy_client(url, V4):
            pass


async def test_a_streams_span_is_a_child_of_the_call(settings: Settings) -> None:
    with running_receiver() as receiver:
        traced = replace(settings, otlp_endpoint=receiver.target, sampling_rate_per_million=1_000_000)
        async with connected(traced) as client:
            pod = await make_pod(client)
            async with spdy_client(await pod.exec_url("sh", "-c", "sleep 0.05; exit 4", tty=True), V4) as remote:
                resize = await remote.open(streamType="resize")
                await remote.send(spdy.Data(resize, b'{"Width":80,"Hei'), spdy.Data(resize, b'ght":24}{"Width":-1}'))
                for name in ("stdout", "error"):
                    await remote.open(streamType=name)
                await remote.to_the_end()

        spans = {span.name: span for span in receiver.spans}
        call, stream = spans["runtime.v1.RuntimeService/Exec"], spans["POST /exec/{token}"]
        found = {one.key: one.value.string_value or one.value.int_value for one in stream.attributes}
        assert (stream.trace_id, stream.parent_span_id) == (call.trace_id, call.span_id)
        assert stream.kind == Span.SPAN_KIND_SERVER
        assert (found["http.response.status_code"], found["process.exit.code"]) == (101, 4)
        sizes = [{one.key: one.value.int_value for one in event.attributes} for event in stream.events]
        assert sizes == [{"terminal.width": 80, "terminal.height": 24}]
        assert (found["stream.protocol"], found["container.id"]) == (f"SPDY/3.1 {V4}", pod.shell_id)
