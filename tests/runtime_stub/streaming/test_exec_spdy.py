"""Commands over SPDY, as kubelet, kubectl and crictl ask for them."""

import asyncio
import json
from typing import Any

import pytest
import uvloop

from kubeletsim.base import spdy
from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.settings import Settings
from runtime_stub.streaming import remote_spdy
from tests.fakes.spdy_client import SpdyClient, spdy_client
from tests.runtime_stub.conftest import connected
from tests.runtime_stub.streaming.conftest import Pod, make_pod

V4 = "v4.channel.k8s.io"


async def open_all(connection: SpdyClient, *names: str) -> dict[str, int]:
    """Open streams of these types, and the one for errors, in this order."""
    return {name: await connection.open(streamType=name) for name in (*names, "error")}


def status(connection: SpdyClient, streams: dict[str, int]) -> Any:
    """Return the Status object of the error stream."""
    return json.loads(connection.data(streams["error"]))


async def test_a_command_writes_and_tells_its_exit_code(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("sh", "-c", "echo out; exit 7"), V4) as remote:
        streams = await open_all(remote, "stderr", "stdout")
        await remote.to_the_end()

        assert (remote.status, remote.values("Upgrade")) == (101, ["SPDY/3.1"])
        assert remote.values("X-Stream-Protocol-Version") == [V4]
        assert remote.data(streams["stdout"]) == b"out\n"
        assert status(remote, streams)["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
        assert all(remote.ended(id_) for id_ in streams.values())
        assert isinstance(remote.frames[-1], spdy.GoAway)
        assert {one.stream_id for one in remote.frames if isinstance(one, spdy.SynReply)} == set(streams.values())


def test_a_connection_is_taken_over_on_the_event_loop_that_the_program_runs_on(settings: Settings) -> None:
    async def scenario() -> bytes:
        async with connected(settings) as client:
            pod = await make_pod(client)
            async with spdy_client(await pod.exec_url("echo", "out"), V4) as remote:
                streams = await open_all(remote, "stdout", "stderr")
                await remote.to_the_end()
                return remote.data(streams["stdout"])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(scenario()) == b"out\n"


async def test_errors_have_a_stream_of_their_own(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("sh", "-c", "echo 'open"), V4) as remote:
        streams = await open_all(remote, "stdout", "stderr")
        await remote.to_the_end()

        assert b"unterminated quoted string" in remote.data(streams["stderr"])
        assert remote.data(streams["stdout"]) == b""


async def test_success_is_said_in_version_4_and_silent_before(pod: Pod) -> None:
    for offer, said in ((V4, b'{"metadata":{},"status":"Success"}'), ("v2.channel.k8s.io", b"")):
        async with spdy_client(await pod.exec_url("true"), offer) as remote:
            streams = await open_all(remote, "stdout", "stderr")
            await remote.to_the_end()

            assert remote.data(streams["error"]) == said


async def test_the_first_known_of_the_clients_versions_is_taken(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("true"), "v5.channel.k8s.io", V4, "channel.k8s.io") as remote:
        assert remote.values("X-Stream-Protocol-Version") == [V4]


async def test_a_shell_does_what_is_typed_until_its_input_ends(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("sh", stdin=True), V4) as remote:
        streams = await open_all(remote, "stdin", "stdout", "stderr")
        await remote.send(spdy.Data(streams["stdin"], b"echo o"), spdy.Data(streams["stdin"], b"ne\n"))
        await remote.until(streams["stdout"], b"one\n")
        await remote.send(spdy.Data(streams["stdin"], b"false", fin=True))
        await remote.to_the_end()

        assert status(remote, streams)["reason"] == "NonZeroExitCode"


async def test_cat_gives_back_what_it_gets_however_much(pod: Pod) -> None:
    data = bytes(range(256)) * 8000
    async with spdy_client(await pod.exec_url("cat", stdin=True), V4) as remote:
        streams = await open_all(remote, "stdin", "stdout", "stderr")
        sending = asyncio.create_task(remote.send(spdy.Data(streams["stdin"], data, fin=True)))
        await remote.to_the_end()
        await sending

        assert remote.data(streams["stdout"]) == data


async def test_input_that_nobody_reads_holds_nothing_up(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("sh", "-c", "sleep 0.1; echo done", stdin=True), V4) as remote:
        streams = await open_all(remote, "stdin", "stdout", "stderr")
        await remote.send(*(spdy.Data(streams["stdin"], b"x" * 100_000) for _ in range(20)), spdy.Ping(1))
        await remote.to_the_end()

        assert remote.data(streams["stdout"]) == b"done\n"
        assert spdy.Ping(1) in remote.frames


async def test_a_terminal_echoes_prompts_and_interrupts(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("sh", tty=True, stdin=True), V4) as remote:
        streams = await open_all(remote, "resize", "stdin", "stdout")
        await remote.send(spdy.Data(streams["resize"], b'{"Width":80,"Height":24}'))
        await remote.until(streams["stdout"], b"/ # ")
        await remote.send(spdy.Data(streams["stdin"], b"echo hi\r"))
        await remote.until(streams["stdout"], b"echo hi\r\nhi\r\n/ # ")
        await remote.send(spdy.Data(streams["stdin"], b"sleep 1000\r"))
        await remote.until(streams["stdout"], b"sleep 1000\r\n")
        await remote.send(spdy.Data(streams["stdin"], b"\x03"))
        await remote.until(streams["stdout"], b"^C\r\n/ # ")
        await remote.send(spdy.Data(streams["stdin"], b"\x04"))
        await remote.to_the_end()

        assert status(remote, streams)["details"]["causes"][0]["message"] == "130"


async def test_a_command_that_cannot_exist_is_an_internal_error(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("nosuch"), V4) as remote:
        streams = await open_all(remote, "stdout", "stderr")
        await remote.to_the_end()

        found = status(remote, streams)
        assert (found["reason"], found["code"]) == ("InternalError", 500)
        assert found["message"].startswith("Internal error occurred: error executing command in container: ")
        assert found["message"].endswith('exec: "nosuch": executable file not found in $PATH')


async def test_a_command_dies_with_its_container(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("sleep", "1000"), V4) as remote:
        streams = await open_all(remote, "stdout", "stderr")
        await remote.receive()
        await pod.client.runtime.StopContainer(pb.StopContainerRequest(container_id=pod.shell_id, timeout=0))
        await remote.to_the_end()

        assert status(remote, streams)["details"]["causes"][0]["message"] == "137"


async def test_what_cannot_be_is_reset_and_the_rest_goes_on(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("echo", "hi"), V4) as remote:
        unknown = await remote.open(streamType="smell")
        await remote.send(spdy.SynStream(2), spdy.Data(99, b"?"), spdy.WindowUpdate(1, 5), spdy.Settings())
        streams = await open_all(remote, "stdout", "stderr")
        await remote.to_the_end()

        assert [remote.was_reset(id_) for id_ in (unknown, 2, 99)] == [True, True, True]
        assert remote.data(streams["stdout"]) == b"hi\n"


async def test_what_is_not_spdy_ends_the_connection(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("sleep", "1000"), V4) as remote:
        await remote.send_raw(b"\x80\x02\0\x06\0\0\0\x04\0\0\0\x01")
        await remote.to_the_end()

        assert remote.frames == [spdy.GoAway(0, spdy.ResetStatus.PROTOCOL_ERROR)]


async def test_streams_that_do_not_come_end_the_connection(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_spdy, "STREAM_CREATION_SECONDS", 0.05)
    async with spdy_client(await pod.exec_url("true"), V4) as remote:
        id_ = await remote.open(streamType="stdout")
        await remote.to_the_end()

        assert not remote.data(id_)


async def test_a_client_that_leaves_leaves_nothing_behind(pod: Pod) -> None:
    async with spdy_client(await pod.exec_url("sh", "-c", "echo up; sleep 1000"), V4) as remote:
        streams = await open_all(remote, "stdout", "stderr")
        await remote.until(streams["stdout"], b"up\n")
        served = [task for task in asyncio.all_tasks() if "runtime-stub/stream/" in task.get_name()]
    _, left = await asyncio.wait(served, timeout=60)

    assert (len(served) > 4, left) == (True, set())
