"""Claims about the cache: who waits gets something newer, nobody waits for what is there, and nobody is forgotten."""

import asyncio

import pytest

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import CRIError
from kubeletsim.model.runtime import ObservedPod, PodUID
from kubeletsim.pleg.cache import NEVER, PodCache

pytestmark = pytest.mark.looptime
UID, OTHER = PodUID("one"), PodUID("other")


def observed(name: str, uid: PodUID = UID) -> ObservedPod:
    return ObservedPod(uid=uid, name=name)


async def test_stamps_grow_strictly_although_no_time_passes() -> None:
    cache = PodCache(LoopClock())

    stamps = [cache.stamp() for _ in range(5)]

    assert stamps == sorted(set(stamps))
    assert stamps[-1] == pytest.approx(asyncio.get_running_loop().time())


async def test_a_pod_nobody_has_seen_is_empty_once_everything_was_listed() -> None:
    cache = PodCache(LoopClock())
    waiter = asyncio.create_task(cache.get_newer_than(UID, NEVER))
    await asyncio.sleep(1)
    assert not waiter.done()

    cache.update_time(cache.stamp())

    assert await waiter == ObservedPod(uid=UID)


async def test_a_waiter_gets_its_own_pods_newer_state_and_not_another_pods() -> None:
    cache = PodCache(LoopClock())
    cache.set(UID, observed("old"), stamp=cache.stamp())
    mark = cache.stamp()
    waiter = asyncio.create_task(cache.get_newer_than(UID, mark))
    await asyncio.sleep(0)

    cache.set(OTHER, observed("x", OTHER), stamp=cache.stamp())
    await asyncio.sleep(0)
    assert not waiter.done()
    cache.set(UID, observed("new"), stamp=cache.stamp())

    assert (await waiter).name == "new"


async def test_a_reading_that_began_before_the_mark_is_not_enough() -> None:
    cache = PodCache(LoopClock())
    before = cache.stamp()
    mark = cache.stamp()
    waiter = asyncio.create_task(cache.get_newer_than(UID, mark))
    await asyncio.sleep(0)

    cache.set(UID, observed("stale"), stamp=before)
    cache.update_time(before)
    await asyncio.sleep(1)
    assert not waiter.done()
    cache.update_time(cache.stamp())

    assert (await waiter).name == "stale"  # nothing changed since, says the relist


async def test_an_older_reading_does_not_replace_a_newer_one() -> None:
    cache = PodCache(LoopClock())
    early, late = cache.stamp(), cache.stamp()

    cache.set(UID, observed("late"), stamp=late)
    cache.set(UID, observed("early"), stamp=early)

    assert cache.get(UID).name == "late"


async def test_a_state_that_could_not_be_read_is_an_error_until_it_can() -> None:
    cache = PodCache(LoopClock())

    cache.set(UID, observed("x"), stamp=cache.stamp(), error=CRIError("broken"))
    with pytest.raises(CRIError, match="broken"):
        cache.get(UID)
    cache.set(UID, observed("x"), stamp=cache.stamp())

    assert cache.get(UID).name == "x"


async def test_a_waiter_that_gives_up_leaves_nothing_behind() -> None:
    cache = PodCache(LoopClock())
    waiter = asyncio.create_task(cache.get_newer_than(UID, NEVER))
    await asyncio.sleep(0)

    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)

    assert not cache._waiting


async def test_what_the_runtime_no_longer_shows_is_forgotten() -> None:
    cache = PodCache(LoopClock())
    cache.set(UID, observed("x"), stamp=cache.stamp())

    cache.delete(UID)

    assert cache.get(UID) == ObservedPod(uid=UID)
