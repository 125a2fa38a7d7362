"""The writer: gathers what several senders bring into one transaction, and answers each when it is committed.

One transaction at a time runs in a thread; whatever arrives meanwhile goes into the next one, so the busier it gets the
larger the transactions. When too much waits, senders wait: that is the back-pressure.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kubeletsim.traces.batch import Batch, Root
from kubeletsim.traces.otlp import OTLPError
from kubeletsim.traces.retention import Retention
from kubeletsim.traces.store import TraceStore, TraceStoreError

log = logging.getLogger(__name__)

_MOST_REQUESTS_WAITING = 64
_MOST_BYTES_WAITING = 32 << 20
_ENOUGH_FOR_A_BATCH_BYTES = 1 << 20
_EXPIRE_EVERY_SECONDS = 10.0


@dataclass(slots=True)
class _Request:
    payload: bytes
    answer: asyncio.Future[int]
    rejected: int = 0
    error: OTLPError | None = None


class TraceWriter:
    """The one who writes to a store; made by `writing_to`."""

    def __init__(
        self, store: TraceStore, *, on_roots: Callable[[Sequence[Root]], None] | None, retention: Retention
    ) -> None:
        self._store = store
        self._retention = retention
        self._expired_at = float("-inf")
        self._on_roots = on_roots
        self._waiting: asyncio.Queue[_Request] = asyncio.Queue(_MOST_REQUESTS_WAITING)
        self._bytes_waiting = 0
        self._room = asyncio.Condition()

    async def add(self, payload: bytes) -> int:
        """Store the spans of an encoded request; return, once they are committed, how many were refused for bad ids.

        Raises:
            OTLPError: the bytes are no such request.
            TraceStoreError: nothing of this request was stored.
        """
        request = _Request(payload, asyncio.get_running_loop().create_future())
        async with self._room:
            await self._room.wait_for(lambda: self._bytes_waiting < _MOST_BYTES_WAITING)
            self._bytes_waiting += len(payload)
        try:
            await self._waiting.put(request)
            return await request.answer
        finally:
            self._bytes_waiting -= len(payload)
            async with self._room:
                self._room.notify_all()

    async def run(self) -> None:
        """Commit what comes in; never returns."""
        while True:
            requests = await self._first()
            size = sum(len(request.payload) for request in requests)
            while not self._waiting.empty() and size < _ENOUGH_FOR_A_BATCH_BYTES:
                requests.append(self._waiting.get_nowait())
                size += len(requests[-1].payload)
            # Shielded: a cancelled writer must not leave the thread alone with a connection that is about to be closed.
            commit = asyncio.get_running_loop().run_in_executor(None, self._commit, requests)
            try:
                await asyncio.shield(commit)
            except asyncio.CancelledError:
                await commit
                raise
            finally:
                for _ in requests:
                    self._waiting.task_done()
            if self._on_roots and (roots := commit.result()):
                self._on_roots(roots)

    async def _first(self) -> list[_Request]:
        """Wait for a request; return nothing now and then if there are limits, for even in silence spans get old."""
        seconds = None if self._retention.keeps_all else _EXPIRE_EVERY_SECONDS
        try:
            async with asyncio.timeout(seconds):
                return [await self._waiting.get()]
        except TimeoutError:
            return []

    async def drain(self) -> None:
        """Wait until everything that was added has been answered."""
        await self._waiting.join()

    def _commit(self, requests: Sequence[_Request]) -> Sequence[Root]:
        batch = Batch()
        for request in requests:
            try:
                request.rejected = batch.add(request.payload)
            except OTLPError as e:
                request.error = e
        roots: Sequence[Root] = ()
        error = None
        try:
            roots = self._store.add_batch(batch).roots
        except TraceStoreError as e:
            error = e
        for request in requests:
            _answer(request, request.error or error)
        self._expire()
        return roots

    def _expire(self) -> None:
        """Make room, now and then; a failure can wait for the next time."""
        if self._retention.keeps_all or time.monotonic() - self._expired_at < _EXPIRE_EVERY_SECONDS:
            return
        try:
            dropped = self._store.expire(self._retention, now_ns=time.time_ns())
        except TraceStoreError as e:
            log.warning("no room could be made: %s", e)
        else:
            if dropped:
                log.info("%d spans dropped to make room", dropped)
        self._expired_at = time.monotonic()


def _answer(request: _Request, error: OTLPError | TraceStoreError | None) -> None:
    def settle() -> None:
        if request.answer.done():  # its sender has gone
            return
        if error is None:
            request.answer.set_result(request.rejected)
        else:
            request.answer.set_exception(type(error)(str(error)))

    request.answer.get_loop().call_soon_threadsafe(settle)


@asynccontextmanager
async def writing_to(
    store: TraceStore,
    *,
    on_roots: Callable[[Sequence[Root]], None] | None = None,
    retention: Retention | None = None,
) -> AsyncIterator[TraceWriter]:
    """Run a writer for a store; leaving the block first commits what is waiting.

    Args:
        store: open for writing; nobody else may use it meanwhile.
        on_roots: told of the root spans of each transaction, after it.
        retention: how much is kept; everything by default. Looked after every few seconds.
    """
    writer = TraceWriter(store, on_roots=on_roots, retention=retention or Retention())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run(), name="trace-writer")
        try:
            yield writer
            await writer.drain()
        finally:
            running.cancel()
