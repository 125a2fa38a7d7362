"""The writer: gathers what several senders bring into one transaction, and answers each when it is committed.

One transaction at a time runs in a thread; whatever arrives meanwhile goes into the next one, so the busier it gets the
larger the transactions. When too much waits, senders wait: that is the back-pressure.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from kubeletsim.traces.rows import Rows
from kubeletsim.traces.store import Root, TraceStore, TraceStoreError

_MOST_REQUESTS_WAITING = 64


@dataclass(slots=True)
class _Request:
    resource_spans: Sequence[ResourceSpans]
    answer: asyncio.Future[int]
    rejected: int = 0


class TraceWriter:
    """The one who writes to a store; made by `writing_to`."""

    def __init__(self, store: TraceStore, *, on_roots: Callable[[Sequence[Root]], None] | None) -> None:
        self._store = store
        self._on_roots = on_roots
        self._waiting: asyncio.Queue[_Request] = asyncio.Queue(_MOST_REQUESTS_WAITING)

    async def add(self, resource_spans: Sequence[ResourceSpans]) -> int:
        """Store the spans of one request; return, once they are committed, how many were refused for bad ids.

        Raises:
            TraceStoreError: nothing of this request was stored.
        """
        request = _Request(resource_spans, asyncio.get_running_loop().create_future())
        await self._waiting.put(request)
        return await request.answer

    async def run(self) -> None:
        """Commit what comes in; never returns."""
        while True:
            batch = [await self._waiting.get()]
            while not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            # Shielded: a cancelled writer must not leave the thread alone with a connection that is about to be closed.
            commit = asyncio.get_running_loop().run_in_executor(None, self._commit, batch)
            try:
                await asyncio.shield(commit)
            except asyncio.CancelledError:
                await commit
                raise
            finally:
                for _ in batch:
                    self._waiting.task_done()
            if self._on_roots and (roots := commit.result()):
                self._on_roots(roots)

    async def drain(self) -> None:
        """Wait until everything that was added has been answered."""
        await self._waiting.join()

    def _commit(self, batch: Sequence[_Request]) -> Sequence[Root]:
        rows = Rows()
        for request in batch:
            request.rejected = rows.add(request.resource_spans)
        try:
            result = self._store.add_rows(rows)
        except TraceStoreError as e:
            for request in batch:
                _answer(request, e)
            return ()
        for request in batch:
            _answer(request, None)
        return result.roots


def _answer(request: _Request, error: TraceStoreError | None) -> None:
    def settle() -> None:
        if request.answer.done():  # its sender has gone
            return
        if error is None:
            request.answer.set_result(request.rejected)
        else:
            request.answer.set_exception(TraceStoreError(str(error)))

    request.answer.get_loop().call_soon_threadsafe(settle)


@asynccontextmanager
async def writing_to(
    store: TraceStore, *, on_roots: Callable[[Sequence[Root]], None] | None = None
) -> AsyncIterator[TraceWriter]:
    """Run a writer for a store; leaving the block first commits what is waiting.

    Args:
        store: open for writing; nobody else may use it meanwhile.
        on_roots: told of the root spans of each transaction, after it.
    """
    writer = TraceWriter(store, on_roots=on_roots)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(writer.run(), name="trace-writer")
        try:
            yield writer
            await writer.drain()
        finally:
            running.cancel()
