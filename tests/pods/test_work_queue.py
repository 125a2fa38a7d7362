"""Claims about the work queue: a pod is due once, at the last time given."""

import asyncio

import pytest

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.work_queue import WorkQueue

pytestmark = pytest.mark.looptime
ONE, OTHER = PodUID("one"), PodUID("other")


async def test_a_pod_is_due_once_and_not_before_its_time() -> None:
    queue = WorkQueue(clock=LoopClock())
    queue.enqueue(ONE, delay_seconds=2)
    queue.enqueue(OTHER, delay_seconds=0)

    assert queue.take_due() == {OTHER}
    await asyncio.sleep(1.9)
    assert queue.take_due() == set()
    await asyncio.sleep(0.1)
    assert queue.take_due() == {ONE}
    assert queue.take_due() == set()


@pytest.mark.parametrize("last", [1, 5])
async def test_the_last_time_given_counts(last: float) -> None:
    queue = WorkQueue(clock=LoopClock())
    queue.enqueue(ONE, delay_seconds=3)
    queue.enqueue(ONE, delay_seconds=last)

    await asyncio.sleep(3)

    assert queue.take_due() == ({ONE} if last <= 3 else set())


async def test_a_forgotten_pod_does_not_come_back() -> None:
    queue = WorkQueue(clock=LoopClock())
    queue.enqueue(ONE, delay_seconds=0)

    queue.forget(ONE)
    queue.forget(OTHER)

    assert queue.take_due() == set()
