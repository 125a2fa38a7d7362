"""The runtime goes away and comes back: connections end, containers go on, and callers see what containerd's do."""

# ruff: noqa: ASYNC240  # looking at a file does not hold up a test

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.base.timing import LoopClock
from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.rules.restarts import Restart, next_restart
from runtime_stub.host import Host, Restarts, hosting
from runtime_stub.listener import ListenError
from runtime_stub.lives import _live
from runtime_stub.settings import Settings
from tests.runtime_stub.conftest import Client, dialled


@asynccontextmanager
async def lives(settings: Settings) -> AsyncIterator[tuple[Host, Client]]:
    """Let a runtime live, and be restarted, beside the test."""
    async with hosting(settings, environ={}) as host, asyncio.TaskGroup() as tasks:
        living = tasks.create_task(_live(host), name="test/lives")
        try:
            async with dialled(settings) as client:
                await client.runtime.Version(pb.VersionRequest(), wait_for_ready=True)
                yield host, client
        finally:
            host.restarts.stop()
        assert await living is None


async def end_of(stream: Any) -> grpc.StatusCode:
    """Read a stream to its end, and return how it ended."""
    try:
        async for _ in stream:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def outcome(client: Client) -> str:
    """Return how a call ends: OK, or code and text."""
    try:
        await client.runtime.Version(pb.VersionRequest(), wait_for_ready=True)
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name}: {error.details()}"
    return "OK"


async def back(client: Client) -> None:
    """Wait until the runtime answers again; a call may go down with its connection."""
    async with asyncio.timeout(60):
        while await outcome(client) != "OK":
            pass


async def test_containers_go_on_and_streams_end(settings: Settings) -> None:
    async with lives(settings) as (host, client):
        container_id = await client.run("sleep", "1000")
        before = await client.status(container_id)
        stream = client.runtime.GetContainerEvents(pb.GetEventsRequest())
        await stream.initial_metadata()

        host.restarts.ask(Restart(down_seconds=0.0))

        assert await end_of(stream) is grpc.StatusCode.UNAVAILABLE
        await back(client)
        assert await client.status(container_id) == before


async def test_while_it_is_down_there_is_no_socket(settings: Settings) -> None:
    path = Path(settings.listen.removeprefix("unix://"))
    async with lives(settings) as (host, client):
        host.restarts.ask(Restart(down_seconds=1000.0))
        while path.exists():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)

        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await client.runtime.Version(pb.VersionRequest())

    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_runtime_that_is_not_initialized_yet_refuses_every_call(settings: Settings) -> None:
    async with lives(settings) as (host, client):
        host.restarts.ask(Restart(down_seconds=0.0, initializing_seconds=1000.0))

        answers = [await outcome(client) for _ in range(2)]  # the first may go down with its connection
        while "initialized" not in answers[-1]:
            answers.append(await outcome(client))

    assert answers[-1] == "UNAVAILABLE: server is not initialized yet"


async def test_counts_of_rules_survive_a_restart(settings: Settings) -> None:
    from tests.runtime_stub.test_rules import rule

    once = rule(match={"rpc": "Version"}, when={"skip": 1, "first": 1}, fault={"error": {"code": "ABORTED"}})
    async with lives(replace(settings, rules=(once,))) as (host, client):
        with pytest.raises(grpc.aio.AioRpcError, match="ABORTED"):
            await client.runtime.Version(pb.VersionRequest())
        host.restarts.ask(Restart(down_seconds=0.0))
        await back(client)

    assert host.book.counts()["r"]["Version"]["acted"] == 1


async def test_a_life_that_cannot_begin_says_why(settings: Settings, directory: Path) -> None:
    (directory / "cri.sock").write_text("no socket")

    async with hosting(settings, environ={}) as host:
        assert isinstance(await _live(host), ListenError)


@pytest.mark.looptime
async def test_planned_restarts_come_when_they_are_due() -> None:
    clock = LoopClock()
    restarts = Restarts((Restart(at_seconds=60, every_seconds=100), Restart(at_seconds=70)), clock)
    moments = []
    for _ in range(4):
        await restarts.next()
        moments.append(clock.monotonic())

    assert moments == pytest.approx([60, 70, 160, 260])


@pytest.mark.looptime
async def test_a_restart_that_was_asked_for_does_not_cancel_the_planned_one() -> None:
    clock = LoopClock()
    restarts = Restarts((Restart(at_seconds=60),), clock)
    asked = Restart(down_seconds=7)
    restarts.ask(asked)

    assert await restarts.next() is asked
    assert await restarts.next() == Restart(at_seconds=60)
    assert clock.monotonic() == pytest.approx(60)
    restarts.stop()
    assert await restarts.next() is None


PLANS = st.lists(
    st.builds(
        Restart,
        at_seconds=st.none() | st.floats(0, 1000),
        every_seconds=st.none() | st.floats(0.1, 1000),
    ).filter(lambda one: one.at_seconds is not None or one.every_seconds is not None)
)


@given(PLANS, st.floats(0, 10_000))
def test_the_next_restart_lies_ahead(plan: list[Restart], now: float) -> None:
    found = next_restart(plan, after_seconds=now)

    if found is None:
        assert all(one.every_seconds is None for one in plan)
    else:
        assert found[0] > now
        assert found[1] in plan
