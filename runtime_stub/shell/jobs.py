"""This module is the background of a shell: processes that go on while it waits.

Everything happens in one process of simulated time: whenever the shell waits, what is due in the background is carried
out, and the wait is cut at the moments when something is.
"""

import signal
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any

from runtime_stub.shell.program import FOREVER, Step, Steps, Wait, relayed


@dataclass(slots=True)
class Job:
    """One process in the background."""

    pid: int
    steps: Steps
    due: float
    """When it goes on, in seconds of the shell's life."""
    end: Callable[[], None]
    status: int | None = None
    """Its exit code when it has ended."""
    wait: Wait | None = None
    """What it waits for until then."""

    @property
    def is_rung(self) -> bool:
        """Whether the bell that it waits for has rung."""
        return self.wait is not None and self.wait.is_over


class Jobs:
    """The background, and the shell's own time.

    Args:
        now: seconds, to see how long a wait was that a bell cut short.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.elapsed = 0.0
        self.last_pid = 0
        self._jobs: list[Job] = []

    @property
    def running(self) -> list[Job]:
        """What has not ended."""
        return [one for one in self._jobs if one.status is None]

    def begin(self, steps: Steps, *, pid: int, end: Callable[[], None]) -> None:
        """Put a process into the background; `end` is called when it has ended, however it does."""
        self.last_pid = pid
        self._jobs.append(Job(pid, steps, self.elapsed, end))

    def find(self, pid: int) -> Job | None:
        """Return a job by its process id."""
        return next((one for one in reversed(self._jobs) if one.pid == pid), None)

    def named(self, word: str) -> Job | None:
        """Return a job by its process id, or by its number as `%1`."""
        if word.startswith("%") and word[1:].isdecimal():
            return self._jobs[int(word[1:]) - 1] if 0 < int(word[1:]) <= len(self._jobs) else None
        return self.find(int(word)) if word.isdecimal() else None

    def close(self) -> None:
        """End everything in the background."""
        for job in self.running:
            self.kill(job, signal.SIGKILL)

    def kill(self, job: Job, signum: int) -> None:
        """End a job by a signal."""
        job.status = 128 + signum
        job.steps.close()
        job.end()

    def next_due(self) -> float:
        """Return how long it is until something happens in the background."""
        if any(one.is_rung for one in self.running):
            return 0.0
        return max(0.0, min((one.due for one in self.running), default=FOREVER) - self.elapsed)

    def mixed(self, main: Steps) -> Steps:
        """Return the shell's process with its background woven in."""
        try:
            status = yield from relayed(main, self._meanwhile)
            yield from self._catch_up()
        finally:
            self.close()
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
        while not wait.is_over:
            pause = min(until - self.elapsed, self.next_due())
            if pause:
                step = replace(wait, seconds=pause, **self._bell(wait))
                began = self._now()
                yield step
                self.elapsed += min(pause, max(0.0, self._now() - began)) if step.is_over else pause
            yield from self._catch_up()
            if self.elapsed >= until:
                return 0
        return 0

    def _bell(self, wait: Wait) -> dict[str, Any]:
        """Return what cuts short a wait of everybody: the container's bell, if one of them waits for it."""
        found = next((one for one in (wait, *(job.wait for job in self.running)) if one and one.bell), wait)
        return {"bell": found.bell, "rings": found.rings}

    def _catch_up(self) -> Steps:
        """Carry out what is due."""
        for job in self.running:
            while job.status is None and (job.due <= self.elapsed or job.is_rung):
                job.wait = None
                try:
                    step = next(job.steps)
                except StopIteration as end:
                    job.status = int(end.value or 0)
                    job.end()
                    break
                if isinstance(step, Wait):
                    job.wait, job.due = step, self.elapsed + step.seconds
                else:
                    yield step
        return 0
