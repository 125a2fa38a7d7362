"""Programs run in time, end by themselves or by signals, and go on after a restart."""

import asyncio
import math
import signal
from dataclasses import dataclass, field

import pytest

from kubeletsim.base.timing import LoopClock
from runtime_stub.behaviour.service import Service
from runtime_stub.processes import Processes
from runtime_stub.shell.bell import Bell
from runtime_stub.shell.program import Exit, Listen, OutOfMemory, Output, Program, Steps, Wait, news

EPOCH = 1_700_000_000
START = EPOCH * 1_000_000_000
SECOND = 1_000_000_000
SERVER: Program = (Wait(math.inf, heeds_signals=True),)

pytestmark = pytest.mark.looptime


@dataclass
class Observer:
    """Writes down what it is told."""

    told: list[tuple[object, ...]] = field(default_factory=list)
    recalled: list[tuple[str, bytes]] = field(default_factory=list)

    def process_wrote(self, id_: str, stream: str, data: bytes, *, at: int) -> None:
        self.told.append(("wrote", stream, data, (at - START) / SECOND))

    def process_progressed(self, id_: str, *, steps_done: int) -> None:
        self.told.append(("progressed", steps_done))

    def process_recalled(self, id_: str, stream: str, data: bytes) -> None:
        self.recalled.append((stream, data))

    def process_listens(self, id_: str, service: Service) -> None:
        self.told.append(("listens", service.port))

    def process_hushed(self, id_: str, port: int) -> None:
        self.told.append(("hushed", port))

    def process_catches(self, id_: str, signum: int) -> bool:
        return False

    def process_ran_out_of_memory(self, id_: str, *, at: int) -> None:
        self.told.append(("out of memory",))

    def process_exited(self, id_: str, *, at: int, exit_code: int) -> None:
        self.told.append(("exited", exit_code, (at - START) / SECOND))


@pytest.fixture
def observer() -> Observer:
    return Observer()


@pytest.fixture
def processes(observer: Observer) -> Processes:
    return Processes(LoopClock(epoch=EPOCH), observer)


async def test_a_program_takes_its_time(processes: Processes, observer: Observer, looptime: float) -> None:
    processes.run("c", (Output("stdout", b"a"), Wait(1.5), Output("stderr", b"b"), Exit(3)), started_at=START)

    assert await processes.exited("c")

    assert looptime == 1.5
    assert observer.told == [
        ("wrote", "stdout", b"a", 0),
        ("progressed", 1),
        ("wrote", "stderr", b"b", 1.5),
        ("exited", 3, 1.5),
    ]


async def test_waits_of_days_are_no_busy_loop(processes: Processes, looptime: float) -> None:
    processes.run("c", (Wait(400_000), Exit(0)), started_at=START)

    assert await processes.exited("c")
    assert looptime == 400_000


async def test_pid_1_without_a_handler_ignores_sigterm(processes: Processes, observer: Observer) -> None:
    processes.run("c", (Wait(10), Exit(0)), started_at=START)
    processes.signal("c", signal.SIGTERM)

    assert not await processes.exited("c", timeout_seconds=2)
    processes.signal("c", signal.SIGKILL)
    assert await processes.exited("c")
    assert observer.told == [("exited", 137, 2)]


async def test_a_server_heeds_its_stop_signal(processes: Processes, observer: Observer) -> None:
    processes.run("c", SERVER, started_at=START)
    processes.signal("c", signal.SIGCHLD)
    processes.signal("c", signal.SIGQUIT)

    assert await processes.exited("c")
    assert observer.told == [("exited", 131, 0)]


@pytest.fixture
def watched_from_afar(observer: Observer) -> Processes:
    """Processes whose end is noticed a quarter of a second later than it comes."""
    return Processes(LoopClock(epoch=EPOCH), observer, notice_seconds=lambda _id: 0.25)


async def test_a_fatal_signal_is_noticed_later_than_it_comes(
    watched_from_afar: Processes, observer: Observer, looptime: float
) -> None:
    watched_from_afar.run("c", SERVER, started_at=START)
    await asyncio.sleep(1)
    watched_from_afar.signal("c", signal.SIGTERM)
    watched_from_afar.signal("c", signal.SIGKILL)  # it is dead already

    assert await watched_from_afar.exited("c")
    assert looptime == 1.25
    assert observer.told == [("exited", 143, 1)]


@pytest.mark.parametrize("last", [Exit(3), OutOfMemory()])
async def test_an_end_of_its_own_is_noticed_later_than_it_comes(
    watched_from_afar: Processes, observer: Observer, looptime: float, last: Exit | OutOfMemory
) -> None:
    watched_from_afar.run("c", (Wait(1), last), started_at=START)
    await asyncio.sleep(1.1)
    assert "c" in watched_from_afar
    watched_from_afar.signal("c", signal.SIGKILL)  # it is dead already

    assert await watched_from_afar.exited("c")
    assert looptime == 1.25
    assert observer.told[-1] == ("exited", 3 if last == Exit(3) else 137, 1)


async def test_what_ended_while_nobody_watched_has_ended_when_it_should(
    processes: Processes, observer: Observer, looptime: float
) -> None:
    await asyncio.sleep(5)
    processes.run("c", (Wait(1), Output("stdout", b"x"), Exit(3)), started_at=START)

    assert "c" not in processes
    assert observer.told == [("wrote", "stdout", b"x", 1), ("exited", 3, 1)]
    assert looptime == 5


async def test_a_resumed_program_repeats_nothing_and_ends_on_time(
    processes: Processes, observer: Observer, looptime: float
) -> None:
    await asyncio.sleep(2)
    program = (Output("stdout", b"a"), Wait(3), Output("stdout", b"b"), Exit(0))
    processes.run("c", program, started_at=START, steps_done=1)

    assert await processes.exited("c")
    assert looptime == 3
    assert observer.told == [("wrote", "stdout", b"b", 3), ("exited", 0, 3)]
    assert observer.recalled == [("stdout", b"a")]


async def test_everybody_who_waits_learns_of_the_end(processes: Processes) -> None:
    processes.run("c", (Wait(1), Exit(0)), started_at=START)

    assert await asyncio.gather(*(processes.exited("c") for _ in range(3))) == [True] * 3


async def test_an_unknown_process_has_exited_and_hears_no_signal(processes: Processes, observer: Observer) -> None:
    processes.signal("c", signal.SIGKILL)

    assert await processes.exited("c", timeout_seconds=1)
    assert observer.told == []


async def test_nothing_is_told_after_closing(processes: Processes, observer: Observer) -> None:
    processes.run("c", (Wait(1), Exit(0)), started_at=START)
    processes.close()
    await asyncio.sleep(2)

    assert observer.told == []


async def test_a_process_says_where_it_listens_and_why_it_dies(processes: Processes, observer: Observer) -> None:
    processes.run("c", (Listen(Service(port=80)), Wait(1), OutOfMemory()), started_at=START)

    assert await processes.exited("c")
    assert observer.told == [("listens", 80), ("out of memory",), ("exited", 137, 1)]


async def test_a_process_that_cannot_be_emulated_ends_alone(processes: Processes, observer: Observer) -> None:
    def broken() -> Steps:
        yield Wait(1)
        raise ZeroDivisionError

    processes.run("c", broken(), started_at=START)

    assert await processes.exited("c")
    assert observer.told == [("exited", 70, 1)]


async def test_a_bell_cuts_a_wait_short(processes: Processes, observer: Observer, looptime: float) -> None:
    bell = Bell()

    def answering() -> Steps:
        yield news(bell, 60)
        yield Output("stdout", b"rung")
        yield news(bell, 2)
        return 0

    processes.run("c", answering(), started_at=START)
    await asyncio.sleep(5)
    bell.ring()
    await asyncio.sleep(5)

    assert observer.told == [("wrote", "stdout", b"rung", 5.0), ("progressed", 2), ("exited", 0, 7.0)]


async def test_a_ring_before_the_wait_is_not_missed(processes: Processes, observer: Observer) -> None:
    bell = Bell()

    def late() -> Steps:
        step = news(bell)
        bell.ring()
        yield step
        return 3

    processes.run("c", late(), started_at=START)

    assert observer.told == [("exited", 3, 0.0)]


async def test_after_a_restart_what_waited_for_the_network_begins_there_anew(
    processes: Processes, observer: Observer
) -> None:
    bell = Bell()

    def serving() -> Steps:
        yield Output("stdout", b"ready")
        while True:
            yield news(bell)
            yield Output("stdout", b"served")

    processes.run("c", serving(), started_at=START, steps_done=3)  # it had served once
    assert (observer.recalled, observer.told) == ([("stdout", b"ready")], [])
    bell.ring()
    await asyncio.sleep(1)
    assert observer.told == [("wrote", "stdout", b"served", 0.0), ("progressed", 3)]


@dataclass(frozen=True)
class SlowMachine(LoopClock):
    """A clock on a machine where each look at it, and so each step of a process, takes a millisecond."""

    looks: list[int] = field(default_factory=lambda: [0])

    def monotonic(self) -> float:
        self.looks[0] += 1
        return super().monotonic() + self.looks[0] / 1000


def busy() -> Steps:
    while True:
        yield Output("stdout", b".")
        yield Wait(0.0001, heeds_signals=True)


async def test_processes_that_are_behind_take_turns_and_let_others_go_first(observer: Observer) -> None:
    processes = Processes(SlowMachine(epoch=EPOCH), observer)
    for id_ in ("a", "b"):
        processes.run(id_, busy(), started_at=START - 10 * SECOND)
    steps, others = len(observer.told), 0
    async with asyncio.timeout(1):
        while steps < 100:
            await asyncio.sleep(0.001)
            done, steps, others = steps, len(observer.told), others + 1
            assert steps - done < 20, "nobody goes on for long without a rest"

    assert others > 10
    processes.signal("a", signal.SIGTERM)
    processes.signal("b", signal.SIGTERM)
    assert await processes.exited("a", timeout_seconds=1), "a signal reaches what is behind"
    assert await processes.exited("b", timeout_seconds=1)
