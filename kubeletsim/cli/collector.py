"""The collector of `kubeletsim traces collect`: receiver, store and web page, until a signal."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from kubeletsim.model.errors import ConfigError, Fault, StartupError
from kubeletsim.traces.batch import Root
from kubeletsim.traces.forward import BackEnd, forwarding
from kubeletsim.traces.receiver import Address, ListenError, Listening, receiving
from kubeletsim.traces.render import format_duration, visible
from kubeletsim.traces.retention import Retention
from kubeletsim.traces.store import NoTraceStore, TraceStore, TraceStoreError
from kubeletsim.traces.writer import writing_to


async def collect_until_signal(
    grpc_address: Address,
    http_address: Address,
    *,
    db: Path,
    page_address: Address | None = None,
    retention: Retention | None = None,
    forward_to: BackEnd | None = None,
) -> None:
    """Receive and store spans until Ctrl-C or SIGTERM; on a terminal, print each root span as it arrives.

    Args:
        grpc_address: where to listen for OTLP gRPC.
        http_address: where to listen for OTLP HTTP.
        db: the store, made when it is missing.
        page_address: where to serve the web page; None for no page.
        retention: how much is kept; everything by default.
        forward_to: another OTLP gRPC receiver that gets everything as well.

    Raises:
        StartupError: a port is taken, or the store is damaged.
        ConfigError: the store's path is wrong.
    """
    stop = asyncio.Event()
    _stop_at_signals(stop)
    on_roots = _print_roots if sys.stdout.isatty() else None
    with _faults_in_words(), TraceStore.create(db) as store:
        async with (
            _forwarding(db, forward_to),  # the first to come and the last to go: what is drained is sent as well
            writing_to(store, on_roots=on_roots, retention=retention) as writer,
            receiving(writer, grpc_address=grpc_address, http_address=http_address) as listening,
            _page(db, page_address) as url,
        ):
            _print_listening(listening, db, url)
            await stop.wait()


async def show_page_until_signal(address: Address, *, db: Path) -> None:
    """Serve the web page of an existing store until Ctrl-C or SIGTERM.

    Raises:
        StartupError: the port is taken.
    """
    stop = asyncio.Event()
    _stop_at_signals(stop)
    with _faults_in_words():
        async with _page(db, address) as url:
            print(f"web page   {url}", flush=True)
            await stop.wait()


@asynccontextmanager
async def _forwarding(db: Path, target: BackEnd | None) -> AsyncIterator[None]:
    if target is None:
        yield
        return
    async with forwarding(db, target):
        yield


@asynccontextmanager
async def _page(db: Path, address: Address | None) -> AsyncIterator[str | None]:
    if address is None:
        yield None
        return
    from kubeletsim.traces.web.serving import serving  # whoever wants no page need not load it

    async with serving(db, address=address) as page:
        yield page.url


@contextmanager
def _faults_in_words() -> Iterator[None]:
    """Turn what can go wrong into the errors of the command line."""
    try:
        yield
    except* ListenError as group:
        raise StartupError(str(_first(group))) from None
    except* NoTraceStore as group:
        raise ConfigError([Fault("--db", None, str(_first(group)))]) from None
    except* TraceStoreError as group:
        raise StartupError(str(_first(group))) from None


def _first(error: BaseException) -> BaseException:
    """Return the first error within groups: each task group around it has added one."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _stop_at_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


def _print_listening(listening: Listening, db: Path, url: str | None) -> None:
    print(f"OTLP gRPC  {listening.grpc}", f"OTLP HTTP  http://{listening.http}/v1/traces", f"store      {db}", sep="\n")
    if url:
        print(f"web page   {url}")
    sys.stdout.flush()


def _print_roots(roots: Sequence[Root]) -> None:
    for root in roots:
        what = f"{visible(root.service)}  {visible(root.name)}{'  ✗' if root.error else ''}"
        print(f"{root.trace_id}  {format_duration(root.duration_ns):>10}  {what}")
