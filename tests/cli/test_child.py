"""A program in a process of its own: waited for, asked to stop, and quoted when it fails."""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from kubeletsim.cli import child as child_module
from kubeletsim.cli.child import Child, answers, child
from kubeletsim.model.errors import StartupError


@contextlib.asynccontextmanager
async def program(directory: Path, source: str, **environ: str) -> AsyncIterator[Child]:
    """Run a few lines of Python as a module, which is how our programs are run."""
    (directory / "a_program.py").write_text(source)
    log = directory / "program.log"
    environ = {"PYTHONPATH": str(directory), "PYTHONUNBUFFERED": "1", **environ}
    async with child("program", "a_program", log=log, environ=environ) as started:
        yield started


async def printed(started: Child, text: str) -> None:
    async def says_so() -> bool:
        return text in started.log.read_text()

    await started.until(says_so, what=f"{text} is printed")


async def never() -> bool:
    return False


async def test_a_program_gets_the_environment_and_its_output_is_kept(tmp_path: Path) -> None:
    source = "import os, sys; print(os.environ['GREETING']); print('error', file=sys.stderr); input()"
    async with program(tmp_path, source, GREETING="hello") as started:
        await printed(started, "hello")
        assert await started.process.wait() == 1, "its stdin is empty"
    assert "error" in started.log.read_text()


async def test_a_program_is_asked_to_stop_when_the_block_ends(tmp_path: Path) -> None:
    source = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(7))\nprint('up')\ntime.sleep(60)"
    async with program(tmp_path, source) as started:
        await printed(started, "up")
    assert started.process.returncode == 7


async def test_a_program_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "STOP_SECONDS", 0.2)
    source = "import signal, time\nsignal.signal(15, signal.SIG_IGN)\nprint('up')\ntime.sleep(60)"
    async with program(tmp_path, source) as started:
        await printed(started, "up")
    assert started.process.returncode == -9


async def test_a_program_stops_with_a_block_that_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        async with program(tmp_path, "import time; time.sleep(60)") as started:
            raise ZeroDivisionError
    assert not psutil.pid_exists(started.process.pid)


async def test_ctrl_c_in_the_terminal_does_not_reach_a_program(tmp_path: Path) -> None:
    async with program(tmp_path, "import os; print('group', os.getpgid(0) == os.getpid())") as started:
        await started.process.wait()
    assert started.log.read_text() == "group True\n"


async def test_a_program_that_ends_too_early_is_quoted(tmp_path: Path) -> None:
    source = "import sys\nfor number in range(100): print('line', number)\nsys.exit(3)"
    async with program(tmp_path, source) as started:
        with pytest.raises(StartupError) as failed:
            await started.until(never, what="something")
    lines = str(failed.value).splitlines()
    assert lines[0] == "program ended with 3"
    assert lines[1:] == [f"  line {number}" for number in range(85, 100)]


async def test_a_program_that_dawdles_is_named_with_what_it_did_not_do(tmp_path: Path) -> None:
    async with program(tmp_path, "import time; time.sleep(60)") as started:
        with pytest.raises(StartupError, match=r"^program: not within 0.1 s: a port$"):
            await started.until(never, what="a port", seconds=0.1)


async def test_a_listener_answers_and_nobody_does_not() -> None:
    with tempfile.TemporaryDirectory(prefix="ks-") as directory:
        path = Path(directory) / "a.sock"
        assert not await answers(path)
        async with await asyncio.start_unix_server(lambda _, writer: writer.close(), path):
            assert await answers(path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        assert await answers(address)
    assert not await answers(address)
