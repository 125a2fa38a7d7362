"""This module runs a command for somebody who watches: output when it is written, input when it is typed.

What a command does is the emulated shell's business; it says so in programs, which are decided before they run. Two
kinds of commands depend on their input and are therefore run here: a shell without a script takes one line after the
other, `cat` gives back what it gets. All others leave their input unread.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from runtime_stub.shell.applets import SHELLS
from runtime_stub.shell.program import FOREVER, Exit, Output, Program, Stream, Wait, exit_code
from runtime_stub.shell.words import UnfinishedScript, split_script
from runtime_stub.streaming.pipe import Pipe, until_either
from runtime_stub.streaming.terminal import LineDiscipline, displayed

INTERRUPTED = 130
"""Exit code of what ^C ends: 128 + SIGINT."""
MAX_SCRIPT_BYTES = 1024 * 1024

Compile = Callable[[Sequence[str]], Program]
"""From a command line to its program."""
Write = Callable[[Stream, bytes], Awaitable[None]]

_PROMPT, _MORE_PROMPT = b"/ # ", b"> "


@dataclass(slots=True)
class Stdio:
    """The standard streams of a command, and its terminal if it has one."""

    write: Write
    """Takes output as the command writes it."""
    has_terminal: bool = False
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by ^C, for the command that runs at that moment."""
    stdin: Pipe = field(default_factory=Pipe)
    _discipline: LineDiscipline = field(default_factory=LineDiscipline)

    async def type(self, keys: bytes) -> None:
        """Take what a client sends: keystrokes for a terminal, or just bytes."""
        if not self.has_terminal:
            await self.stdin.put(keys)
            return
        typed = self._discipline.type(keys)
        if typed.echo:
            await self.write("stdout", typed.echo)
        if typed.interrupted:
            self.interrupted.set()
        await self.stdin.put(typed.lines)
        if typed.ended:
            self.stdin.end()

    async def print(self, stream: Stream, data: bytes) -> None:
        """Write output; a terminal shows both streams as one."""
        if self.has_terminal:
            await self.write("stdout", displayed(data))
        else:
            await self.write(stream, data)


def reads_stdin(argv: Sequence[str]) -> bool:
    """Tell whether a command does what its input says."""
    name, operands = argv[0].rpartition("/")[2], [one for one in argv[1:] if one != "-"]
    if name in SHELLS:
        return all(one.startswith("-") and "c" not in one for one in operands)
    return name == "cat" and not operands


async def run_command(argv: Sequence[str], stdio: Stdio, *, compile_: Compile) -> int:
    """Run a command to its end and return its exit code.

    Raises:
        NotExecutable: it cannot exist where it is run.
    """
    program = compile_(argv)
    if not reads_stdin(argv):
        code = await until_either(_play(program, stdio), leave_unread(stdio.stdin), name="command")
        return INTERRUPTED if code is None else code
    if argv[0].rpartition("/")[2] in SHELLS:
        return await _Shell(argv[0], stdio, compile_).run()
    return await _cat(stdio)


class _Shell:
    """A shell that takes its script from its input, line by line."""

    def __init__(self, name: str, stdio: Stdio, compile_: Compile) -> None:
        self._name = name
        self._stdio = stdio
        self._compile = compile_
        self._unread = b""
        self._ended = False

    async def run(self) -> int:
        status, script = 0, ""
        while True:
            await self._prompt(_MORE_PROMPT if script else _PROMPT)
            line = await self._line()
            if line is None:
                status, script = INTERRUPTED, ""
                continue
            if not line:
                return status
            script += line.decode("utf-8", "replace")
            if _is_unfinished(script) and len(script) < MAX_SCRIPT_BYTES and not self._ended:
                continue
            if script.strip():
                program = self._compile((self._name, "-c", script))
                status = await _play(program, self._stdio)
                if _ends_shell(script):
                    return status
            script = ""

    async def _prompt(self, prompt: bytes) -> None:
        if self._stdio.has_terminal:
            await self._stdio.print("stdout", prompt)

    async def _line(self) -> bytes | None:
        """Return the next line; an empty one at the end, None after ^C."""
        while b"\n" not in self._unread and not self._ended:
            self._stdio.interrupted.clear()
            some = await until_either(self._stdio.stdin.read(), self._stdio.interrupted.wait(), name="shell")
            if some is None:
                self._unread = b""
                return None
            self._ended = not some
            self._unread += some
            if len(self._unread) > MAX_SCRIPT_BYTES:
                break
        line, newline, self._unread = self._unread.partition(b"\n")
        return line + newline


async def _cat(stdio: Stdio) -> int:
    while data := await stdio.stdin.read():
        await stdio.print("stdout", data)
    return 0


async def _play(program: Program, stdio: Stdio) -> int:
    """Carry out a program in time; ^C ends it while it waits."""
    stdio.interrupted.clear()
    for step in program:
        match step:
            case Output(stream, data):
                await stdio.print(stream, data)
            case Wait(seconds):
                if await _is_interrupted(stdio, seconds):
                    return INTERRUPTED
            case Exit():
                break
    return exit_code(program)


async def _is_interrupted(stdio: Stdio, seconds: float) -> bool:
    """Let time pass; tell whether ^C cut it short."""
    with suppress(TimeoutError):
        async with asyncio.timeout(None if seconds == FOREVER else seconds):
            await stdio.interrupted.wait()
    return stdio.interrupted.is_set()


async def leave_unread(stdin: Pipe) -> None:
    """Throw input away for ever, so that it does not hold up the connection it comes from."""
    while await stdin.read():
        pass
    await asyncio.Event().wait()


def _ends_shell(script: str) -> bool:
    """Tell whether the shell does not outlive a script; each is run once, so this is judged by its last statement."""
    try:
        *_, last = split_script(script)
    except (UnfinishedScript, ValueError):
        return False
    return last.words[0] in ("exit", "exec") and last.joint in ("", ";")


def _is_unfinished(script: str) -> bool:
    try:
        split_script(script)
    except UnfinishedScript:
        return True
    return False
