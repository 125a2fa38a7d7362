"""This module is where the output of commands goes: through tables of descriptors to streams, files, or nowhere."""

import os
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field

from runtime_stub.shell.context import Input, absolute
from runtime_stub.shell.expansion import Variables, expand_one
from runtime_stub.shell.files import Files
from runtime_stub.shell.program import Output, Step, Steps, Stream, relayed
from runtime_stub.shell.syntax import Redirection

STREAMS: dict[int, Stream] = {1: "stdout", 2: "stderr"}


@dataclass(slots=True)
class Sink:
    """A file that is written to."""

    path: str
    files: Files

    def write(self, data: bytes) -> None:
        """Append data."""
        self.files.write(self.path, data, append=True)


Destination = Stream | Sink | None
"""A stream of the caller's, a file, or nothing."""


@dataclass(slots=True)
class Table:
    """What the output descriptors of a command lead to."""

    ends: dict[int, Destination] = field(default_factory=lambda: dict(STREAMS))

    @property
    def is_plain(self) -> bool:
        """Whether nothing is redirected."""
        return self.ends == STREAMS


def redirected(steps: Steps, table: Table) -> Steps:
    """Return a process whose output goes where a table says."""
    if table.is_plain:
        return (yield from steps)
    numbers = {stream: number for number, stream in STREAMS.items()}

    def directed(step: Step) -> Generator[Step, bytes | None, bytes | None]:
        if not isinstance(step, Output):
            return (yield step)
        match table.ends.get(numbers[step.stream]):
            case None:
                pass
            case Sink() as sink:
                try:
                    sink.write(step.data)
                except OSError as error:
                    yield Output("stderr", f"sh: write error: {wording(error)}\n".encode())
            case stream:
                yield Output(stream, step.data)
        return None

    return (yield from relayed(steps, directed))


def wording(error: OSError) -> str:
    """Return what a command says of a failure of the system."""
    return os.strerror(error.errno) if error.errno else str(error)


def complaint(*texts: object) -> Iterable[Output]:
    """Return a line on standard error, as commands write it."""
    return (Output("stderr", (": ".join(str(one) for one in texts) + "\n").encode()),)


def redirect(
    redirections: Sequence[Redirection],
    table: Table,
    stdin: Input,
    *,
    variables: Variables,
    directory: str,
    files: Files,
) -> Generator[Step, bytes | None, Input]:
    """Carry out redirections from left to right: fill the table of outputs, and return where input comes from.

    Raises:
        OSError: a file cannot be opened.
    """
    for one in redirections:
        text = yield from expand_one(one.target, variables)
        match one.operator:
            case "<<":
                stdin = Input(text.encode(errors="surrogateescape"))
            case "<":
                stdin = Input(files.read(absolute(text, directory)))
            case ">&" | "<&" if text == "-":
                table.ends[one.descriptor] = None
            case ">&" if text.isdecimal():
                table.ends[one.descriptor] = table.ends.get(int(text), STREAMS.get(int(text)))
            case ">" | ">>" | ">|" | ">&" | "<>":
                path = absolute(text, directory)
                files.write(path, b"", append=one.operator == ">>")
                table.ends[one.descriptor] = Sink(path, files)
    return stdin
