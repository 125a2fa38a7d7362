"""The contents: spans taken out of the batches they arrived in, and put together as traces again.

Traces that are close in time share batches, so the last few are kept decoded, sorted by trace.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces.batch import surroundings
from kubeletsim.traces.commit import payload, unpacked
from kubeletsim.traces.otlp import parse_request

_MOST_SPANS_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class _Run:
    """Spans of one trace that came together in one scope."""

    resource: bytes
    scope: bytes
    spans: list[SpanMessage]


class Contents:
    """Reads traces through one connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._decoded: OrderedDict[int, tuple[int, Mapping[bytes, Sequence[_Run]]]] = OrderedDict()
        self._spans_kept = 0

    def resource_spans(self, trace_id: bytes) -> list[ResourceSpans]:
        """Return a trace with everything that arrived, grouped by resource and scope; empty when there is none."""
        row = self._db.execute("SELECT batches FROM traces WHERE trace_id = ?", (trace_id,)).fetchone()
        groups: dict[bytes, tuple[ResourceSpans, dict[bytes, ScopeSpans]]] = {}
        for number in unpacked(row[0]) if row else ():
            for run in self._runs(number).get(trace_id, ()):
                if run.resource not in groups:
                    groups[run.resource] = ResourceSpans.FromString(run.resource), {}
                resource_spans, scopes = groups[run.resource]
                if run.scope not in scopes:
                    scopes[run.scope] = resource_spans.scope_spans.add()
                    scopes[run.scope].MergeFromString(run.scope)
                scopes[run.scope].spans.extend(run.spans)
        return [resource_spans for resource_spans, _ in groups.values()]

    def _runs(self, number: int) -> Mapping[bytes, Sequence[_Run]]:
        """Return the spans of a batch by trace."""
        if known := self._decoded.get(number):
            self._decoded.move_to_end(number)
            return known[1]
        spans, traces = 0, dict[bytes, list[_Run]]()
        for one in parse_request(payload(self._db, number)).resource_spans:
            for scope_spans in one.scope_spans:
                resource, scope = surroundings(one, scope_spans)
                runs: dict[bytes, _Run] = {}
                for span in scope_spans.spans:
                    if (run := runs.get(trace_id := span.trace_id)) is None:
                        run = runs[trace_id] = _Run(resource, scope, [])
                        traces.setdefault(trace_id, []).append(run)
                    run.spans.append(span)
                spans += len(scope_spans.spans)
        self._decoded[number] = spans, traces
        self._spans_kept += spans
        while self._spans_kept > _MOST_SPANS_KEPT and len(self._decoded) > 1:
            self._spans_kept -= self._decoded.popitem(last=False)[1][0]
        return traces
