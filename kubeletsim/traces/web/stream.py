"""The stream: server-sent events with the traces that are new or have grown, as the list of the page shows them.

The file is asked whether anything was committed since, which costs next to nothing, so it does not matter which process
writes it.
"""

import asyncio
import functools
import json
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import ClientConnectionResetError, web

from kubeletsim.traces.filters import TraceFilter
from kubeletsim.traces.store import TraceStore
from kubeletsim.traces.web import questions
from kubeletsim.traces.web.parameters import trace_filter
from kubeletsim.traces.web.reader import StoreReader

_USUAL_TRACES = 100
_POLL_SECONDS = 0.4
_QUIET_SECONDS = 15.0


def add_routes(app: web.Application, reader: StoreReader) -> None:
    """Add the stream to an application."""
    app.router.add_get("/api/v1/stream", functools.partial(_stream, reader))
    app[_STOPPING] = asyncio.Event()
    app.on_shutdown.append(_stop)


_STOPPING = web.AppKey("stopping", asyncio.Event)


async def _stop(app: web.Application) -> None:
    app[_STOPPING].set()


async def _stream(reader: StoreReader, request: web.Request) -> web.StreamResponse:
    """Send `event: traces` with a list whenever there is something new to it; the first has everything."""
    trace_filter(request.query, now_ns=time.time_ns(), limit=_USUAL_TRACES)  # a fault is an answer, not an event
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    with suppress(ClientConnectionResetError):  # whoever watched has gone; aiohttp says so by failing the next write
        await _tell(reader, request, response)
    return response


async def _tell(reader: StoreReader, request: web.Request, response: web.StreamResponse) -> None:
    batch: int | None = None
    with closing(_connect(reader.path)) as connection:
        version, spoken = -1, time.monotonic()
        while not request.app[_STOPPING].is_set():
            [now] = connection.execute("PRAGMA data_version").fetchone()
            if now != version:
                # Read anew each time, for `since:10m` moves.
                wanted = trace_filter(request.query, now_ns=time.time_ns(), limit=_USUAL_TRACES)
                batch, found = await reader.ask(functools.partial(_news, wanted, batch))
                if found or version == -1:
                    await response.write(_event(found))
                version, spoken = now, time.monotonic()
            elif time.monotonic() - spoken > _QUIET_SECONDS:
                spoken = time.monotonic()
                await response.write(b": still here\n\n")
            await _wait(request.app[_STOPPING])


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, check_same_thread=False)


def _news(wanted: TraceFilter, batch: int | None, store: TraceStore) -> tuple[int, list[dict[str, Any]]]:
    """Return the latest batch, and the traces of which something came after another; all of them after none."""
    if batch is None:
        return store.latest_batch(), questions.described(store, store.traces(wanted))
    latest, found = store.arrived_since(batch, wanted)
    return latest, questions.described(store, found)


def _event(traces: list[dict[str, Any]]) -> bytes:
    return f"event: traces\ndata: {json.dumps(traces)}\n\n".encode()


async def _wait(stopping: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(_POLL_SECONDS):
            await stopping.wait()
    except TimeoutError:
        return
