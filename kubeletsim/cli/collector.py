"""The collector of `kubeletsim traces collect`: receiver and store, until a signal."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from kubeletsim.model.errors import ConfigError, Fault, StartupError
from kubeletsim.traces.receiver import Address, ListenError, Listening, receiving
from kubeletsim.traces.render import format_duration, visible
from kubeletsim.traces.store import NoTraceStore, Root, TraceStore, TraceStoreError
from kubeletsim.traces.writer import writing_to


async def collect_until_signal(grpc_address: Address, http_address: Address, *, db: Path) -> None:
    """Receive and store spans until Ctrl-C or SIGTERM; on a terminal, print each root span as it arrives.

    Raises:
        StartupError: a port is taken, or the store is damaged.
        ConfigError: the store's path is wrong.
    """
    stop = asyncio.Event()
    _stop_at_signals(stop)
    try:
        with TraceStore.create(db) as store:
            async with (
                writing_to(store, on_roots=_print_roots if sys.stdout.isatty() else None) as writer,
                receiving(writer, grpc_address=grpc_address, http_address=http_address) as listening,
            ):
                _print_listening(listening, db)
                await stop.wait()
    except* ListenError as group:
        raise StartupError(str(group.exceptions[0])) from None
    except* NoTraceStore as group:
        raise ConfigError([Fault("--db", None, str(group.exceptions[0]))]) from None
    except* TraceStoreError as group:
        raise StartupError(str(group.exceptions[0])) from None


def _stop_at_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


def _print_listening(listening: Listening, db: Path) -> None:
    print(f"OTLP gRPC  {listening.grpc}", f"OTLP HTTP  http://{listening.http}/v1/traces", f"store      {db}", sep="\n")
    sys.stdout.flush()


def _print_roots(roots: Sequence[Root]) -> None:
    for root in roots:
        what = f"{visible(root.service)}  {visible(root.name)}{'  ✗' if root.error else ''}"
        print(f"{root.trace_id}  {format_duration(root.duration_ns):>10}  {what}")
