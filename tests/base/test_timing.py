"""Claims about time: backoff doubles and forgets, loops go on, the loop clock follows the loop."""

import asyncio
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.base.timing import Backoff, LoopClock, every


def test_a_delay_doubles_up_to_the_maximum() -> None:
    backoff = Backoff(initial_seconds=10, max_seconds=300)

    delays = [backoff.advance("key", now=float(i)) for i in range(7)]

    assert delays == [10, 20, 40, 80, 160, 300, 300]


def test_the_first_delay_never_exceeds_a_smaller_maximum() -> None:
    assert Backoff(initial_seconds=10, max_seconds=4).advance("key", now=0) == 4


def test_what_remains_counts_from_the_event_and_not_from_the_last_advance() -> None:
    backoff = Backoff(initial_seconds=10, max_seconds=300)
    backoff.advance("key", now=100)

    assert backoff.remaining("key", now=106, event=104) == 8
    assert backoff.remaining("key", now=106) == 4


def test_an_event_from_before_the_clock_was_put_back_delays_nothing() -> None:
    backoff = Backoff(initial_seconds=10, max_seconds=300)
    backoff.advance("key", now=7200)

    assert backoff.remaining("key", now=100, event=7200) == 0
    assert backoff.remaining("key", now=100) == 0


def test_an_event_long_after_the_last_advance_starts_again() -> None:
    backoff = Backoff(initial_seconds=10, max_seconds=300)
    backoff.advance("key", now=0)
    backoff.advance("key", now=1)

    assert backoff.remaining("key", now=700, event=700) == 0
    assert backoff.advance("key", now=700) == 10


def test_keys_do_not_know_each_other() -> None:
    backoff = Backoff(initial_seconds=10, max_seconds=300)
    backoff.advance("one", now=0)

    assert backoff.remaining("other", now=0, event=0) == 0


@given(st.lists(st.floats(0, 5000), max_size=30), st.floats(0.1, 60), st.floats(1, 300))
def test_no_delay_exceeds_the_maximum(gaps: list[float], initial: float, maximum: float) -> None:
    backoff = Backoff(initial_seconds=initial, max_seconds=maximum)
    now = 0.0

    for gap in gaps:
        now += gap
        assert 0 < backoff.advance("key", now=now) <= maximum


def test_collecting_forgets_only_the_expired() -> None:
    backoff = Backoff(initial_seconds=1, max_seconds=10)
    backoff.advance("old", now=0)
    backoff.advance("young", now=15)

    backoff.collect(now=21)

    assert (backoff.get("old"), backoff.get("young")) == (0, 1)


@pytest.mark.looptime
async def test_a_failing_step_is_tried_again_after_the_period(caplog: pytest.LogCaptureFixture) -> None:
    clock = LoopClock()
    turns: list[float] = []

    async def step() -> None:
        turns.append(clock.monotonic())
        raise RuntimeError("once more")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(25):
            await every(10, step, name="step", rng=random.Random(1))

    assert turns == [0, 10, 20]
    assert caplog.text.count("step failed") == 3


@pytest.mark.looptime
async def test_jitter_only_ever_stretches_the_period() -> None:
    clock = LoopClock()
    turns: list[float] = []

    async def step() -> None:
        turns.append(clock.monotonic())

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(200):
            await every(10, step, name="step", rng=random.Random(7), jitter=0.5)

    gaps = [later - earlier for earlier, later in itertools.pairwise(turns)]
    assert gaps
    assert all(10 <= gap <= 15 for gap in gaps)


@pytest.mark.looptime
async def test_the_loop_clock_moves_with_the_loop() -> None:
    clock = LoopClock(epoch=1000.0)
    before = clock.now()

    await asyncio.sleep(7)

    assert clock.now() - before == 7
