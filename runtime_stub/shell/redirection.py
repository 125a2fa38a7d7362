"""This module is where the output of commands goes: through tables of descriptors to streams, files, or nowhere."""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from runtime_stub.shell.files import Files
from runtime_stub.shell.program import Output, Steps, Stream

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
    sent: bytes | None = None
    try:
        while True:
            try:
                step = steps.send(sent)
            except StopIteration as end:
                return int(end.value or 0)
            sent = None
            if not isinstance(step, Output):
                sent = yield step
                continue
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
    finally:
        steps.close()


def wording(error: OSError) -> str:
    """Return what a command says of a failure of the system."""
    return os.strerror(error.errno) if error.errno else str(error)


def complaint(*texts: object) -> Iterable[Output]:
    """Return a line on standard error, as commands write it."""
    return (Output("stderr", (": ".join(str(one) for one in texts) + "\n").encode()),)
