"""This module is how a shell takes part in its commands: pipes between them, and deafness while it waits."""

from dataclasses import replace

from runtime_stub.shell.context import Input
from runtime_stub.shell.program import Output, Steps, Wait


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


def as_child(steps: Steps) -> Steps:
    """Return the process of a command that the shell waits for: the shell, which is PID 1, ignores signals."""
    sent: bytes | None = None
    try:
        while True:
            try:
                step = steps.send(sent)
            except StopIteration as end:
                return int(end.value or 0)
            if isinstance(step, Wait):
                step = replace(step, heeds_signals=False)
            sent = yield step
    finally:
        steps.close()
