"""A pipe keeps what is on its way in order, and not too much of it."""

import asyncio

import pytest

from runtime_stub.pipe import Pipe, until_either


@pytest.mark.looptime
async def test_whoever_fills_a_pipe_waits_for_its_reader() -> None:
    pipe = Pipe(limit_bytes=10)
    await pipe.put(b"x" * 10)
    filling = asyncio.create_task(pipe.put(b"more"))
    await asyncio.sleep(1)
    waits = not filling.done()
    read = await pipe.read()
    await filling

    assert (waits, read, await pipe.read()) == (True, b"x" * 10, b"more")


def test_what_is_offered_to_a_full_pipe_is_lost() -> None:
    pipe = Pipe(limit_bytes=10)
    for number in range(10):
        pipe.offer(b"line %d" % number)

    assert [pipe.take() for _ in range(3)] == [b"line 0", b"line 1", None]


def test_one_readers_end_is_not_the_end() -> None:
    pipe = Pipe()
    for data in (b"a", b"", b"b"):
        pipe.offer(data)
    taken = [pipe.take() for _ in range(4)]
    pipe.end()

    assert [*taken, pipe.take(), pipe.take()] == [b"a", b"", b"b", None, b"", b""]


def test_whoever_listens_hears_of_everything_new() -> None:
    heard: list[bytes | None] = []
    pipe = Pipe(lambda: heard.append(pipe.take()))
    pipe.offer(b"a")
    pipe.end()

    assert heard == [b"a", b""]


def test_what_is_cleared_is_lost() -> None:
    pipe = Pipe()
    pipe.offer(b"a")
    pipe.clear()

    assert pipe.take() is None


@pytest.mark.looptime
async def test_the_first_to_end_ends_both() -> None:
    assert await until_either(asyncio.sleep(1, "work"), asyncio.sleep(2), name="a") == "work"
    assert await until_either(asyncio.sleep(5, "work"), asyncio.sleep(2), name="b") is None
    assert asyncio.get_running_loop().time() == pytest.approx(3)
