"""The store: spans in one SQLite file, written by one process and read by any number while it writes.

Write-ahead logging makes that work: readers see the last commit and never wait. A commit survives kill -9 of the writer
(only a crash of the machine may lose the last moments, for `synchronous` is NORMAL). Senders are answered after the
commit, so what is lost is what nobody was told is safe. A `TraceStore` belongs to one thread at a time.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from kubeletsim.traces import query
from kubeletsim.traces.batch import Batch, Root
from kubeletsim.traces.commit import Committer, payload
from kubeletsim.traces.contents import Contents
from kubeletsim.traces.filters import TraceFilter
from kubeletsim.traces.otlp import decode_spans
from kubeletsim.traces.retention import Retention, expire
from kubeletsim.traces.runs import Run, bare_spans, resource_spans
from kubeletsim.traces.schema import APPLICATION_ID, SCHEMA, VERSION
from kubeletsim.traces.span import Span

_WAIT_FOR_LOCK_SECONDS = 10.0
_FIND_TRACES = "SELECT trace_id FROM traces WHERE trace_id BETWEEN ? AND ? ORDER BY trace_id LIMIT ?"


class TraceStoreError(Exception):
    """The store cannot be used: missing, not one of ours, damaged, full. The text names the file."""


class NoTraceStore(TraceStoreError):
    """There is no trace store at that path, or the file there is something else: the path is wrong."""


@dataclass(frozen=True, slots=True)
class AddResult:
    """What became of the spans of one or several requests."""

    stored: int
    duplicates: int
    rejected: int
    roots: Sequence[Root] = ()


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """A trace in a list; `root_name` and `root_service` are empty until the root span has arrived."""

    trace_id: str
    root_name: str
    root_service: str
    start_ns: int
    end_ns: int
    spans: int
    errors: int
    services: Sequence[str]

    @property
    def duration_ns(self) -> int:
        """Return the time from the first start to the last end."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class LinkingSpan:
    """A span that links to another."""

    trace_id: str
    span_id: str
    name: str


class TraceStore:
    """One open store; a context manager that closes it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._db = connection
        self._committer = Committer(connection)
        self._contents = Contents(connection)
        self._operation_sets = query.OperationSets(connection)

    @classmethod
    def open(cls, path: Path | str) -> Self:
        """Open an existing store for reading, also while another process writes to it.

        Raises:
            NoTraceStore: there is none at this path.
        """
        path = Path(path)
        if not path.is_file():
            raise NoTraceStore(f"{path}: no trace store here; `kubeletsim traces collect --db {path}` makes one")
        return cls._opened(path, mode="ro")

    @classmethod
    def create(cls, path: Path | str) -> Self:
        """Open a store for writing, after making it if there is none.

        Raises:
            NoTraceStore: the file is something else.
            TraceStoreError: it cannot be written.
        """
        path = Path(path)
        if not path.parent.is_dir():
            raise NoTraceStore(f"{path}: there is no directory {path.parent}")
        return cls._opened(path, mode="rwc")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Idempotent."""
        self._db.close()

    def add(self, messages: Iterable[ResourceSpans]) -> AddResult:
        """Store spans in one transaction; when this returns, they are committed."""
        batch = Batch()
        batch.add(ExportTraceServiceRequest(resource_spans=messages).SerializeToString())
        return self.add_batch(batch)

    def add_batch(self, batch: Batch) -> AddResult:
        """Store a batch in one transaction: all of it or, on an error, nothing.

        Raises:
            TraceStoreError: the file cannot take it, e.g. because the disk is full.
        """
        if not batch.traces:
            return AddResult(0, batch.duplicates, batch.rejected)
        with self._transaction():
            written = self._committer.write(batch, received_ns=time.time_ns())
        return AddResult(written.spans, written.duplicates, written.rejected, batch.roots)

    def expire(self, retention: Retention, *, now_ns: int) -> int:
        """Drop what is too old or too much; return how many spans.

        Raises:
            TraceStoreError: the file cannot be written.
        """
        with self._transaction():
            dropped = expire(self._db, retention, now_ns=now_ns)
        if dropped:
            self._committer.forget()
        return dropped

    def traces(self, wanted: TraceFilter | None = None) -> Iterator[TraceSummary]:
        """Yield the traces that a filter lets through, newest start first."""
        with _translated(self.path):
            for row in query.matching(self._db, wanted or TraceFilter()):
                yield self._summary(row)

    def trace_ids(self, wanted: TraceFilter | None = None) -> Iterator[str]:
        """Yield the ids of the traces that a filter lets through, newest start first."""
        with _translated(self.path):
            for row in query.matching(self._db, wanted or TraceFilter()):
                yield row.trace_id.hex()

    def latest_batch(self) -> int:
        """Return the number of what was committed last; 0 in an empty store. For `arrived_since`."""
        with _translated(self.path):
            return int(self._db.execute("SELECT ifnull(max(id), 0) FROM batches").fetchone()[0])

    def next_payload(self, batch: int) -> tuple[int, bytes] | None:
        """Return the batch after this one with its encoded request; None when there is none."""
        with _translated(self.path):
            row = self._db.execute("SELECT min(id) FROM batches WHERE id > ?", (batch,)).fetchone()
            return None if row[0] is None else (row[0], payload(self._db, row[0]))

    def forwarded_to(self, target: str) -> int | None:
        """Return the last batch that another back end has; None when nothing was ever sent there."""
        with _translated(self.path):
            row = self._db.execute("SELECT batch FROM forwarded WHERE target = ?", (target,)).fetchone()
            return int(row[0]) if row else None

    def note_forwarded(self, target: str, batch: int) -> None:
        """Write down the last batch that another back end has.

        Raises:
            TraceStoreError: the file cannot be written.
        """
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO forwarded (target, batch) VALUES (?, ?)", (target, batch))

    def arrived_since(self, batch: int, wanted: TraceFilter | None = None) -> tuple[int, list[TraceSummary]]:
        """Return the latest batch, and the traces let through of which something came after `batch`, newest first."""
        with _translated(self.path):
            latest, trace_ids = query.since(self._db, batch)
            rows = query.matching(self._db, wanted or TraceFilter(), among=trace_ids)
            return latest, [self._summary(row) for row in rows]

    def operations(self) -> list[tuple[str, str]]:
        """Return the pairs of service and span name that have ever arrived, in order."""
        with _translated(self.path):
            return self._db.execute("SELECT service, name FROM operations ORDER BY service, name").fetchall()

    def find(self, prefix: str, *, limit: int = 6) -> list[str]:
        """Return the ids that begin with a prefix of hex digits, at most `limit` of them."""
        digits = prefix.strip().lower()
        if not digits or len(digits) > 32 or set(digits) - set("0123456789abcdef"):
            return []
        low, high = bytes.fromhex(digits.ljust(32, "0")), bytes.fromhex(digits.ljust(32, "f"))
        with _translated(self.path):
            return [row[0].hex() for row in self._db.execute(_FIND_TRACES, (low, high, limit))]

    def spans(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace in the order of their arrival; empty when there is no such trace."""
        return list(decode_spans(self.resource_spans(trace_id)))

    def bare_spans(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace without attributes, resources, events and links, in a third of the time."""
        return list(bare_spans(self.runs(trace_id)))

    def resource_spans(self, trace_id: str) -> list[ResourceSpans]:
        """Return a trace as OTLP, with everything that arrived, grouped by resource and scope."""
        return resource_spans(self.runs(trace_id))

    def runs(self, trace_id: str) -> list[Run]:
        """Return a trace as it came, barely taken apart; the quickest way to look at many spans."""
        with _translated(self.path):
            return self._contents.runs(bytes.fromhex(trace_id))

    def linking(self, trace_id: str, span_id: str) -> Iterator[LinkingSpan]:
        """Yield the spans that link to a span, the latest to arrive first."""
        with _translated(self.path):
            for found, span in self._contents.linking(bytes.fromhex(trace_id + span_id)):
                yield LinkingSpan(found.hex(), span.span_id.hex(), span.name)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                self._committer.forget()
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _summary(self, row: query.TraceRow) -> TraceSummary:
        return TraceSummary(
            trace_id=row.trace_id.hex(),
            root_name=row.root_name or "",
            root_service=row.root_service or "",
            start_ns=row.start_ns,
            end_ns=row.end_ns,
            spans=row.spans,
            errors=row.errors,
            services=self._operation_sets.services(row.operation_set),
        )

    @classmethod
    def _opened(cls, path: Path, *, mode: str) -> Self:
        with _translated(path):
            uri = f"file:{quote(str(path.absolute()))}?mode={mode}"
            store = cls(
                sqlite3.connect(
                    uri, uri=True, timeout=_WAIT_FOR_LOCK_SECONDS, isolation_level=None, check_same_thread=False
                ),
                path,
            )
        try:
            store._prepare(writable=mode == "rwc")
        except TraceStoreError:
            store.close()
            raise
        return store

    def _prepare(self, *, writable: bool) -> None:
        self._check(empty_is_fine=writable)
        if writable:
            with _translated(self.path):
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.executescript(f"BEGIN IMMEDIATE; {SCHEMA}; COMMIT;")

    def _check(self, *, empty_is_fine: bool) -> None:
        """Make sure that the file is a store of a version this program knows."""
        with _translated(self.path):
            [application_id] = self._db.execute("PRAGMA application_id").fetchone()
            [version] = self._db.execute("PRAGMA user_version").fetchone()
            [tables] = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if application_id != APPLICATION_ID and not (empty_is_fine and tables == 0 and application_id == 0):
            raise NoTraceStore(f"{self.path}: not a trace store")
        if version > VERSION:
            raise TraceStoreError(f"{self.path}: written by a newer kubeletsim (format {version}, known {VERSION})")
        if 0 < version < VERSION:
            raise TraceStoreError(
                f"{self.path}: written by an older kubeletsim (format {version}, this one has {VERSION}); "
                "export it with that one, or collect into another file"
            )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as e:
        if "not a database" in str(e):
            raise NoTraceStore(f"{path}: not a trace store ({e})") from e
        raise TraceStoreError(f"{path}: {e}") from e
