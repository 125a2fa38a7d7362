"""Sandboxes and containers live through simulated time as under a real runtime."""

import asyncio
from pathlib import Path

import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.state.refusals import Reason, Refusal
from tests.runtime_stub.conftest import EPOCH, Bench

pytestmark = pytest.mark.looptime


async def stop(lab: Bench, id_: str, *, timeout: int = 0) -> None:
    await lab.client.runtime.StopContainer(pb.StopContainerRequest(container_id=id_, timeout=timeout))


async def test_a_sleeper_takes_the_whole_grace_period_and_is_killed(lab: Bench, looptime: float) -> None:
    id_ = await lab.client.run("/bin/sleep", "10000")
    began = asyncio.get_running_loop().time()
    await stop(lab, id_, timeout=30)

    status = await lab.client.status(id_)
    assert asyncio.get_running_loop().time() - began == pytest.approx(30.06, abs=0.02)
    assert (status.state, status.exit_code, status.reason) == (pb.CONTAINER_EXITED, 137, "Error")


async def test_a_server_ends_as_soon_as_it_is_asked(lab: Bench) -> None:
    id_ = await lab.client.run("httpd", "-f")
    began = asyncio.get_running_loop().time()
    await stop(lab, id_, timeout=30)

    assert asyncio.get_running_loop().time() - began < 0.1
    assert (await lab.client.status(id_)).exit_code == 143


async def test_no_grace_is_a_kill_at_once(lab: Bench) -> None:
    id_ = await lab.client.run("httpd", "-f")
    await stop(lab, id_)

    assert (await lab.client.status(id_)).exit_code == 137


async def test_the_configured_stop_signal_is_sent(lab: Bench) -> None:
    config = lab.client.container("httpd", "-f")
    config.stop_signal = pb.SIGQUIT
    id_ = await lab.client.create(await lab.client.run_sandbox(), config)
    await lab.client.start(id_)
    await stop(lab, id_, timeout=1)

    status = await lab.client.status(id_)
    assert (status.exit_code, status.stop_signal) == (131, pb.SIGQUIT)


async def test_a_second_stop_shortens_the_grace_of_the_first(lab: Bench) -> None:
    id_ = await lab.client.run("sleep", "10000")
    async with asyncio.timeout(6), asyncio.TaskGroup() as calls:
        calls.create_task(stop(lab, id_, timeout=100))
        await asyncio.sleep(1)
        calls.create_task(stop(lab, id_, timeout=2))


async def test_a_program_that_ends_leaves_its_code_and_time(lab: Bench) -> None:
    id_ = await lab.client.run("/bin/sh", "-c", "sleep 1; exit 3")
    assert (await lab.client.status(id_)).state == pb.CONTAINER_RUNNING
    await asyncio.sleep(1.1)

    status = await lab.client.status(id_)
    assert (status.state, status.exit_code, status.reason) == (pb.CONTAINER_EXITED, 3, "Error")
    assert status.finished_at - status.started_at == 1_000_000_000
    assert status.started_at > EPOCH * 1_000_000_000


async def test_output_reaches_the_log(lab: Bench, directory: Path) -> None:
    await lab.client.run("sh", "-c", "echo one; sleep 5; echo two; nosuch")
    await asyncio.sleep(6)

    lines = (directory / "logs/app/0.log").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == [
        "stdout F one",
        "stdout F two",
        "stderr F sh: nosuch: not found",
    ]


async def test_a_tty_has_one_stream(lab: Bench, directory: Path) -> None:
    config = lab.client.container("sh", "-c", "nosuch")
    config.tty = True
    await lab.client.start(await lab.client.create(await lab.client.run_sandbox(), config))

    assert " stdout F sh: nosuch" in (directory / "logs/app/0.log").read_text()


async def test_a_container_that_cannot_start_has_a_start_error_and_an_empty_log(lab: Bench, directory: Path) -> None:
    sandbox_id = await lab.client.run_sandbox()
    id_ = await lab.client.create(sandbox_id, lab.client.container("/nosuch"))
    with pytest.raises(Refusal) as refused:
        await lab.client.start(id_)

    status = await lab.client.status(id_)
    assert refused.value.reason is Reason.START_FAILED
    assert (status.exit_code, status.reason, status.started_at) == (128, "StartError", 0)
    assert status.message.endswith('exec: "/nosuch": stat /nosuch: no such file or directory')
    assert (directory / "logs/app/0.log").read_text() == ""


async def test_a_log_that_cannot_be_made_is_a_start_error(lab: Bench, directory: Path) -> None:
    (directory / "logs").write_text("in the way")
    sandbox_id = await lab.client.run_sandbox()
    id_ = await lab.client.create(sandbox_id, lab.client.container("true"))
    with pytest.raises(Refusal):
        await lab.client.start(id_)

    assert "failed to create and open log file" in (await lab.client.status(id_)).message


async def test_stopping_a_sandbox_kills_its_containers_and_takes_its_network(lab: Bench) -> None:
    sandbox_id = await lab.client.run_sandbox(lab.client.pod("app"))
    ids = [await lab.client.run("sleep", "1000", sandbox_id=sandbox_id, name=name) for name in ("a", "b")]
    await lab.client.runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id))

    answer = await lab.client.runtime.PodSandboxStatus(pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id))
    assert answer.status.state == pb.SANDBOX_NOTREADY
    assert answer.status.network.ip == ""
    assert [(await lab.client.status(id_)).exit_code for id_ in ids] == [137, 137]


async def test_nothing_starts_in_a_stopped_sandbox(lab: Bench) -> None:
    sandbox_id = await lab.client.run_sandbox()
    id_ = await lab.client.create(sandbox_id, lab.client.container("true"))
    await lab.client.runtime.StopPodSandbox(pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id))

    with pytest.raises(Refusal) as start:
        await lab.client.start(id_)
    with pytest.raises(Refusal) as create:
        await lab.client.create(sandbox_id, lab.client.container("true", name="other"))
    assert start.value.reason is Reason.SANDBOX_OF_START_NOT_RUNNING
    assert create.value.reason is Reason.SANDBOX_NOT_RUNNING


async def test_a_caller_that_leaves_takes_its_half_made_sandbox_along(lab: Bench) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await lab.client.run_sandbox()
    assert lab.machine.world.sandboxes() == []

    await lab.client.run_sandbox()


async def test_a_caller_that_leaves_takes_its_half_made_container_along(lab: Bench) -> None:
    sandbox_id = await lab.client.run_sandbox()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.005):
            await lab.client.create(sandbox_id, lab.client.container("true"))

    await lab.client.create(sandbox_id, lab.client.container("true"))


async def test_a_start_whose_caller_leaves_is_a_start_error(lab: Bench) -> None:
    id_ = await lab.client.create(await lab.client.run_sandbox(), lab.client.container("sleep", "5"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await lab.client.start(id_)

    status = await lab.client.status(id_)
    assert (status.state, status.reason, status.message) == (pb.CONTAINER_EXITED, "StartError", "context canceled")


async def test_a_removal_whose_caller_leaves_can_be_done_again(lab: Bench) -> None:
    id_ = await lab.client.create(await lab.client.run_sandbox(), lab.client.container("true"))
    remove = pb.RemoveContainerRequest(container_id=id_)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await lab.client.runtime.RemoveContainer(remove)

    await lab.client.runtime.RemoveContainer(remove)
    assert lab.machine.world.containers() == []


async def test_removing_a_sandbox_removes_what_is_created_meanwhile(lab: Bench) -> None:
    sandbox_id = await lab.client.run_sandbox()
    for name in ("a", "b"):
        await lab.client.run("sleep", "100", sandbox_id=sandbox_id, name=name)
    removal = lab.client.runtime.RemovePodSandbox(pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id))
    creation = lab.client.create(sandbox_id, lab.client.container("true", name="late"))
    await asyncio.gather(removal, creation)

    assert lab.machine.world.containers() == []
    assert lab.machine.world.sandboxes() == []


async def test_an_exec_waits_for_its_command(lab: Bench) -> None:
    id_ = await lab.client.run("sleep", "1000")
    command = ["sh", "-c", "echo out; nosuch; sleep 3; exit 7"]
    began = asyncio.get_running_loop().time()
    answer = await lab.client.runtime.ExecSync(pb.ExecSyncRequest(container_id=id_, cmd=command, timeout=10))

    assert (answer.stdout, answer.stderr, answer.exit_code) == (b"out\n", b"sh: nosuch: not found\n", 7)
    assert asyncio.get_running_loop().time() - began == pytest.approx(3.04, abs=0.02)


async def test_an_exec_that_takes_too_long_is_ended(lab: Bench) -> None:
    id_ = await lab.client.run("sleep", "1000")
    with pytest.raises(Refusal) as refused:
        await lab.client.runtime.ExecSync(pb.ExecSyncRequest(container_id=id_, cmd=["sleep", "90"], timeout=61))

    assert refused.value.facts["timeout"] == "1m1s"


async def test_an_exec_dies_with_its_container(lab: Bench) -> None:
    id_ = await lab.client.run("sleep", "3")
    answer = await lab.client.runtime.ExecSync(pb.ExecSyncRequest(container_id=id_, cmd=["sleep", "inf"]))

    assert answer.exit_code == 137


async def test_an_exec_needs_a_running_container(lab: Bench) -> None:
    id_ = await lab.client.run("true")
    await asyncio.sleep(1)
    with pytest.raises(Refusal) as refused:
        await lab.client.runtime.ExecSync(pb.ExecSyncRequest(container_id=id_, cmd=["true"]))

    assert refused.value.facts["state"] == "CONTAINER_EXITED"


async def test_stats_move_and_the_rate_needs_two_readings(lab: Bench) -> None:
    id_ = await lab.client.run("httpd", "-f")
    request = pb.ContainerStatsRequest(container_id=id_)
    first = (await lab.client.runtime.ContainerStats(request)).stats
    await asyncio.sleep(1)
    second = (await lab.client.runtime.ContainerStats(request)).stats

    assert first.cpu.usage_nano_cores.value == 0
    assert second.cpu.usage_nano_cores.value > 0
    assert second.cpu.timestamp > first.cpu.timestamp
    assert second.cpu.usage_core_nano_seconds.value > first.cpu.usage_core_nano_seconds.value
    assert 0 < second.memory.working_set_bytes.value < second.memory.available_bytes.value


async def test_a_sandbox_uses_what_its_containers_use_and_more(lab: Bench) -> None:
    sandbox_id = await lab.client.run_sandbox()
    for name, port in (("a", "80"), ("b", "81")):
        await lab.client.run("httpd", "-f", "-p", port, sandbox_id=sandbox_id, name=name)
    answer = await lab.client.runtime.ListPodSandboxStats(pb.ListPodSandboxStatsRequest())

    (stats,) = answer.stats
    containers = sum(one.memory.working_set_bytes.value for one in stats.linux.containers)
    assert len(stats.linux.containers) == 2
    assert stats.linux.memory.working_set_bytes.value > containers
    assert stats.linux.process.process_count.value == 3
    assert stats.linux.network.default_interface.name == "eth0"


async def test_only_running_containers_have_stats(lab: Bench) -> None:
    sandbox_id = await lab.client.run_sandbox()
    id_ = await lab.client.create(sandbox_id, lab.client.container("true"))

    assert not (await lab.client.runtime.ListContainerStats(pb.ListContainerStatsRequest())).stats
    with pytest.raises(Refusal) as refused:
        await lab.client.runtime.ContainerStats(pb.ContainerStatsRequest(container_id=id_))
    assert refused.value.reason is Reason.NO_STATS
