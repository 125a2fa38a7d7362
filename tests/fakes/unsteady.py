"""A runtime whose connections break and whose answers get lost, on a machine whose clock is put forward and back.

What broke a connection may have happened in the middle of a call: either nothing of it was done, or all of it and
nobody was told. It also streams its events, and notes at once when two containers of one name run in a pod.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.errors import RuntimeUnavailable
from kubeletsim.model.runtime import ContainerEvent, ContainerEventType, ContainerID, SandboxID
from tests.fakes.runtime import FakeRuntime

STREAM_PERIOD_SECONDS = 1.0
"""How late a stream may be about a process that ended by itself."""


@dataclass
class JumpingClock:
    """A clock whose wall time follows the loop but for jumps; its monotonic time knows of none."""

    ahead_seconds: float = 0.0
    _steady: LoopClock = field(default_factory=LoopClock)

    def jump(self, seconds: float) -> None:
        """Put the wall clock forward, or back."""
        self.ahead_seconds += seconds

    def now(self) -> float:
        """Return Unix seconds."""
        return self._steady.now() + self.ahead_seconds

    def monotonic(self) -> float:
        """Return the loop's time."""
        return self._steady.monotonic()


@dataclass
class UnsteadyRuntime(FakeRuntime):
    """A fake runtime with connections that break."""

    doubles: list[tuple[str, str]] = field(default_factory=list)
    """Pod and name of each container that ran twice at a time; a worker would survive an exception."""
    _connection: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once it has broken; there is always one that has not."""
    _forgets: bool = False
    _lost: Counter[str] = field(default_factory=Counter)
    _streams: set[asyncio.Queue[ContainerEvent | None]] = field(default_factory=set)

    # What tests do to it.

    def go_down(self, *, forgets: bool) -> None:
        """Stop answering: whoever waits for an answer learns at once that there is none.

        `forgets` tells what becomes of what was asked: nothing, or all of it.
        """
        self.down = True
        self._forgets = forgets
        self._connection.set()
        self._connection = asyncio.Event()
        for stream in self._streams:
            stream.put_nowait(None)

    def lose_answer(self, rpc: str) -> None:
        """Have the next call of a method do what it is for, and then fail."""
        self._lost[rpc] += 1

    def heal(self) -> None:
        """End all trouble."""
        super().heal()
        self._lost.clear()

    # RuntimeService, where it differs.

    async def start_container(self, container_id: ContainerID) -> None:
        try:
            await super().start_container(container_id)
        finally:
            self._write_log(container_id)
            names = Counter((one.labels["io.kubernetes.pod.uid"], one.name) for one in self.running())
            self.doubles += [name for name, count in names.items() if count > 1]

    async def get_container_events(
        self, *, connected: Callable[[], None] | None = None
    ) -> AsyncGenerator[ContainerEvent, None]:
        events: asyncio.Queue[ContainerEvent | None] = asyncio.Queue()
        async with self._call("GetContainerEvents"):
            if connected is not None:
                connected()
            self._streams.add(events)
            try:
                while (event := await self._next(events)) is not None:
                    yield event
                raise RuntimeUnavailable("the connection broke", code="Unavailable", rpc="GetContainerEvents")
            finally:
                self._streams.discard(events)

    async def _next(self, events: asyncio.Queue[ContainerEvent | None]) -> ContainerEvent | None:
        while True:
            self._settled()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STREAM_PERIOD_SECONDS):
                    return await events.get()

    # How it works.

    def _write_log(self, container_id: ContainerID) -> None:
        """Begin the log of a container that runs: the kubelet counts restarts by these files."""
        container = self._containers.get(container_id)
        if container is not None and container.started:
            with contextlib.suppress(FileNotFoundError):
                Path(container.status.log_path).touch()

    @asynccontextmanager
    async def _call(self, rpc: str, **args: Any) -> AsyncIterator[None]:
        connection = self._connection
        async with super()._call(rpc, **args):
            yield
            if self._lost[rpc] > 0 or connection.is_set():
                self._lost[rpc] = max(0, self._lost[rpc] - 1)
                raise RuntimeUnavailable("the answer was lost", code="Unavailable", rpc=rpc)

    async def _pass(self, seconds: float) -> None:
        connection = self._connection
        if seconds <= 0:
            await asyncio.sleep(0)
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await connection.wait()
        if connection.is_set() and self._forgets:
            raise RuntimeUnavailable("the connection broke", code="Unavailable")

    def _happened(self, type_: ContainerEventType, id_: str, sandbox_id: SandboxID) -> None:
        sandbox = self._sandboxes.get(sandbox_id)
        if not self._streams or sandbox is None:
            return
        inside = [one.status for one in self._containers.values() if one.sandbox_id == sandbox_id]
        event = ContainerEvent(
            container_id=ContainerID(id_),
            type=type_,
            created_at=self._stamp(),
            sandbox=sandbox.status,
            containers=tuple(inside),
        )
        for stream in self._streams:
            stream.put_nowait(event)
