"""What comes of signals: handlers of shells, jobs that are killed, the container's first process."""

import asyncio

import pytest

from kubeletsim.pb import cri_pb2 as pb
from tests.runtime_stub.conftest import Bench

pytestmark = pytest.mark.looptime


async def ended(lab: Bench, script: str, *, grace_seconds: int = 30, after_seconds: float = 0.5) -> tuple[int, float]:
    """Run a script as a container, stop it, and return its exit code and how long stopping took."""
    id_ = await lab.client.run("sh", "-c", script)
    await asyncio.sleep(after_seconds)
    began = asyncio.get_running_loop().time()
    await lab.client.runtime.StopContainer(pb.StopContainerRequest(container_id=id_, timeout=grace_seconds))
    return (await lab.client.status(id_)).exit_code, asyncio.get_running_loop().time() - began


@pytest.mark.parametrize(
    ("script", "code", "least", "most"),
    [
        ("trap 'exit 5' TERM; while true; do sleep 1; done", 5, 0.3, 1.2),  # after the command that runs
        ("trap 'exit 5' TERM; sleep 1000 & wait", 5, 0, 0.3),  # at once
        ("trap 'exit 5' TERM; sleep 1000", 137, 30, 31),  # the command takes longer than the grace period
        ("trap '' TERM; while true; do sleep 1; done", 137, 30, 31),
        ("trap 'exit 5' TERM; trap - TERM; while true; do sleep 1; done", 137, 30, 31),
        ("trap 'exit 5' INT; sleep 1000 & wait", 137, 30, 31),
        ("trap 'echo x' TERM; sleep 3 & wait; exit 6", 6, 0, 0.3),
    ],
)
async def test_a_shell_deals_with_the_signals_that_it_traps(
    lab: Bench, script: str, code: int, least: float, most: float
) -> None:
    exit_code, seconds = await ended(lab, script)

    assert exit_code == code
    assert least <= seconds <= most


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("trap 'echo bye' EXIT; echo hi", "hi\nbye\n"),
        ("trap 'echo bye $?; exit 4' EXIT; exit 3", "bye 3\n"),
        ("trap 'echo outer' EXIT; (trap 'echo inner' EXIT; echo sub); echo end", "sub\ninner\nend\nouter\n"),
        ("trap 'echo got' USR1; kill -USR1 $$; echo on", "got\non\n"),
        ("trap 'echo got' USR1; kill -s USR1 $$; trap", "got\ntrap -- 'echo got' USR1\n"),
        ("trap 'echo a' TERM INT; trap '' HUP; trap INT; trap", "trap -- '' HUP\ntrap -- 'echo a' TERM\n"),
        ("(trap 'echo job; exit' TERM; sleep 100 & wait) & sleep 1; kill %1; wait; echo $?", "job\n0\n"),
        (
            "sleep 5 & sleep 6 & echo $(($! > $$)); sleep 1; kill %2; wait $!; echo $?; pgrep sleep | wc -l",
            "1\n143\n2\n",
        ),
        ("kill -0 $$ && echo alive; sleep 9 & kill -9 $!; kill -0 $! || echo gone", "alive\ngone\n"),
        ("httpd -p 80; kill $(pidof httpd); wget -q localhost || echo refused", "refused\n"),
    ],
)
async def test_scripts_send_and_catch_signals(lab: Bench, script: str, output: str) -> None:
    id_ = await lab.client.run("sleep", "10000")
    answer = await lab.client.runtime.ExecSync(pb.ExecSyncRequest(container_id=id_, cmd=["sh", "-c", script]))

    assert answer.stdout.decode() == output


async def test_a_shell_that_sends_itself_a_signal_it_does_not_catch_is_gone(lab: Bench) -> None:
    id_ = await lab.client.run("sleep", "10000")
    request = pb.ExecSyncRequest(container_id=id_, cmd=["sh", "-c", "kill $$; echo never"])
    answer = await lab.client.runtime.ExecSync(request)

    assert (answer.stdout, answer.exit_code) == (b"", 143)


@pytest.mark.parametrize(
    ("first", "signal", "state"),
    [
        (["sleep", "10000"], "TERM", pb.CONTAINER_RUNNING),
        (["sleep", "10000"], "KILL", pb.CONTAINER_RUNNING),
        (["nc", "-l", "-p", "80"], "TERM", pb.CONTAINER_EXITED),
        (["sh", "-c", "trap 'exit 7' USR1; sleep 100 & wait"], "USR1", pb.CONTAINER_EXITED),
    ],
)
async def test_a_containers_first_process_is_protected_from_its_own(
    lab: Bench, first: list[str], signal: str, state: int
) -> None:
    id_ = await lab.client.run(*first)
    await lab.client.runtime.ExecSync(pb.ExecSyncRequest(container_id=id_, cmd=["sh", "-c", f"kill -{signal} 1"]))
    await asyncio.sleep(1)

    assert (await lab.client.status(id_)).state == state
