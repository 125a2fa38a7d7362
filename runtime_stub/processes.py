"""This module is the running of programs: it carries out their steps when their time comes, and delivers signals.

A process is a timer at most, never a task, so ten thousand sleepers cost ten thousand small objects. Every step's time
is counted from the process's start on the wall clock, so a program that is resumed after a restart of the stub goes on
where it would be by now: steps whose time has passed are carried out at once, with the time they should have had.

A program that has more to do than the machine has time for falls behind. Those behind take turns, with a rest after
each, so that calls are answered all the same.

A runtime hears of an end a little later than it comes: the shim reaps the process, deletes the task, and only then is
the container no longer running. Until then whoever asks is told that it runs.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from kubeletsim.base.timing import Clock
from runtime_stub.behaviour.service import Service
from runtime_stub.pipe import Pipe
from runtime_stub.shell.bell import Bell
from runtime_stub.shell.program import (
    FOREVER,
    Exit,
    Hush,
    Interrupted,
    Listen,
    OutOfMemory,
    Output,
    Program,
    Read,
    Step,
    Steps,
    Stream,
    Wait,
    steps_of,
)

log = logging.getLogger(__name__)

SIGNAL_EXIT_BASE = 128
"""A process ended by signal n has the exit code 128 + n."""

BROKEN_EXIT_CODE = 70
"""Of a process whose emulation failed (sysexits' EX_SOFTWARE)."""

MAX_UNREAD_BYTES = 16 * 1024 * 1024
"""Input that waits for its reader; with more, the client's connection has to wait."""

TURN_SECONDS = 0.005
"""So long a process may go on without a rest, or a little longer: until its next wait."""
REST_SECONDS = 0.005
"""So long nothing that is behind goes on after a turn."""

_MAX_TIMER_SECONDS = 86_400.0
"""A timer is set no further ahead than this; the event loop's own waits are capped, too."""


class ProcessObserver(Protocol):
    """Who learns what processes do. Times are Unix nanoseconds."""

    def process_wrote(self, id_: str, stream: Stream, data: bytes, *, at: int) -> None:
        """Take output."""

    def process_recalled(self, id_: str, stream: Stream, data: bytes) -> None:
        """Take output that was written before the stub was restarted."""

    def process_listens(self, id_: str, service: Service) -> None:
        """Note that a process answers on a port of its pod, and how."""

    def process_hushed(self, id_: str, port: int) -> None:
        """Note that a process answers on a port no longer."""

    def process_catches(self, id_: str, signum: int) -> bool:
        """Hand a process a signal; tell whether it deals with it itself."""

    def process_ran_out_of_memory(self, id_: str, *, at: int) -> None:
        """Note why a process is about to end."""

    def process_progressed(self, id_: str, *, steps_done: int) -> None:
        """Note that outputs up to this step are behind the process; not called for steps that only wait."""

    def process_exited(self, id_: str, *, at: int, exit_code: int) -> None:
        """Note the end of a process. It is told once."""


def _nothing() -> None:
    pass


@dataclass(slots=True)
class _Process:
    steps: Steps
    due: int
    """When the current step begins, in Unix nanoseconds."""
    step: int = 0
    """How many steps are behind it."""
    current: Step | None = None
    """The step it is at; None before it is known."""
    stdin: Pipe | None = None
    """What is typed for it; None when it is at the end from the start."""
    read: bytes | None = None
    """What the last step has read."""
    timer: asyncio.TimerHandle | None = None
    stop_listening: Callable[[], None] = _nothing
    """Ends its wait for a bell."""
    dying: bool = False
    exited: list[asyncio.Future[None]] = field(default_factory=list)


class Processes:
    """Every process that runs.

    Args:
        clock: its wall clock decides when steps are due.
        observer: learns what processes do.
        notice_seconds: draws how long it takes to notice an end; at once by default.
    """

    def __init__(
        self, clock: Clock, observer: ProcessObserver, *, notice_seconds: Callable[[str], float] = lambda _id: 0.0
    ) -> None:
        self._clock = clock
        self._observer = observer
        self._notice_seconds = notice_seconds
        self._processes: dict[str, _Process] = {}
        self._behind: dict[str, _Process] = {}
        """Those that wait for a turn, the longest waiting first."""
        self._next_turn: asyncio.TimerHandle | None = None

    def __contains__(self, id_: str) -> bool:
        return id_ in self._processes

    def run(
        self, id_: str, program: Program | Steps, *, started_at: int, steps_done: int = 0, has_stdin: bool = False
    ) -> None:
        """Begin a program, or go on with one that began at `started_at` and has some steps behind it.

        What a resumed program wrote before is recalled to the observer, not written again.
        """
        process = _Process(steps_of(program) if isinstance(program, tuple) else program, started_at)
        if has_stdin:
            process.stdin = Pipe(partial(self._input_came, id_, process), limit_bytes=MAX_UNREAD_BYTES)
        self._processes[id_] = process
        while process.step < steps_done:
            match self._pull(id_, process):
                case Output(stream, data):
                    self._observer.process_recalled(id_, stream, data)
                case Wait(bell=Bell()):
                    process.due = int(self._clock.now() * 1e9)
                    break  # connections are gone: from here on it goes along anew
                case Wait(seconds):
                    process.due += int(seconds * 1e9)
                case Listen(service):
                    self._observer.process_listens(id_, service)
                case Hush(port):
                    self._observer.process_hushed(id_, port)
                case Exit():
                    break
            process.step += 1
            process.current = None
        self._advance(id_, process)

    def signal(self, id_: str, signum: int, *, is_init: bool = True) -> None:
        """Send a signal; when it is fatal the process ends now. The init of a PID namespace ignores what it can."""
        process = self._processes.get(id_)
        if process is None or process.dying or self._observer.process_catches(id_, signum):
            return
        if not self._is_fatal(process, signum, is_init=is_init):
            return
        if process.timer:
            process.timer.cancel()
        self._end_soon(id_, process, SIGNAL_EXIT_BASE + signum, at=int(self._clock.now() * 1e9))

    def stdin(self, id_: str) -> Pipe | None:
        """Return the way into a process's standard input, if it has one."""
        process = self._processes.get(id_)
        return process.stdin if process is not None else None

    def interrupt(self, id_: str) -> None:
        """Throw an interrupt into a process where it waits or reads; one that does not care ends."""
        process = self._processes.get(id_)
        if process is None or process.dying:
            return
        if process.timer:
            process.timer.cancel()
        process.due = int(self._clock.now() * 1e9)
        try:
            process.current = process.steps.throw(Interrupted())
        except StopIteration as end:
            process.current = Exit(int(end.value or 0))
        except Interrupted:
            process.current = Exit(SIGNAL_EXIT_BASE + signal.SIGINT)
        self._advance(id_, process)

    async def exited(self, id_: str, *, timeout_seconds: float | None = None) -> bool:
        """Wait until a process has ended, at most so long; tell whether it has. An unknown one has."""
        process = self._processes.get(id_)
        if process is None:
            return True
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        process.exited.append(waiter)
        try:
            async with asyncio.timeout(timeout_seconds):
                await waiter
        except TimeoutError:
            return False
        finally:
            process.exited.remove(waiter)
        return True

    def close(self) -> None:
        """Let go of every process without ending it: what they do is not observed any more."""
        for process in self._processes.values():
            if process.timer:
                process.timer.cancel()
            process.steps.close()
        self._processes.clear()
        self._behind.clear()
        if self._next_turn:
            self._next_turn.cancel()

    def _is_fatal(self, process: _Process, signum: int, *, is_init: bool) -> bool:
        if signum == signal.SIGKILL:
            return True
        step = process.current
        return isinstance(step, Wait) and (step.heeds_signals or not is_init) and signum in _ENDING_SIGNALS

    def _advance(self, id_: str, process: _Process) -> None:
        """Carry out every step whose time has come, as long as a turn lasts, then set the timer for the next."""
        wrote, rest_at = False, self._clock.monotonic() + TURN_SECONDS
        self._behind.pop(id_, None)
        while True:
            match process.current or self._pull(id_, process):
                case Output(stream, data):
                    self._observer.process_wrote(id_, stream, data, at=process.due)
                    wrote = True
                case Wait(seconds) as wait:
                    if not self._is_over(id_, process, wait):
                        break
                    if self._clock.monotonic() > rest_at:
                        self._line_up(id_, process)
                        break
                    process.due = int(self._clock.now() * 1e9) if wait.is_over else process.due + int(seconds * 1e9)
                case Read() as step:
                    process.read = process.stdin.take() if process.stdin is not None else b""
                    if process.read is None and not self._is_stirred(id_, process, step):
                        break
                    process.due = max(process.due, int(self._clock.now() * 1e9))
                case Listen(service):
                    self._observer.process_listens(id_, service)
                case Hush(port):
                    self._observer.process_hushed(id_, port)
                case OutOfMemory():
                    self._observer.process_ran_out_of_memory(id_, at=process.due)
                    self._end_soon(id_, process, SIGNAL_EXIT_BASE + signal.SIGKILL, at=process.due)
                    return
                case Exit(code):
                    self._end_soon(id_, process, code, at=process.due)
                    return
            process.step += 1
            process.current = None
        if wrote:
            self._observer.process_progressed(id_, steps_done=process.step)

    def _line_up(self, id_: str, process: _Process) -> None:
        self._behind[id_] = process
        if self._next_turn is None:
            self._rest()

    def _rest(self) -> None:
        self._next_turn = asyncio.get_running_loop().call_later(REST_SECONDS, self._take_turn)

    def _take_turn(self) -> None:
        """Let the process go on that has been behind for the longest time."""
        id_ = next(iter(self._behind), "")
        process = self._behind.pop(id_, None)
        if process is not None and self._processes.get(id_) is process and not process.dying:
            self._advance(id_, process)
        self._next_turn = None
        if self._behind:
            self._rest()

    def _pull(self, id_: str, process: _Process) -> Step:
        """Find out the next step."""
        read, process.read = process.read, None
        try:
            process.current = process.steps.send(read)
        except StopIteration as end:
            process.current = Exit(int(end.value or 0))
        except Exception:  # whatever a script brings the emulation to, the runtime goes on
            log.exception("container %s: its command cannot be emulated", id_)
            process.current = Exit(BROKEN_EXIT_CODE)
        return process.current

    def _input_came(self, id_: str, process: _Process) -> None:
        if isinstance(process.current, Read) and not process.dying:
            self._advance(id_, process)

    def _is_over(self, id_: str, process: _Process, wait: Wait) -> bool:
        """Tell whether a wait that began at `process.due` is over; if not, see to it that it will be noticed."""
        process.stop_listening()
        remaining = process.due / 1e9 + wait.seconds - self._clock.now()
        if remaining <= 0 or wait.is_over:
            return True
        loop = asyncio.get_running_loop()
        if wait.seconds != FOREVER:
            process.timer = loop.call_later(min(remaining, _MAX_TIMER_SECONDS), self._advance, id_, process)
        return self._is_stirred(id_, process, wait)

    def _is_stirred(self, id_: str, process: _Process, step: Wait | Read) -> bool:
        """Tell whether a step's bell has rung; if not, see to it that it will be heard."""
        process.stop_listening()
        process.stop_listening = _nothing
        if step.bell is not None and not step.is_over:
            loop = asyncio.get_running_loop()

            def wake() -> None:
                loop.call_soon(self._wake, id_, process, step)

            process.stop_listening = step.bell.listen(wake)
        return step.is_over

    def _wake(self, id_: str, process: _Process, step: Wait | Read) -> None:
        """Let a process look for what its bell has rung for; one that went on meanwhile has looked."""
        if self._processes.get(id_) is process and not process.dying and process.current is step:
            if process.timer:
                process.timer.cancel()
            self._advance(id_, process)

    def _end_soon(self, id_: str, process: _Process, exit_code: int, *, at: int) -> None:
        """Note an end at `at` once it is noticed, and nothing else of the process from now on."""
        process.dying = True
        left = at / 1e9 + self._notice_seconds(id_) - self._clock.now()
        if left <= 0:
            self._end(id_, process, exit_code, at)
        else:
            process.timer = asyncio.get_running_loop().call_later(left, self._end, id_, process, exit_code, at)

    def _end(self, id_: str, process: _Process, exit_code: int, at: int) -> None:
        del self._processes[id_]
        process.stop_listening()
        process.steps.close()
        self._observer.process_exited(id_, at=at, exit_code=exit_code)
        for waiter in process.exited:
            if not waiter.done():
                waiter.set_result(None)


_ENDING_SIGNALS = frozenset(
    {signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGABRT}
)
"""Signals whose default is to end a process."""
