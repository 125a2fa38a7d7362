"""This module is the program: what a process is going to do, as a list of steps that somebody else executes.

What a simple command does is known when it starts: a `Program` has no branches and ends with an `Exit`, or with a
`Wait` that only a signal ends. What a script does shows as it goes along: `Steps`.
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

from runtime_stub.behaviour.service import Service
from runtime_stub.shell.bell import Bell

Stream = Literal["stdout", "stderr"]


@dataclass(frozen=True, slots=True)
class Output:
    """Write to a stream, at once."""

    stream: Stream
    data: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """Let time pass; `math.inf` waits for a signal."""

    seconds: float
    heeds_signals: bool = False
    """Whether a signal other than SIGKILL ends the process here. PID 1 without a handler ignores all others."""
    bell: Bell | None = None
    """What cuts the wait short."""
    rings: int = 0
    """How often the bell had rung when there was nothing yet."""

    @property
    def is_over(self) -> bool:
        """Whether it has been cut short."""
        return self.bell is not None and self.bell.rings != self.rings


@dataclass(frozen=True, slots=True)
class Exit:
    """End with an exit code."""

    code: int


@dataclass(frozen=True, slots=True)
class Read:
    """Wait for standard input; the process is sent what came, nothing at the end, None when the bell has rung."""

    bell: Bell | None = None
    rings: int = 0

    @property
    def is_over(self) -> bool:
        """Whether it has been cut short."""
        return self.bell is not None and self.bell.rings != self.rings


@dataclass(frozen=True, slots=True)
class Listen:
    """Answer on a port of the pod from now on, until the process ends; differently, if it did before."""

    service: Service


@dataclass(frozen=True, slots=True)
class Hush:
    """Answer on a port of the pod no longer."""

    port: int


@dataclass(frozen=True, slots=True)
class OutOfMemory:
    """End because the memory limit is exceeded."""


@dataclass(frozen=True, slots=True)
class Live:
    """Carry out the command line in the shell's emulation, which shows what it does only as it goes along."""


Step = Output | Wait | Read | Listen | Hush | OutOfMemory | Live | Exit
Program = tuple[Step, ...]
Steps = Generator[Step, bytes | None, int]
"""A process as it goes along: it yields its steps, is sent what it reads, and returns its exit code."""


LIVE: Program = (Live(),)
"""The program of what only the emulated shell can tell."""


def news(bell: Bell, seconds: float = math.inf, *, heeds_signals: bool = True) -> Wait:
    """Return the wait for a bell's next ring, or for some time."""
    return Wait(seconds, heeds_signals=heeds_signals, bell=bell, rings=bell.rings)


class Interrupted(Exception):  # a signal, not an error
    """Thrown into a process where it waits, when somebody types ^C at its terminal; who does not care ends by it."""


def relayed(steps: Steps, answer: Callable[[Step], Generator[Step, bytes | None, bytes | None]]) -> Steps:
    """Return a process that takes part in another: each step of the other becomes what `answer` yields for it.

    Args:
        steps: the other; it is closed in the end, and interrupted when this process is.
        answer: returns what the other is sent for its step.
    """
    try:
        step = next(steps)
        while True:
            try:
                sent = yield from answer(step)
            except Interrupted as interrupt:
                step = steps.throw(interrupt)
            else:
                step = steps.send(sent)
    except StopIteration as end:
        return int(end.value or 0)
    finally:
        steps.close()


def steps_of(program: Program) -> Steps:
    """Return a process that carries out a program."""
    for step in program:
        if isinstance(step, Exit):
            return step.code
        yield step
    return 0


FOREVER = math.inf


def duration_seconds(program: Program) -> float:
    """Return how long a program runs if nobody interferes."""
    return sum(step.seconds for step in program if isinstance(step, Wait))


def written(program: Program, stream: Stream) -> bytes:
    """Return everything a program, or a part of one, writes to a stream."""
    return b"".join(step.data for step in program if isinstance(step, Output) and step.stream == stream)


def exit_code(program: Program) -> int:
    """Return the code a program ends with; 0 for one that never ends by itself."""
    return next((step.code for step in program if isinstance(step, Exit)), 0)
