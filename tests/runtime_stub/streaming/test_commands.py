"""A command's steps take their time, its input is what is typed, and ^C reaches it where it is."""

import asyncio

import pytest

from runtime_stub.shell.commands import find_command
from runtime_stub.shell.context import Call, Console
from runtime_stub.shell.program import Stream
from runtime_stub.streaming.commands import Stdio, run_command
from runtime_stub.streaming.keyboard import Keyboard
from tests.runtime_stub.shell.test_interpreter import context


class Watcher:
    """Runs a command and remembers what it writes."""

    def __init__(self, *argv: str, has_terminal: bool = False) -> None:
        self.output = b""
        self.stdio = Stdio(self.write, has_terminal=has_terminal)
        self.keyboard = Keyboard(
            self.stdio.stdin, echo=self.echo, interrupt=self.stdio.interrupted.set, has_terminal=has_terminal
        )
        around = context()
        call = Call(list(argv), around, Console(is_terminal=has_terminal), around.environment, "/", around.begin(argv))
        self._steps = find_command(call, shell="sh")

    async def write(self, stream: Stream, data: bytes) -> None:
        """Take output."""
        self.output += data

    async def echo(self, data: bytes) -> None:
        """Take what a terminal shows of what is typed."""
        self.output += data

    async def run(self, keys: bytes = b"", *, ended: bool = True) -> int:
        """Run the command, for which something is typed."""
        await self.keyboard.type(keys)
        if ended:
            self.stdio.stdin.end()
        return await run_command(self._steps, self.stdio)


async def test_a_shell_is_one_shell_from_line_to_line_until_exit() -> None:
    watcher = Watcher("sh")

    assert await watcher.run(b"x=a\necho $x\n\nfalse\nexit 4\necho b\n", ended=False) == 4
    assert watcher.output == b"a\n"


async def test_a_terminal_shows_prompts_and_goes_back_to_the_beginning_of_each_line() -> None:
    watcher = Watcher("sh", has_terminal=True)
    await watcher.run(b"echo 'a\rb'\r\x04")

    assert watcher.output.endswith(b"/ $ > a\r\nb\r\n/ $ ")


@pytest.mark.parametrize("argv", [["sh", "-c", "cat; echo end"], ["sh", "-c", "wc -c | sed s/6/10/; echo end"]])
async def test_scripts_read_what_is_typed(argv: list[str]) -> None:
    watcher = Watcher(*argv)

    assert await watcher.run(b"typed\n") == 0
    assert watcher.output in (b"typed\nend\n", b"10\nend\n")


@pytest.mark.looptime
async def test_output_comes_when_it_is_due() -> None:
    watcher = Watcher("sh", "-c", "echo a; sleep 10; echo b")
    running = asyncio.create_task(watcher.run())
    await asyncio.sleep(9.9)
    early = watcher.output
    await running

    assert (early, watcher.output) == (b"a\n", b"a\nb\n")
    assert asyncio.get_running_loop().time() == pytest.approx(10)


@pytest.mark.looptime
async def test_an_interrupt_ends_the_command_and_not_the_shell() -> None:
    watcher = Watcher("sh", has_terminal=True)
    running = asyncio.create_task(watcher.run(b"sleep 1000\r", ended=False))
    await asyncio.sleep(5)
    await watcher.keyboard.type(b"\x03")
    await asyncio.sleep(1)
    await watcher.keyboard.type(b"echo on $?\rexit\r")
    await running

    assert b"^C\r\n/ $ echo on $?\r\nexit\r\non 130\r\n" in watcher.output
    assert asyncio.get_running_loop().time() == pytest.approx(6)


@pytest.mark.looptime
@pytest.mark.parametrize("argv", [["sleep", "1000"], ["cat"], ["sh", "-c", "sleep 1000; echo no"]])
async def test_an_interrupt_ends_any_other_command(argv: list[str]) -> None:
    watcher = Watcher(*argv, has_terminal=True)
    running = asyncio.create_task(watcher.run(ended=False))
    await asyncio.sleep(5)
    await watcher.keyboard.type(b"\x03")

    assert await running == 130
    assert watcher.output == b"^C\r\n"


@pytest.mark.looptime
async def test_what_is_typed_early_waits_for_the_command_that_reads_it() -> None:
    watcher = Watcher("sh", "-c", "sleep 10; cat")
    assert await watcher.run(b"early\n") == 0

    assert watcher.output == b"early\n"
