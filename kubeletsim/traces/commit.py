"""The commit: a batch becomes rows, within a transaction that the store opens and closes.

What the database knows under a number (operations, sets of them, attributes) is remembered here, and the span ids of
the latest batches, by which spans that come again are found. After a rollback, and when somebody else has written to
the file, all of that is forgotten.
"""

import sqlite3
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces.attribute_index import index_attributes
from kubeletsim.traces.batch import Batch, TracePart, has_usable_ids, identity, surroundings
from kubeletsim.traces.filters import text_of
from kubeletsim.traces.otlp import decode_value, parse_request

_COMPRESSION = 1  # the quickest: stores shrink to a third, and other threads go on meanwhile
_MOST_NUMBERS_REMEMBERED = 50_000
_MOST_SPAN_IDS_REMEMBERED = 200_000
_LOOKED_BACK_BATCHES = 256
_MOST_PARAMETERS = 500
_READ_TRACES = """
SELECT trace_id, start_ns, end_ns, spans, errors, root_operation, root_start_ns, operations, batches
FROM traces JOIN operation_sets ON operation_sets.id = operation_set WHERE trace_id IN ({})
"""
_WRITE_TRACE = """
INSERT OR REPLACE INTO traces
    (trace_id, start_ns, end_ns, spans, errors, root_operation, root_start_ns, operation_set, batches)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_TraceRow = tuple[bytes, int, int, int, int, int | None, int | None, bytes, bytes]


class Committer:
    """Writes batches through one connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._operations: dict[tuple[str, str], int] = {}
        self._operation_sets: dict[bytes, int] = {}
        self._attributes: dict[bytes, int] = {}
        self._span_ids: OrderedDict[int, frozenset[bytes]] = OrderedDict()
        self._span_ids_remembered = 0
        self._data_version: int | None = None

    def forget(self) -> None:
        """Forget everything remembered: the transaction it is from was rolled back."""
        for memory in (self._operations, self._operation_sets, self._attributes, self._span_ids):
            memory.clear()
        self._span_ids_remembered = 0

    def write(self, batch: Batch, *, received_ns: int) -> Batch:
        """Write a batch; return it without the spans that were there already."""
        self._forget_what_others_changed()
        known = {row[0]: row for row in self._known_traces(batch.traces)}
        before = self._overlapping(batch, known)
        if before or batch.is_doubtful():
            batch = batch.without(self._identities(before, batch.traces))
        if not batch.traces:
            return batch
        number = self._write_batch(batch, received_ns)
        self._write_traces(batch, known, number)
        self._write_attributes(batch, number)
        self._write_links(batch, number)
        for memory in (self._operations, self._operation_sets, self._attributes):
            if len(memory) > _MOST_NUMBERS_REMEMBERED:
                memory.clear()
        return batch

    def _forget_what_others_changed(self) -> None:
        """Another process may have written since: an import, or a collector that made room."""
        [version] = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._data_version:
            self.forget()
        self._data_version = version

    def _known_traces(self, trace_ids: Iterable[bytes]) -> Iterator[_TraceRow]:
        left = iter(trace_ids)
        while some := list(islice(left, _MOST_PARAMETERS)):
            yield from self._db.execute(_READ_TRACES.format(",".join("?" * len(some))), some)

    def _overlapping(self, batch: Batch, known: dict[bytes, _TraceRow]) -> set[int]:
        """Return the batches in which a trace of this batch had one of the span ids it has here."""
        overlapping: set[int] = set()
        for trace_id, row in known.items():
            span_ids = batch.traces[trace_id].span_ids
            for number in unpacked(row[8])[-_LOOKED_BACK_BATCHES:]:
                if number not in overlapping and not self._span_ids_of(number).isdisjoint(span_ids):
                    overlapping.add(number)
        return overlapping

    def _span_ids_of(self, number: int) -> frozenset[bytes]:
        if (found := self._span_ids.get(number)) is not None:
            self._span_ids.move_to_end(number)
            return found
        row = self._db.execute("SELECT span_ids FROM batches WHERE id = ?", (number,)).fetchone()
        joined: bytes = row[0] if row else b""
        span_ids = frozenset(joined[at : at + 8] for at in range(0, len(joined), 8))
        self._remember_span_ids(number, span_ids)
        return span_ids

    def _remember_span_ids(self, number: int, span_ids: frozenset[bytes]) -> None:
        self._span_ids[number] = span_ids
        self._span_ids_remembered += len(span_ids)
        while self._span_ids_remembered > _MOST_SPAN_IDS_REMEMBERED and len(self._span_ids) > 1:
            self._span_ids_remembered -= len(self._span_ids.popitem(last=False)[1])

    def _identities(self, numbers: Iterable[int], trace_ids: Iterable[bytes]) -> set[bytes]:
        """Return the identities of the spans that these traces have in these batches."""
        wanted = frozenset(trace_ids)
        found: set[bytes] = set()
        for number in numbers:
            for one in parse_request(payload(self._db, number)).resource_spans:
                for scope_spans in one.scope_spans:
                    around = surroundings(one, scope_spans)
                    found.update(identity(around, span) for span in scope_spans.spans if span.trace_id in wanted)
        return found

    def _write_batch(self, batch: Batch, received_ns: int) -> int:
        span_ids = frozenset().union(*(part.span_ids for part in batch.traces.values()))
        number = self._db.execute(
            "INSERT INTO batches (received_ns, spans, trace_ids, span_ids) VALUES (?, ?, ?, ?)",
            (received_ns, batch.spans, b"".join(batch.traces), b"".join(span_ids)),
        ).lastrowid
        if number is None:
            raise sqlite3.InternalError("an inserted row has no number")
        content = zlib.compress(batch.payload, _COMPRESSION)
        self._db.execute("INSERT INTO payloads (batch, content) VALUES (?, ?)", (number, content))
        self._remember_span_ids(number, span_ids)
        return number

    def _write_traces(self, batch: Batch, known: dict[bytes, _TraceRow], number: int) -> None:
        operations = [self._operation(*operation) for operation in batch.operations]
        self._db.executemany(
            _WRITE_TRACE,
            [
                self._trace_values(trace_id, part, operations, known.get(trace_id), number)
                for trace_id, part in batch.traces.items()
            ],
        )

    def _trace_values(
        self, trace_id: bytes, part: TracePart, operations: Sequence[int], known: _TraceRow | None, number: int
    ) -> tuple[object, ...]:
        start_ns, end_ns, spans, errors = part.start_ns, part.end_ns, part.spans, part.errors
        root, root_start_ns = None if part.root is None else operations[part.root], part.root_start_ns
        members, batches = {operations[position] for position in part.operations}, packed([number])
        if known:
            start_ns, end_ns = min(start_ns, known[1]), max(end_ns, known[2])
            spans, errors = spans + known[3], errors + known[4]
            # Of several roots the first to start counts.
            if known[6] is not None and (root_start_ns is None or known[6] <= root_start_ns):
                root, root_start_ns = known[5], known[6]
            members.update(unpacked(known[7]))
            batches = known[8] + batches
        operation_set = self._operation_set(packed(sorted(members)))
        return trace_id, start_ns, end_ns, spans, errors, root, root_start_ns, operation_set, batches

    def _operation(self, service: str, name: str) -> int:
        if (number := self._operations.get((service, name))) is None:
            insert, find = "(service, name) VALUES (?, ?)", "service = ? AND name = ?"
            number = self._operations[service, name] = self._number("operations", insert, find, (service, name))
        return number

    def _operation_set(self, members: bytes) -> int:
        if (number := self._operation_sets.get(members)) is None:
            insert, find = "(operations) VALUES (?)", "operations = ?"
            number = self._operation_sets[members] = self._number("operation_sets", insert, find, (members,))
        return number

    def _attribute(self, encoded: bytes) -> int:
        if (number := self._attributes.get(encoded)) is None:
            pair = KeyValue.FromString(encoded)
            insert, find = "(key, value) VALUES (?, ?)", "key = ? AND value = ?"
            key = (pair.key, text_of(decode_value(pair.value)))
            number = self._attributes[encoded] = self._number("attributes", insert, find, key)
        return number

    def _number(self, table: str, insert: str, find: str, key: tuple[object, ...]) -> int:
        self._db.execute(f"INSERT OR IGNORE INTO {table} {insert}", key)
        return int(self._db.execute(f"SELECT id FROM {table} WHERE {find}", key).fetchone()[0])  # noqa: S608  constants

    def _write_attributes(self, batch: Batch, number: int) -> None:
        index = index_attributes(batch.attributes)
        self._db.executemany(
            "INSERT OR IGNORE INTO attribute_batches (attribute, batch) VALUES (?, ?)",
            [(self._attribute(encoded), number) for encoded in index.listed],
        )
        self._db.executemany(
            "INSERT INTO attribute_texts (key, batch, texts) VALUES (?, ?, ?)",
            [(key, number, texts) for key, texts in index.joined.items()],
        )

    def _write_links(self, batch: Batch, number: int) -> None:
        targets = {target for encoded in batch.links if (target := link_target(encoded))}
        self._db.executemany(
            "INSERT OR IGNORE INTO links (target, batch) VALUES (?, ?)", [(target, number) for target in targets]
        )


def payload(db: sqlite3.Connection, number: int) -> bytes:
    """Return the requests of a batch, as one."""
    row = db.execute("SELECT content FROM payloads WHERE batch = ?", (number,)).fetchone()
    try:
        return zlib.decompress(row[0]) if row else b""
    except zlib.error as e:
        raise sqlite3.DatabaseError(f"batch {number} is damaged: {e}") from e


def link_target(encoded: bytes) -> bytes:
    """Return what an encoded link names, a trace id and a span id in one; empty when they are unusable."""
    link = SpanMessage.Link.FromString(encoded)
    return link.trace_id + link.span_id if has_usable_ids(link.trace_id, link.span_id) else b""


def packed(numbers: Iterable[int]) -> bytes:
    """Return numbers as the store keeps lists of them."""
    return array("q", numbers).tobytes()


def unpacked(data: bytes) -> Sequence[int]:
    """Return the numbers of a list as the store keeps it."""
    return array("q", data)
