"""The SQL of the store: statements, their values, and a filter as a condition. Knows no file."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces.filters import AttributeFilter, TraceFilter, as_glob
from kubeletsim.traces.otlp import decode_attributes
from kubeletsim.traces.rows import Rows

Match: TypeAlias = tuple[bytes, int, int, str | None, str | None]
"""Trace id, start, end, and service and name of the root."""

INSERT_SURROUNDINGS = "INSERT OR IGNORE INTO surroundings (resource, scope) VALUES (?, ?)"
FIND_SURROUNDINGS = "SELECT id FROM surroundings WHERE resource = ? AND scope = ?"
INSERT_OPERATION = "INSERT OR IGNORE INTO operations (service, name) VALUES (?, ?)"
FIND_OPERATION = "SELECT id FROM operations WHERE service = ? AND name = ?"
INSERT_SPAN = """
INSERT OR IGNORE INTO spans
    (trace_id, span_id, checksum, surroundings, operation, start_ns, duration_ns, error, raw)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
# Everything here may be applied twice without harm, so duplicates need no care. Of several roots the first to start
# counts.
UPSERT_TRACE = """
INSERT INTO traces (trace_id, start_ns, end_ns, error, root_operation, root_start_ns) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (trace_id) DO UPDATE SET
    start_ns = min(start_ns, excluded.start_ns),
    end_ns = max(end_ns, excluded.end_ns),
    error = max(error, excluded.error),
    root_operation = CASE WHEN excluded.root_start_ns < ifnull(root_start_ns, 9223372036854775807)
                     THEN excluded.root_operation ELSE root_operation END,
    root_start_ns = min(ifnull(root_start_ns, excluded.root_start_ns), ifnull(excluded.root_start_ns, root_start_ns))
"""
INSERT_TRACE_OPERATION = "INSERT OR IGNORE INTO trace_operations (operation, trace_id) VALUES (?, ?)"
_SELECT_TRACES = """
SELECT traces.trace_id, start_ns, end_ns, root.service, root.name
FROM traces LEFT JOIN operations root ON root.id = root_operation
"""
_SURROUNDINGS = "SELECT id, resource FROM surroundings"
COUNT_SPANS = "SELECT count(*), ifnull(sum(error), 0) FROM spans WHERE trace_id = ?"
SERVICES = """
SELECT DISTINCT service FROM operations WHERE id IN (SELECT operation FROM spans WHERE trace_id = ?) ORDER BY service
"""
FIND_TRACES = "SELECT trace_id FROM traces WHERE trace_id BETWEEN ? AND ? ORDER BY trace_id LIMIT ?"
RAW_SPANS = """
SELECT resource, scope, raw FROM spans JOIN surroundings ON surroundings.id = spans.surroundings
WHERE trace_id = ? ORDER BY spans.id
"""


def span_values(rows: Rows, surroundings: Sequence[int], operations: Sequence[int]) -> Iterator[tuple[object, ...]]:
    """Yield the values of INSERT_SPAN; positions become ids."""
    for span in rows.spans:
        yield (
            span.trace_id,
            span.span_id,
            span.checksum,
            surroundings[span.surroundings],
            operations[span.operation],
            span.start_ns,
            span.duration_ns,
            span.error,
            span.raw,
        )


def trace_values(rows: Rows, operations: Sequence[int]) -> list[tuple[object, ...]]:
    """Return the values of UPSERT_TRACE, one row a trace."""
    traces: dict[bytes, tuple[int, int, bool, int | None, int | None]] = {}
    for span in rows.spans:
        end_ns = span.start_ns + span.duration_ns
        known = traces.get(span.trace_id)
        start, end, error, root, root_start = known or (span.start_ns, end_ns, False, None, None)
        if span.root and (root_start is None or span.start_ns < root_start):
            root, root_start = operations[span.operation], span.start_ns
        traces[span.trace_id] = min(start, span.start_ns), max(end, end_ns), error or span.error, root, root_start
    return [(trace_id, *values) for trace_id, values in traces.items()]


def trace_operations(rows: Rows, operations: Sequence[int]) -> set[tuple[int, bytes]]:
    """Return the values of INSERT_TRACE_OPERATION, each once."""
    return {(operations[span.operation], span.trace_id) for span in rows.spans}


def matching(wanted: TraceFilter) -> tuple[str, list[object]]:
    """Return the statement that finds what a filter lets through.

    It may let through more where attributes are wanted, since they are only in the bytes of spans: see
    `AttributeSearch`. The limit is not in it for the same reason.
    """
    conditions: list[str] = []
    parameters: list[object] = []
    if wanted.since_ns:
        conditions.append("start_ns >= ?")
        parameters.append(wanted.since_ns)
    if wanted.min_duration_ns:
        conditions.append("end_ns - start_ns >= ?")
        parameters.append(wanted.min_duration_ns)
    if wanted.max_duration_ns is not None:
        conditions.append("end_ns - start_ns <= ?")
        parameters.append(wanted.max_duration_ns)
    if wanted.until_ns:
        conditions.append("start_ns <= ?")
        parameters.append(wanted.until_ns)
    if wanted.error:
        conditions.append("error")
    if wanted.root_name is not None:
        conditions.append("root.name GLOB ?")
        parameters.append(as_glob(wanted.root_name))
    if wanted.service is not None or wanted.operation is not None:
        conditions.append(
            "EXISTS (SELECT 1 FROM trace_operations o WHERE o.trace_id = traces.trace_id AND o.operation IN"
            " (SELECT id FROM operations WHERE service GLOB ? AND name GLOB ?))"
        )
        parameters += [as_glob(wanted.service or "*"), as_glob(wanted.operation or "*")]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"{_SELECT_TRACES} {where} ORDER BY start_ns DESC, traces.trace_id", parameters


class AttributeSearch:
    """Finds traces in which a span has all the wanted attributes, itself or in its resource."""

    def __init__(self, db: sqlite3.Connection, wanted: Sequence[AttributeFilter]) -> None:
        self._db = db
        self._wanted = wanted
        self._resources = {
            number: decode_attributes(ResourceSpans.FromString(resource).resource.attributes)
            for number, resource in (db.execute(_SURROUNDINGS) if wanted else ())
        }
        self._sql, self._parameters = self._candidates()

    def matches(self, trace_id: bytes) -> bool:
        """Tell whether a trace has such a span."""
        if not self._wanted:
            return True
        for surroundings, raw in self._db.execute(self._sql, (trace_id, *self._parameters)):
            own = decode_attributes(SpanMessage.FromString(raw).attributes)
            attributes = {**self._resources.get(surroundings, {}), **own}
            if all(one.matches(attributes) for one in self._wanted):
                return True
        return False

    def _candidates(self) -> tuple[str, list[object]]:
        """Return the statement for spans worth decoding: text is in a span's bytes as it is written."""
        sql, parameters = "SELECT surroundings, raw FROM spans WHERE trace_id = ?", list[object]()
        for one in self._wanted:
            needles = [one.key, one.value] if _is_surely_text(one.value) else [one.key]
            in_resource = [number for number, attributes in self._resources.items() if one.matches(attributes)]
            here = " AND ".join("instr(raw, ?) > 0" for _ in needles)
            sql += f" AND ({here} OR surroundings IN ({','.join(map(str, in_resource))}))"
            parameters += [needle.encode() for needle in needles]
        return sql, parameters


def _is_surely_text(value: str) -> bool:
    """Tell whether only a string attribute can look like this, not a number, a boolean, bytes or a list."""
    if any(special in value for special in "*?[{") or value in ("true", "false", "null", "nan", "inf", "-inf"):
        return False
    return any(letter not in "0123456789abcdefABCDEF+-." for letter in value)
