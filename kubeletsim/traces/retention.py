"""Retention: makes room by age, by number of spans, by size. Whole traces go, the oldest arrivals first.

Batches are dropped in the order in which they came, and with a batch every trace that has a part in it: a trace is
there whole or not at all. Pages that become free are used again, so the file stops growing; it does not shrink.
"""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]i?|)B?")
_LARGEST = 1 << 60
_MOST_PARAMETERS = 500
_PORTIONS = 50
_TIDY = (
    "DELETE FROM attribute_batches WHERE batch <= ?",
    "DELETE FROM attribute_texts WHERE batch <= ?",
    "DELETE FROM links WHERE batch <= ?",
    "DELETE FROM payloads WHERE batch <= ?",
    "DELETE FROM batches WHERE id <= ?",
)
_UNUSED = (
    "DELETE FROM attributes WHERE id NOT IN (SELECT attribute FROM attribute_batches)",
    "DELETE FROM operation_sets WHERE id NOT IN (SELECT operation_set FROM traces)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much a store keeps; None sets no limit."""

    max_age_seconds: float | None = None
    """Since its arrival."""
    max_spans: int | None = None
    max_bytes: int | None = None
    """Of the pages in use; the file is a little larger while it is written to."""

    @property
    def keeps_all(self) -> bool:
        """Tell whether there is no limit at all."""
        return self.max_age_seconds is None and self.max_spans is None and self.max_bytes is None


def parse_size(text: str) -> int:
    """Parse a size such as 500MB, 2GiB or 1000000 into bytes.

    Raises:
        ValueError: it is none, or is nothing.
    """
    match = _SIZE.fullmatch(text)
    size = float(match[1]) * _UNITS[match[2]] if match else 0
    if not 1 <= size < _LARGEST:
        raise ValueError(f"{text!r} is not a size such as 500MB or 2GiB")
    return round(size)


def expire(db: sqlite3.Connection, retention: Retention, *, now_ns: int) -> int:
    """Drop what is too old or too much, within a transaction of the caller's; return how many spans."""
    last = max(_last_too_old(db, retention, now_ns), _last_too_many(db, retention))
    dropped = _drop(db, last) if last else 0
    while retention.max_bytes is not None and _bytes_used(db) > retention.max_bytes:
        if not (last := _portion(db)):
            break
        dropped += _drop(db, last)
    if dropped:
        for statement in _UNUSED:
            db.execute(statement)
    return dropped


def _last_too_old(db: sqlite3.Connection, retention: Retention, now_ns: int) -> int:
    if retention.max_age_seconds is None:
        return 0
    oldest_ns = max(0, now_ns - round(retention.max_age_seconds * 1e9))
    return _number(db, "SELECT max(id) FROM batches WHERE received_ns < ?", oldest_ns)


def _last_too_many(db: sqlite3.Connection, retention: Retention) -> int:
    if retention.max_spans is None:
        return 0
    left = _number(db, "SELECT sum(spans) FROM batches") - retention.max_spans
    last = 0
    if left > 0:
        for number, spans in db.execute("SELECT id, spans FROM batches ORDER BY id"):
            last, left = number, left - spans
            if left <= 0:
                break
    return last


def _portion(db: sqlite3.Connection) -> int:
    """Return the last of the oldest few batches; 0 when there are none."""
    [(first, last)] = db.execute("SELECT min(id), max(id) FROM batches")
    return 0 if first is None else first + (last - first) // _PORTIONS


def _bytes_used(db: sqlite3.Connection) -> int:
    pages, free, size = (_number(db, f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * size


def _drop(db: sqlite3.Connection, last: int) -> int:
    """Drop all batches up to one, and the traces that have a part in them; return how many spans."""
    spans = _number(db, "SELECT sum(spans) FROM batches WHERE id <= ?", last)
    trace_ids = _trace_ids(db, last)
    while some := list(islice(trace_ids, _MOST_PARAMETERS)):
        db.execute(f"DELETE FROM traces WHERE trace_id IN ({','.join('?' * len(some))})", some)  # noqa: S608
    for statement in _TIDY:
        db.execute(statement, (last,))
    return spans


def _trace_ids(db: sqlite3.Connection, last: int) -> Iterator[bytes]:
    for (joined,) in db.execute("SELECT trace_ids FROM batches WHERE id <= ?", (last,)).fetchall():
        yield from (joined[at : at + 16] for at in range(0, len(joined), 16))


def _number(db: sqlite3.Connection, statement: str, *parameters: int) -> int:
    return int(db.execute(statement, parameters).fetchone()[0] or 0)
