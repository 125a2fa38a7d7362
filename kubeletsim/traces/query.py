"""The questions in SQL: a filter as a condition on traces, and the search for attributes. Reads one connection."""

import re
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from itertools import islice

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from kubeletsim.traces import wire
from kubeletsim.traces.attribute_index import Pattern, texts_in
from kubeletsim.traces.commit import payload, unpacked
from kubeletsim.traces.filters import AttributeFilter, TraceFilter, as_glob, text_of
from kubeletsim.traces.otlp import decode_value

_SELECT = """
SELECT trace_id, start_ns, end_ns, spans, errors, root.service, root.name, operation_set, batches
FROM traces LEFT JOIN operations root ON root.id = root_operation
"""
_MATCHING = "SELECT trace_id FROM traces"
_FEW_BATCHES, _MANY_PARTS = 64, 8
_MOST_PARAMETERS = 500
_MOST_DECODED = 16


@dataclass(frozen=True, slots=True)
class TraceRow:
    """A trace as the store has it."""

    trace_id: bytes
    start_ns: int
    end_ns: int
    spans: int
    errors: int
    root_service: str | None
    root_name: str | None
    operation_set: int
    batches: bytes


def matching(
    db: sqlite3.Connection, wanted: TraceFilter, *, among: Collection[bytes] | None = None
) -> Iterator[TraceRow]:
    """Yield the traces that a filter lets through, newest start first; only those `among` some ids, if given."""
    search = AttributeSearch(db, wanted.attributes) if wanted.attributes else None
    if among is None and search and search.is_in_few():
        among = search.trace_ids()
    rows = _all(db, wanted) if among is None else _among(db, wanted, among)
    yield from islice((row for row in rows if search is None or search.matches(row)), wanted.limit)


def since(db: sqlite3.Connection, batch: int) -> tuple[int, set[bytes]]:
    """Return the number of the latest batch, and the traces that have a part in those after `batch`."""
    trace_ids: set[bytes] = set()
    for number, joined in db.execute("SELECT id, trace_ids FROM batches WHERE id > ? ORDER BY id", (batch,)):
        batch = number
        trace_ids.update(joined[at : at + 16] for at in range(0, len(joined), 16))
    return batch, trace_ids


def _all(db: sqlite3.Connection, wanted: TraceFilter) -> Iterator[TraceRow]:
    conditions, parameters = _conditions(db, wanted)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    # In two steps: the first needs only an index, and a list of twenty is content with the beginning of both.
    for (trace_id,) in db.execute(f"{_MATCHING} {where} ORDER BY start_ns DESC, trace_id DESC", parameters):
        for row in db.execute(f"{_SELECT} WHERE trace_id = ?", (trace_id,)):
            yield TraceRow(*row)


def _among(db: sqlite3.Connection, wanted: TraceFilter, trace_ids: Collection[bytes]) -> Iterator[TraceRow]:
    conditions, parameters = _conditions(db, wanted)
    found: list[TraceRow] = []
    left = iter(trace_ids)
    while some := list(islice(left, _MOST_PARAMETERS)):
        among = f"trace_id IN ({','.join('?' * len(some))})"
        where = " AND ".join([*conditions, among])
        found.extend(TraceRow(*row) for row in db.execute(f"{_SELECT} WHERE {where}", [*parameters, *some]))
    yield from sorted(found, key=lambda row: (row.start_ns, row.trace_id), reverse=True)


def _conditions(db: sqlite3.Connection, wanted: TraceFilter) -> tuple[list[str], list[object]]:
    """Return what of a filter the columns of a trace can answer."""
    asked = [
        ("start_ns >= ?", wanted.since_ns or None),
        ("start_ns <= ?", wanted.until_ns or None),
        ("end_ns - start_ns >= ?", wanted.min_duration_ns or None),
        ("end_ns - start_ns <= ?", wanted.max_duration_ns),
    ]
    conditions = [condition for condition, value in asked if value is not None]
    parameters: list[object] = [value for _, value in asked if value is not None]
    if wanted.root_name is not None:
        found = db.execute("SELECT id FROM operations WHERE name GLOB ?", (as_glob(wanted.root_name),))
        conditions.append(f"root_operation IN ({','.join(str(number) for (number,) in found)})")
    if wanted.error:
        conditions.append("errors > 0")
    if wanted.service is not None or wanted.operation is not None:
        numbers = _operation_sets(db, wanted.service or "*", wanted.operation or "*")
        conditions.append(f"operation_set IN ({','.join(map(str, numbers))})")
    return conditions, parameters


def _operation_sets(db: sqlite3.Connection, service: str, name: str) -> list[int]:
    """Return the sets that hold an operation with such a service and name."""
    found = db.execute(
        "SELECT id FROM operations WHERE service GLOB ? AND name GLOB ?", (as_glob(service), as_glob(name))
    )
    wanted = {number for (number,) in found}
    sets = db.execute("SELECT id, operations FROM operation_sets")
    return [number for number, members in sets if not wanted.isdisjoint(unpacked(members))]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An attribute that is looked for."""

    key: str
    encoded_key: bytes
    plain_start: bytes
    """How a KeyValue of this key begins, if it was encoded as nearly all are; nothing for very long keys."""
    matches: Callable[[str], object]

    @classmethod
    def of(cls, one: AttributeFilter) -> "_Wanted":
        key = one.key.encode(errors="surrogatepass")
        plain_start = bytes((0x0A, len(key))) + key if len(key) < 0x80 else b""
        return cls(one.key, key, plain_start, re.compile(translate(as_glob(one.value))).match)

    def value_in(self, encoded: Sequence[bytes]) -> str | None:
        """Return the text of the attribute among encoded KeyValues; None when it is not there. The last one counts."""
        found = None
        for one in encoded:
            if self.plain_start and one.startswith(self.plain_start):
                found = texts_in((one,), len(self.plain_start))[0].decode()
            elif self.encoded_key in one and (pair := KeyValue.FromString(one)).key == self.key:
                found = text_of(decode_value(pair.value))
        return found


class _Verdicts(dict[bytes, bool]):
    """Whether an encoded KeyValue is what is looked for: told once for all that are equal."""

    def __init__(self, wanted: _Wanted) -> None:
        super().__init__()
        self._wanted = wanted

    def __missing__(self, encoded: bytes) -> bool:
        text = self._wanted.value_in((encoded,))
        verdict = self[encoded] = text is not None and bool(self._wanted.matches(text))
        return verdict


_Found = tuple[wire.WireSpan, Sequence[str | None]]
"""A span of a batch, and the texts that its resource has for what is wanted."""


class AttributeSearch:
    """Finds traces in which a span has all the wanted attributes, itself or in its resource."""

    def __init__(self, db: sqlite3.Connection, wanted: Sequence[AttributeFilter]) -> None:
        self._db = db
        self._wanted = [_Wanted.of(one) for one in wanted]
        self._read: OrderedDict[int, dict[bytes, list[_Found]]] = OrderedDict()
        self.batches = frozenset.intersection(*(frozenset(self._candidates(one)) for one in wanted))
        """The batches that can hold such spans."""

    def is_in_few(self) -> bool:
        """Tell whether it takes less to look at all traces of these batches than at trace after trace."""
        first, last = self._db.execute("SELECT min(id), max(id) FROM batches").fetchone()
        return first is None or len(self.batches) <= max(_FEW_BATCHES, (last - first) // _MANY_PARTS)

    def trace_ids(self) -> set[bytes]:
        """Return the traces with a part in the candidate batches."""
        found: set[bytes] = set()
        for number in self.batches:
            for (joined,) in self._db.execute("SELECT trace_ids FROM batches WHERE id = ?", (number,)):
                found.update(joined[at : at + 16] for at in range(0, len(joined), 16))
        return found

    def matches(self, trace: TraceRow) -> bool:
        """Tell whether a trace has such a span."""
        return any(
            self._has_all(found)
            for number in unpacked(trace.batches)
            if number in self.batches
            for found in self._spans(number).get(trace.trace_id, ())
        )

    def _candidates(self, one: AttributeFilter) -> Iterator[int]:
        listed = """
        SELECT DISTINCT batch FROM attribute_batches
        WHERE attribute IN (SELECT id FROM attributes WHERE key = ? AND value GLOB ?)
        """
        yield from (batch for (batch,) in self._db.execute(listed, (one.key, as_glob(one.value))))
        pattern = Pattern(one.value)
        for batch, texts in self._db.execute("SELECT batch, texts FROM attribute_texts WHERE key = ?", (one.key,)):
            if pattern.can_be_in(texts):
                yield batch

    def _has_all(self, found: _Found) -> bool:
        span, resource = found
        attributes = span.attributes
        for one, of_resource in zip(self._wanted, resource, strict=True):
            text = one.value_in(attributes)
            text = of_resource if text is None else text
            if text is None or not one.matches(text):
                return False
        return True

    def _spans(self, number: int) -> dict[bytes, list[_Found]]:
        """Return what can match in a batch, by trace. The last few are kept, for neighbours in time share batches."""
        if (known := self._read.get(number)) is not None:
            return known
        traces: dict[bytes, list[_Found]] = {}
        verdicts = [_Verdicts(wanted).__getitem__ for wanted in self._wanted]
        for one in wire.read(payload(self._db, number)):
            resource = [wanted.value_in(one.resource.attributes) for wanted in self._wanted]
            left = [
                verdict
                for verdict, wanted, text in zip(verdicts, self._wanted, resource, strict=True)
                if text is None or not wanted.matches(text)
            ]
            for scope_spans in one.scope_spans:
                for span in scope_spans.spans:
                    if all(any(map(verdict, span.attributes)) for verdict in left):
                        traces.setdefault(span.trace_id, []).append((span, resource))
        self._read[number] = traces
        if len(self._read) > _MOST_DECODED:
            self._read.popitem(last=False)
        return traces


class OperationSets:
    """The services that a trace's set of operations stands for."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._services: dict[int, Sequence[str]] = {}

    def services(self, number: int) -> Sequence[str]:
        """Return the services of a set in alphabetical order."""
        if (known := self._services.get(number)) is None:
            members = self._db.execute("SELECT operations FROM operation_sets WHERE id = ?", (number,)).fetchone()
            named = (
                self._db.execute("SELECT service FROM operations WHERE id = ?", (one,)).fetchone()
                for one in (unpacked(members[0]) if members else ())
            )
            known = self._services[number] = sorted({row[0] for row in named if row})
        return known
