"""This module runs a command for somebody who watches: output when it is written, input when it is typed.

What a command does is the emulated shell's business; here its steps are given their time. Upstream:
internal/cri/server/container_exec.go.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from runtime_stub.pipe import Pipe
from runtime_stub.processes import MAX_UNREAD_BYTES, SIGNAL_EXIT_BASE
from runtime_stub.shell.conversation import INTERRUPTED
from runtime_stub.shell.program import Exit, Interrupted, OutOfMemory, Output, Read, Step, Steps, Stream, Wait
from runtime_stub.terminal import displayed
from runtime_stub.waking import rung

MAX_SLEEP_SECONDS = 1e9
"""Thirty years: for ever, as the event loop takes it."""

Write = Callable[[Stream, bytes], Awaitable[None]]


@dataclass(slots=True)
class Stdio:
    """The standard streams of a command, and its terminal if it has one."""

    write: Write
    """Takes output as the command writes it."""
    has_terminal: bool = False
    stdin: Pipe = field(default_factory=lambda: Pipe(limit_bytes=MAX_UNREAD_BYTES))
    interrupted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by ^C; whoever heeds it clears it."""

    async def print(self, stream: Stream, data: bytes) -> None:
        """Write output; a terminal shows both streams as one."""
        if self.has_terminal:
            await self.write("stdout", displayed(data))
        else:
            await self.write(stream, data)

    async def read(self, step: Read) -> bytes | None:
        """Return what was typed: nothing at the end, or after ^C; None when a bell has rung before."""
        reading = asyncio.ensure_future(self.stdin.read())
        await self._until_stirred(step, reading)
        if reading.done() and not reading.cancelled():
            return reading.result()
        return b"" if self.interrupted.is_set() else None

    async def wait(self, step: Wait) -> None:
        """Let time pass, until ^C or a bell at most."""
        await self._until_stirred(step, asyncio.ensure_future(asyncio.sleep(min(step.seconds, MAX_SLEEP_SECONDS))))

    async def _until_stirred(self, step: Wait | Read, work: "asyncio.Future[Any]") -> None:
        ends = [work, *(asyncio.ensure_future(one) for one in (self.interrupted.wait(), rung(step)))]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in ends:
                one.cancel()


async def run_command(steps: Steps, stdio: Stdio) -> int:
    """Run a command to its end and return its exit code. ^C reaches it where it waits or reads."""
    stdio.interrupted.clear()
    try:
        step = next(steps)
        while not isinstance(step, Exit | OutOfMemory):
            sent = await _carry_out(step, stdio)
            if stdio.interrupted.is_set():
                stdio.interrupted.clear()
                step = steps.throw(Interrupted())
            else:
                step = steps.send(sent)
        return step.code if isinstance(step, Exit) else SIGNAL_EXIT_BASE + signal.SIGKILL
    except StopIteration as end:
        return int(end.value or 0)
    except Interrupted:
        return INTERRUPTED
    finally:
        steps.close()


async def _carry_out(step: Step, stdio: Stdio) -> bytes | None:
    match step:
        case Output(stream, data):
            await stdio.print(stream, data)
        case Wait() as wait:
            await stdio.wait(wait)
        case Read() as read:
            return await stdio.read(read)
        case _:
            pass  # ports that it listens on are its container's
    return None
