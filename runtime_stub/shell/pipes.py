"""This module is how a shell takes part in its commands: pipes between them, and deafness while it waits."""

from collections.abc import Generator
from dataclasses import replace

from runtime_stub.shell.context import Input
from runtime_stub.shell.program import Output, Step, Steps, Stream, Wait, relayed


class PipeInput(Input):
    """Standard input that a command on the left writes."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self._steps: Steps | None = steps

    def chunk(self) -> Steps:
        """Let the left side run until it has written something."""
        sent: bytes | None = None
        while self._steps is not None:
            try:
                step = self._steps.send(sent)
            except StopIteration:
                self._steps = None
                break
            sent = None
            if isinstance(step, Output) and step.stream == "stdout":
                self._rest += step.data
                return 1
            sent = yield step
        return 0

    def finish(self) -> Steps:
        """Let the left side run until it writes into the broken pipe, or ends."""
        yield from self.chunk()
        self.close()
        return 0

    def close(self) -> None:
        """End the left side."""
        if self._steps is not None:
            self._steps.close()
            self._steps = None


def captured(steps: Steps, stream: Stream = "stdout") -> Generator[Step, bytes | None, tuple[int, bytes]]:
    """Return a process that keeps what another writes to a stream; it yields the exit code and that output."""
    pieces: list[bytes] = []

    def keep(step: Step) -> Generator[Step, bytes | None, bytes | None]:
        if isinstance(step, Output) and step.stream == stream:
            pieces.append(step.data)
            return None
        return (yield step)

    status = yield from relayed(steps, keep)
    return status, b"".join(pieces)


def as_child(steps: Steps) -> Steps:
    """Return the process of a command that the shell waits for: the shell, which is PID 1, ignores signals."""

    def deaf(step: Step) -> Generator[Step, bytes | None, bytes | None]:
        return (yield replace(step, heeds_signals=False) if isinstance(step, Wait) else step)

    return relayed(steps, deaf)
