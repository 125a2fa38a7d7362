"""This module is the way of bytes between an end of a simulated connection and a client that is reached by awaiting."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from runtime_stub.network.stream import End


class FarSide(Protocol):
    """A client, which is somewhere outside: behind a socket, or a stream of a port-forward."""

    @property
    def read(self) -> Callable[[], Awaitable[bytes]]:
        """Returns what it sends; nothing at the end."""

    @property
    def write(self) -> Callable[[bytes], Awaitable[None]]:
        """Sends it something, at its pace."""

    @property
    def end(self) -> Callable[[], Awaitable[None]]:
        """Tells it that nothing more will come."""


async def carry(near: End, far: FarSide) -> None:
    """Carry bytes both ways until both sides are through, or one is gone; the end is closed then."""
    sendable, readable = asyncio.Event(), asyncio.Event()

    def hear() -> None:
        sendable.set()
        readable.set()

    near.on_news = hear
    try:
        async with asyncio.TaskGroup() as tasks:
            inbound = tasks.create_task(_inbound(near, far, sendable), name="runtime-stub/connection/in")
            tasks.create_task(_outbound(near, far, readable, inbound), name="runtime-stub/connection/out")
    except BaseExceptionGroup as failures:
        near.reset()
        _, others = failures.split(OSError)
        if others is not None:
            raise others from None
    finally:
        near.close()


async def _inbound(near: End, far: FarSide, sendable: asyncio.Event) -> None:
    while data := await far.read():
        while not near.room and not near.is_abandoned:
            sendable.clear()
            await sendable.wait()
        near.write(data)
    near.end()


async def _outbound(near: End, far: FarSide, readable: asyncio.Event, inbound: "asyncio.Task[None]") -> None:
    while True:
        while not near.has_data and not near.is_over:
            readable.clear()
            await readable.wait()
        if near.is_over and not near.is_reset:
            break
        await far.write(near.read())
    await far.end()
    while not near.is_abandoned:  # it may have said all it will and still listen
        readable.clear()
        await readable.wait()
    inbound.cancel()
