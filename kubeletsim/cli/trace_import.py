"""`kubeletsim traces import`: files into a store."""

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from kubeletsim.cli.trace_query import opened
from kubeletsim.model.errors import ConfigError, Fault
from kubeletsim.traces.batch import Batch
from kubeletsim.traces.importing import ImportFault, imported

_ENOUGH_FOR_A_BATCH_BYTES = 1 << 20


def import_files(files: Sequence[str], db: Path) -> None:
    """Store the traces of files, and tell how many spans each brought; what is before a fault in a file is stored.

    Raises:
        ConfigError: a file cannot be read or is in no known format.
        KubeletSimError: the store cannot take the spans.
    """
    for name in files:
        stored = duplicates = rejected = 0
        fault: ImportFault | None = None
        with _opened_text(name) as file, opened(db, writable=True) as store:
            requests, more = imported(file), True
            while more:
                batch = Batch()
                try:
                    more = _fill(batch, requests)
                except ImportFault as e:
                    fault, more = e, False
                result = store.add_batch(batch)
                stored, duplicates = stored + result.stored, duplicates + result.duplicates
                rejected += result.rejected
        parts = [f"{stored} spans stored"]
        parts += [f"{duplicates} were there already"] if duplicates else []
        parts += [f"{rejected} without usable ids refused"] if rejected else []
        print(f"{name}: {', '.join(parts)}")
        if fault:
            raise ConfigError([Fault(name, None, str(fault))])


def _fill(batch: Batch, requests: Iterator[bytes]) -> bool:
    """Fill a batch; return whether there may be more."""
    size = 0
    for request in requests:
        batch.add(request)
        size += len(request)
        if size >= _ENOUGH_FOR_A_BATCH_BYTES:
            return True
    return False


@contextmanager
def _opened_text(name: str) -> Iterator[TextIO]:
    if name == "-":
        yield io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig")
        return
    try:
        with Path(name).open(encoding="utf-8-sig") as file:
            yield file
    except OSError as e:
        raise ConfigError([Fault(name, None, f"cannot be read: {e.strerror}")]) from None
