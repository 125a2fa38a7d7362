"""This module is the background of a shell: processes that go on while it waits.

Everything happens in one process of simulated time: whenever the shell waits, what is due in the background is carried
out, and the wait is cut at the moments when something is.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace

from runtime_stub.shell.program import FOREVER, Step, Steps, Wait, relayed


@dataclass(slots=True)
class Job:
    """One process in the background."""

    pid: int
    steps: Steps
    due: float
    """When it goes on, in seconds of the shell's life."""
    status: int | None = None
    """Its exit code when it has ended."""


class Jobs:
    """The background, and the shell's own time."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.last_pid = 0
        self._jobs: list[Job] = []

    @property
    def running(self) -> list[Job]:
        """What has not ended."""
        return [one for one in self._jobs if one.status is None]

    def begin(self, steps: Steps, *, pid: int) -> None:
        """Put a process into the background."""
        self.last_pid = pid
        self._jobs.append(Job(pid, steps, self.elapsed))

    def find(self, pid: int) -> Job | None:
        """Return a job by its process id."""
        return next((one for one in reversed(self._jobs) if one.pid == pid), None)

    def kill(self, job: Job, signum: int) -> None:
        """End a job by a signal."""
        job.steps.close()
        job.status = 128 + signum

    def next_due(self) -> float:
        """Return how long it is until something happens in the background."""
        return max(0.0, min((one.due for one in self.running), default=FOREVER) - self.elapsed)

    def mixed(self, main: Steps) -> Steps:
        """Return the shell's process with its background woven in."""
        status = yield from relayed(main, self._meanwhile)
        yield from self._catch_up()
        return status

    def _meanwhile(self, step: Step) -> Generator[Step, bytes | None, bytes | None]:
        """Let the background go on while the shell waits."""
        if isinstance(step, Wait):
            yield from self._wait(step)
            return None
        return (yield step)

    def _wait(self, wait: Wait) -> Steps:
        yield from self._catch_up()
        until = self.elapsed + wait.seconds
        while True:
            pause = min(until - self.elapsed, self.next_due())
            if pause:
                yield replace(wait, seconds=pause)
            self.elapsed += pause
            yield from self._catch_up()
            if self.elapsed >= until:
                return 0

    def _catch_up(self) -> Steps:
        """Carry out what is due."""
        for job in self.running:
            while job.status is None and job.due <= self.elapsed:
                try:
                    step = next(job.steps)
                except StopIteration as end:
                    job.status = int(end.value or 0)
                    break
                if isinstance(step, Wait):
                    job.due = max(job.due, self.elapsed) + step.seconds
                else:
                    yield step
        return 0
