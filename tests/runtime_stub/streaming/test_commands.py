"""A command is run once, in time, by what is typed; the rest is between the shell and its terminal."""

import asyncio
from collections.abc import Sequence

import pytest

from runtime_stub.shell.entrypoint import exec_program
from runtime_stub.shell.program import Program, Stream
from runtime_stub.streaming.commands import Stdio, reads_stdin, run_command


class Watcher:
    """Runs a command and remembers what it writes and what it is made of."""

    def __init__(self, *, has_terminal: bool = False) -> None:
        self.stdio = Stdio(self.write, has_terminal=has_terminal)
        self.output = b""
        self.compiled: list[tuple[str, ...]] = []

    async def write(self, stream: Stream, data: bytes) -> None:
        """Take output."""
        self.output += data

    def compile(self, argv: Sequence[str]) -> Program:
        """Have the emulated shell compile a command line."""
        self.compiled.append(tuple(argv))
        return exec_program(argv, image_path="library/busybox")

    async def run(self, *argv: str, keys: bytes = b"", ended: bool = True) -> int:
        """Run a command for which something is typed."""
        await self.stdio.type(keys)
        if ended:
            self.stdio.stdin.end()
        return await run_command(argv, self.stdio, compile_=self.compile)


@pytest.mark.parametrize(
    ("argv", "reads"),
    [
        (["sh"], True),
        (["/bin/sh", "-i"], True),
        (["cat"], True),
        (["cat", "-"], True),
        (["sh", "-c", "cat"], False),
        (["sh", "script"], False),
        (["cat", "/etc/hosts"], False),
        (["sleep", "1"], False),
    ],
)
def test_shells_and_cat_do_what_their_input_says(argv: list[str], reads: bool) -> None:
    assert reads_stdin(argv) is reads


async def test_each_line_is_run_once_until_exit() -> None:
    watcher = Watcher()

    assert await watcher.run("sh", keys=b"echo a\n\nfalse\nexit 4\necho b\n", ended=False) == 4
    assert watcher.output == b"a\n"
    assert [line[2].strip() for line in watcher.compiled[1:]] == ["echo a", "false", "exit 4"]


async def test_a_shell_ends_with_the_status_of_its_last_command() -> None:
    assert await Watcher().run("sh", keys=b"true\nfalse") == 1


async def test_a_quotation_goes_on_in_the_next_line() -> None:
    watcher = Watcher(has_terminal=True)
    await watcher.run("sh", keys=b"echo 'a\rb'\r\x04")

    assert watcher.output.endswith(b"/ # > a\r\nb\r\n/ # ")


@pytest.mark.looptime
async def test_output_comes_when_it_is_due() -> None:
    watcher = Watcher()
    running = asyncio.create_task(watcher.run("sh", "-c", "echo a; sleep 10; echo b"))
    await asyncio.sleep(9.9)
    early = watcher.output
    await running

    assert (early, watcher.output) == (b"a\n", b"a\nb\n")
    assert asyncio.get_running_loop().time() == pytest.approx(10)


@pytest.mark.looptime
async def test_an_interrupt_ends_the_command_and_not_the_shell() -> None:
    watcher = Watcher(has_terminal=True)
    running = asyncio.create_task(watcher.run("sh", keys=b"sleep 1000\r", ended=False))
    await asyncio.sleep(5)
    await watcher.stdio.type(b"\x03")
    await asyncio.sleep(1)
    await watcher.stdio.type(b"echo on\rexit\r")
    await running

    assert b"^C\r\n/ # echo on\r\n" in watcher.output
    assert asyncio.get_running_loop().time() == pytest.approx(6)
