"""Attached clients see what a container writes from then on, and type for it."""

import asyncio
from pathlib import Path

from kubeletsim.base import spdy
from kubeletsim.pb import cri_pb2 as pb
from tests.fakes.spdy_client import spdy_client
from tests.runtime_stub.streaming.conftest import Pod

V4 = "v4.channel.k8s.io"


async def test_a_shell_with_stdin_once_ends_with_its_input_and_logs_its_output(pod: Pod) -> None:
    async with spdy_client(await pod.attach_url(), V4) as remote:
        stdin, out, _, error = [await remote.open(streamType=one) for one in ("stdin", "stdout", "stderr", "error")]
        await remote.send(spdy.Data(stdin, b"echo typed\n"))
        await remote.until(out, b"typed\n")
        await remote.send(spdy.Data(stdin, b"false\n", fin=True))
        await remote.to_the_end()

        assert remote.data(error) == b'{"metadata":{},"status":"Success"}'
    status = await pod.client.status(pod.shell_id)
    assert (status.state, status.exit_code) == (pb.CONTAINER_EXITED, 1)
    assert Path(status.log_path).read_text().endswith(" stdout F typed\n")  # noqa: ASYNC240


async def test_without_stdin_once_a_shell_waits_for_the_next_client(pod: Pod) -> None:
    id_ = await pod.create_shell("patient", stdin_once=False)
    for _ in range(2):
        async with spdy_client(await pod.attach_url(id_=id_), V4) as remote:
            stdin, out, _, _ = [await remote.open(streamType=one) for one in ("stdin", "stdout", "stderr", "error")]
            await remote.send(spdy.Data(stdin, b"echo hi\n", fin=True))
            await remote.until(out, b"hi\n")

    assert (await pod.client.status(id_)).state == pb.CONTAINER_RUNNING


async def test_everybody_attached_sees_what_one_types_on_a_terminal(pod: Pod) -> None:
    id_ = await pod.create_shell("shared", tty=True)
    url, watching = await pod.attach_url(id_=id_), await pod.attach_url(id_=id_, stdin=False)
    async with spdy_client(url, V4) as typist, spdy_client(watching, V4) as watcher:
        seen, *_ = [await watcher.open(streamType=one) for one in ("stdout", "stderr", "error")]
        while len(watcher.frames) < 3:
            await watcher.receive()
        stdin, out, _, _ = [await typist.open(streamType=one) for one in ("stdin", "stdout", "stderr", "error")]
        await typist.send(spdy.Data(stdin, b"echo both\rexit\r"))
        await asyncio.gather(typist.to_the_end(), watcher.to_the_end())

        assert typist.data(out) == watcher.data(seen)
        assert b"echo both\r\n" in typist.data(out)
        assert b"both\r\n/ # " in typist.data(out)


async def test_what_one_client_sets_the_next_one_finds(pod: Pod) -> None:
    id_ = await pod.create_shell("remembering", stdin_once=False)
    for line, answer in ((b"x=kept; echo set\n", b"set\n"), (b"echo $x\n", b"kept\n")):
        async with spdy_client(await pod.attach_url(id_=id_), V4) as remote:
            stdin, out, _, _ = [await remote.open(streamType=one) for one in ("stdin", "stdout", "stderr", "error")]
            await remote.send(spdy.Data(stdin, line, fin=True))
            await remote.until(out, answer)


async def test_an_interrupt_reaches_the_command_of_a_containers_shell(pod: Pod) -> None:
    id_ = await pod.create_shell("busy", tty=True)
    async with spdy_client(await pod.attach_url(id_=id_), V4) as remote:
        stdin, out, _, _ = [await remote.open(streamType=one) for one in ("stdin", "stdout", "stderr", "error")]
        await remote.send(spdy.Data(stdin, b"sleep 1000\r"))
        await remote.until(out, b"sleep 1000\r\n")
        await remote.send(spdy.Data(stdin, b"\x03"))
        await remote.send(spdy.Data(stdin, b"echo $?; exit\r"))
        await remote.to_the_end()

        assert b"^C\r\n/ # echo $?; exit\r\n130\r\n" in remote.data(out)


async def test_a_scripts_input_is_what_is_typed(pod: Pod) -> None:
    config = pod.client.container("sh", "-c", "read line; echo got $line", name="asking")
    config.stdin = True
    id_ = await pod.client.create(pod.sandbox_id, config)
    await pod.client.start(id_)
    async with spdy_client(await pod.attach_url(id_=id_), V4) as remote:
        stdin, out, _, _ = [await remote.open(streamType=one) for one in ("stdin", "stdout", "stderr", "error")]
        await remote.send(spdy.Data(stdin, b"this\n"))
        await remote.to_the_end()

        assert remote.data(out) == b"got this\n"


async def test_a_server_leaves_input_unread(pod: Pod) -> None:
    async with spdy_client(await pod.attach_url(id_=pod.web_id), V4) as remote:
        stdin, *_, error = [await remote.open(streamType=one) for one in ("stdin", "stdout", "stderr", "error")]
        await remote.send(spdy.Data(stdin, b"echo hi\n", fin=True))
        await pod.client.runtime.StopContainer(pb.StopContainerRequest(container_id=pod.web_id))
        await remote.to_the_end()

        assert b"Success" in remote.data(error)


async def test_who_comes_after_the_container_has_ended_is_told(pod: Pod) -> None:
    url = await pod.attach_url()
    await pod.client.runtime.StopContainer(pb.StopContainerRequest(container_id=pod.shell_id))
    async with spdy_client(url, V4) as remote:
        *_, error = [await remote.open(streamType=one) for one in ("stdin", "stdout", "stderr", "error")]
        await remote.to_the_end()

        assert b"container is in CONTAINER_EXITED state" in remote.data(error)
