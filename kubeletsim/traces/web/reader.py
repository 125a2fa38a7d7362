"""The reader: questions to the store, each on a connection of its own in a thread that only readers use.

The writer is never in the way of a question nor a question in the way of the writer: write-ahead logging lets both work
at once, and the writer's thread is not from this pool.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from kubeletsim.traces.store import TraceStore

T = TypeVar("T")
_THREADS = 2


class StoreReader:
    """Asks one store; made by `reading`."""

    def __init__(self, path: Path, threads: ThreadPoolExecutor) -> None:
        self.path = path
        self._threads = threads

    async def ask(self, question: Callable[[TraceStore], T]) -> T:
        """Run a question in a thread, with the store opened for reading.

        Raises:
            TraceStoreError: the store is gone or damaged.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._answer, question)

    def _answer(self, question: Callable[[TraceStore], T]) -> T:
        with TraceStore.open(self.path) as store:
            return question(store)


@contextmanager
def reading(path: Path) -> Iterator[StoreReader]:
    """Yield a reader of the store at `path`; at the end wait for the questions under way and drop the others."""
    threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="trace-reader")
    try:
        yield StoreReader(path, threads)
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
