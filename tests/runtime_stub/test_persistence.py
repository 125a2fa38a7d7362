"""kill -9 at any point loses nothing that was answered; what ran goes on running."""

# ruff: noqa: ASYNC240  # looking at a file does not hold up a test

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import grpc
import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.settings import Settings
from tests.runtime_stub.conftest import IMAGE, Client, connected, dialled

pytestmark = pytest.mark.e2e


@asynccontextmanager
async def child(settings: Settings) -> AsyncIterator[tuple[asyncio.subprocess.Process, Client]]:
    """Run the stub in a process of its own; kill it at the end if the test has not."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "runtime_stub",
        "--listen", settings.listen, "--root-dir", settings.root_dir, "--latency", "none",
        env=environ,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        line = await asyncio.wait_for(process.stderr.readline(), 60)
        assert b"listening" in line, line + await process.stderr.read()
        async with dialled(settings) as client:
            yield process, client
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def crash(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def test_everything_is_back_after_a_crash(settings: Settings, directory: Path) -> None:
    settings = replace(settings, pod_cidr="")
    async with child(settings) as (process, client):
        await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image=IMAGE)))
        sandbox_id = await client.run_sandbox()
        sleeper = await client.run("sleep", "10000", sandbox_id=sandbox_id, name="sleeper")
        ended = await client.run("sh", "-c", "exit 3", sandbox_id=sandbox_id, name="ended")
        created = await client.create(sandbox_id, client.container("true", name="created"))
        removed = await client.run("true", sandbox_id=sandbox_id, name="removed")
        await client.runtime.RemoveContainer(pb.RemoveContainerRequest(container_id=removed))
        before = await client.status(sleeper)
        address = ip_address(await client.ip(sandbox_id))
        await crash(process)

    async with connected(settings) as client:
        listed = (await client.runtime.ListContainers(pb.ListContainersRequest())).containers
        assert [one.id for one in listed] == [sleeper, ended, created]
        assert await client.status(sleeper) == before
        assert (await client.status(ended)).exit_code == 3
        assert (await client.status(created)).state == pb.CONTAINER_CREATED
        assert await client.ip(sandbox_id) == str(address)
        other = await client.run_sandbox(client.pod("other"))
        assert await client.ip(other) == str(address + 1)
        assert address in ip_network("127.0.0.0/8")
        with pytest.raises(grpc.aio.AioRpcError, match="is reserved for"):
            await client.run_sandbox()
        await client.start(created)
        await client.runtime.StopContainer(pb.StopContainerRequest(container_id=sleeper, timeout=0))
        assert (await client.status(sleeper)).exit_code == 137


async def test_what_should_have_ended_meanwhile_has_ended_and_nothing_is_written_twice(
    settings: Settings, directory: Path
) -> None:
    async with child(settings) as (process, client):
        await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image=IMAGE)))
        id_ = await client.run("sh", "-c", "echo -n begun; sleep 0.3; echo ' ended'; exit 3")
        await crash(process)
    await asyncio.sleep(0.3)  # the stub is not there to be waited for

    async with connected(settings) as client:
        status = await client.status(id_)
        assert (status.state, status.exit_code) == (pb.CONTAINER_EXITED, 3)
        assert status.finished_at - status.started_at == 300_000_000
        assert Path(status.log_path).read_text().split(" ", 1)[1] == "stdout F begun ended\n"


async def test_a_crash_at_any_moment_keeps_what_was_answered(settings: Settings) -> None:
    answered: list[str] = []
    enough = asyncio.Event()

    async def one_pod_after_the_other(client: Client) -> None:
        for number in range(1000):
            answered.append(await client.run_sandbox(client.pod(f"p{number}")))
            if number == 20:
                enough.set()

    async with child(settings) as (process, client):
        calls = asyncio.ensure_future(one_pod_after_the_other(client))
        await enough.wait()
        await crash(process)
        with pytest.raises(grpc.aio.AioRpcError):
            await calls

    async with connected(settings) as client:
        present = [one.id for one in (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items]
        assert present[: len(answered)] == answered
        assert len(present) <= len(answered) + 1  # the call in flight may have come to its end


@dataclass
class Worker:
    """A caller that lets pods live and die, and keeps book of what was answered."""

    name: str
    client: Client
    answers: list[str]
    present: dict[str, int] = field(default_factory=dict)
    """Ids of containers that must be there, with their state."""
    gone: set[str] = field(default_factory=set)
    """Ids that must not."""
    open: set[str] = field(default_factory=set)
    """Ids of which a call was under way at the end."""

    async def work(self) -> None:
        """Go on until the runtime dies."""
        for number in range(1000):
            sandbox_id = await self.client.run_sandbox(self.client.pod(f"{self.name}-{number}"))
            id_ = await self.client.create(sandbox_id, self.client.container("sleep", "1000", name=self.name))
            self.present[id_] = pb.CONTAINER_CREATED
            await self._change(id_, self.client.start(id_), pb.CONTAINER_RUNNING)
            if number % 2:
                continue
            stop = self.client.runtime.StopContainer(pb.StopContainerRequest(container_id=id_, timeout=0))
            await self._change(id_, stop, pb.CONTAINER_EXITED)
            await self._remove(id_)

    async def _change(self, id_: str, call: Awaitable[object], state: int) -> None:
        self.open.add(id_)
        await call
        self.open.discard(id_)
        self.present[id_] = state
        self.answers.append(id_)

    async def _remove(self, id_: str) -> None:
        self.open.add(id_)
        await self.client.runtime.RemoveContainer(pb.RemoveContainerRequest(container_id=id_))
        self.open.discard(id_)
        del self.present[id_]
        self.gone.add(id_)


@pytest.mark.parametrize("answers", [1, 30, 90])
async def test_a_crash_in_a_burst_of_calls_keeps_what_was_answered(settings: Settings, answers: int) -> None:
    answered: list[str] = []
    async with child(settings) as (process, client):
        await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image=IMAGE)))
        workers = [Worker(f"w{number}", client, answered) for number in range(8)]
        calls = [asyncio.ensure_future(one.work()) for one in workers]
        while len(answered) < answers:
            await asyncio.wait(calls, timeout=0.001)
        await crash(process)
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(one, grpc.aio.AioRpcError) for one in outcomes), outcomes

    async with connected(settings) as client:
        listed = (await client.runtime.ListContainers(pb.ListContainersRequest())).containers
        states = {one.id: one.state for one in listed}
        for worker in workers:
            settled = {id_: state for id_, state in worker.present.items() if id_ not in worker.open}
            assert settled.items() <= states.items()
            assert not worker.gone & states.keys()
        sandboxes = {one.id for one in (await client.runtime.ListPodSandbox(pb.ListPodSandboxRequest())).items}
        assert {one.pod_sandbox_id for one in listed} <= sandboxes
        for one in listed:
            await client.runtime.RemoveContainer(pb.RemoveContainerRequest(container_id=one.id))
        for id_ in sandboxes:
            await client.runtime.RemovePodSandbox(pb.RemovePodSandboxRequest(pod_sandbox_id=id_))


WRITES = """
import atexit, os, sys
written = set()
def note(event, arguments):
    if event == "open" and (isinstance(arguments[1], str) and set(arguments[1]) & set("wax+") or arguments[2] & 0o3):
        written.add(arguments[0])
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate"):
        written.update(one for one in arguments[:2] if isinstance(one, str))
    elif event in ("os.chmod", "os.chown", "sqlite3.connect"):
        written.add(arguments[0])
    elif event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.fork"):
        written.add(f"process: {event} {arguments}")
def tell():
    with open(sys.argv[1], "w") as out:
        out.write("\\n".join(sorted(os.path.abspath(one) if "process:" not in str(one) else one
                                    for one in written if isinstance(one, str))))
atexit.register(tell)
sys.addaudithook(note)
from runtime_stub.cli import main
main(sys.argv[2:])
"""
"""Runs the stub and writes down what it opened for writing, made, moved or removed."""


async def test_nothing_is_touched_but_the_root_directory_and_what_a_request_names(
    settings: Settings, directory: Path
) -> None:
    report, command = directory / "report", ["--listen", settings.listen, "--root-dir", settings.root_dir]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITES, str(report), *command, "--latency", "none",
        env={key: value for key, value in os.environ.items() if not key.startswith("OTEL_")},
        cwd=directory, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stderr is not None
    assert b"listening" in await asyncio.wait_for(process.stderr.readline(), 60)
    async with dialled(settings) as client:
        await client.images.PullImage(pb.PullImageRequest(image=pb.ImageSpec(image=IMAGE)))
        id_ = await client.run("sh", "-c", "echo x > /tmp/x; mkdir -p /data; echo $(ls /); sleep 1000")
        await client.runtime.ExecSync(pb.ExecSyncRequest(container_id=id_, cmd=["sh", "-c", "rm -rf /etc; touch /a"]))
        await client.runtime.Exec(pb.ExecRequest(container_id=id_, cmd=["true"], stdout=True))
        archive = str(directory / "archive.tar")
        await client.runtime.CheckpointContainer(pb.CheckpointContainerRequest(container_id=id_, location=archive))
        await client.runtime.ReopenContainerLog(pb.ReopenContainerLogRequest(container_id=id_))
        await client.runtime.Status(pb.StatusRequest(verbose=True))
    process.send_signal(signal.SIGTERM)
    await asyncio.wait_for(process.communicate(), 20)

    allowed = (settings.root_dir, client.log_directory, archive, settings.listen.removeprefix("unix://"), str(report))
    touched = {one for one in report.read_text().splitlines() if not one.startswith(allowed)}
    touched -= {str(directory)}  # is made if need be: the socket is to be there
    # Python's own: what it compiles, and the device that output is thrown away on.
    assert [one for one in sorted(touched) if "__pycache__" not in one and not one.startswith("/dev/")] == []
    assert {one.name for one in directory.iterdir()} <= {"root", "logs", "archive.tar", "report"}


async def test_sigterm_stops_cleanly(settings: Settings) -> None:
    async with child(settings) as (process, client):
        stream = client.runtime.GetContainerEvents(pb.GetEventsRequest())
        await stream.initial_metadata()
        await client.run_sandbox()
        assert (await stream.read()).container_id
        process.send_signal(signal.SIGTERM)

        assert await asyncio.wait_for(process.wait(), 10) == 0
        assert not Path(settings.listen.removeprefix("unix://")).exists()


async def test_without_a_root_directory_nothing_is_left(settings: Settings, directory: Path) -> None:
    from dataclasses import replace

    async with connected(replace(settings, root_dir="")) as client:
        answer = await client.images.ImageFsInfo(pb.ImageFsInfoRequest())
        mountpoint = Path(answer.image_filesystems[0].fs_id.mountpoint)
        assert mountpoint.is_dir()
    assert not mountpoint.parent.exists()
