"""This module is the program: what a process is going to do, as a list of steps that somebody else executes.

Everything a process of the emulated set does is known when it starts, so a program has no branches. It ends with an
`Exit`, or with a `Wait` that only a signal ends.
"""

import math
from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True, slots=True)
class Exit:
    """End with an exit code."""

    code: int


Step = Output | Wait | Exit
Program = tuple[Step, ...]

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
