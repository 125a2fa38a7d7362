"""The recorder: everything is logged, and written down no faster than it may be."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kubeletsim.agent.events import EventJournal, Recorder, RecordingSettings
from kubeletsim.agent.events.correlator import CountedEvent
from kubeletsim.base.timing import LoopClock
from kubeletsim.model.events import Event, ObjectReference

pytestmark = pytest.mark.looptime


@dataclass
class Pages(EventJournal):
    """A journal in memory that notes when it was written to."""

    written: list[tuple[float, CountedEvent]] = field(default_factory=list)

    def write(self, event: CountedEvent) -> None:
        self.written.append((asyncio.get_running_loop().time(), event))


def recorder(journal: EventJournal, **settings: int) -> Recorder:
    return Recorder(journal, settings=RecordingSettings(**settings), clock=LoopClock())


def event(name: str = "web") -> Event:
    return Event(regarding=ObjectReference(kind="Pod", name=name), reason="Failed", message="it failed")


@asynccontextmanager
async def running(made: Recorder) -> AsyncIterator[None]:
    task = asyncio.create_task(made.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_events_are_written_in_their_order_with_the_times_they_happened() -> None:
    pages = Pages()
    made = recorder(pages)
    made(event("early"))  # before anybody writes
    await asyncio.sleep(2)
    async with running(made):
        made(event("late"))
        await asyncio.sleep(1)

    epoch = LoopClock().epoch
    assert [(one.event.regarding.name, one.last_at - epoch) for _, one in pages.written] == [("early", 0), ("late", 2)]


async def test_after_a_burst_the_rate_is_kept() -> None:
    pages = Pages()
    made = recorder(pages, qps=2, burst=4)
    async with running(made):
        for number in range(10):
            made(event(f"pod-{number}"))
        await asyncio.sleep(10)

    assert [at for at, _ in pages.written] == [0, 0, 0, 0, 0.5, 1, 1.5, 2, 2.5, 3]


async def test_a_rate_of_zero_is_no_limit() -> None:
    pages = Pages()
    made = recorder(pages, qps=0, burst=1)
    async with running(made):
        for number in range(300):
            made(event(f"pod-{number}"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    assert [at for at, _ in pages.written] == [0] * 300


async def test_what_still_waits_at_the_end_is_written() -> None:
    pages = Pages()
    made = recorder(pages, qps=1, burst=1)
    async with running(made):
        for number in range(5):
            made(event(f"pod-{number}"))
        await asyncio.sleep(0.1)

    assert len(pages.written) == 5


async def test_a_flood_is_cut_off_with_one_warning_and_logged_in_full(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pages = Pages()
    made = recorder(pages, qps=0)
    for number in range(1500):
        made(event(f"pod-{number}"))

    async with running(made):
        await asyncio.sleep(1)
        made(event("after"))
        await asyncio.sleep(1)

    assert len(pages.written) == 1001
    assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1
    assert len([message for message in caplog.messages if "Event occurred" in message]) == 1501


async def test_repeated_events_reach_the_file_with_their_count(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    made = recorder(EventJournal(path, node_name="vm"))
    async with running(made):
        made(event())
        made(event())
        await asyncio.sleep(1)

    assert [line.split('"count":')[1][0] for line in path.read_text().splitlines()] == ["1", "2"]
