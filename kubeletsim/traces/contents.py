"""The contents: spans taken out of the batches they arrived in, and put together as traces again.

Traces that are close in time share batches, so the last few are kept decoded, sorted by trace.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence

from kubeletsim.traces.commit import link_target, payload, unpacked
from kubeletsim.traces.runs import Run, runs_by_trace
from kubeletsim.traces.wire import DrawnSpan

_MOST_SPANS_KEPT = 20_000


class Contents:
    """Reads traces through one connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._decoded: OrderedDict[int, tuple[int, Mapping[bytes, Sequence[Run]]]] = OrderedDict()
        self._spans_kept = 0

    def runs(self, trace_id: bytes) -> list[Run]:
        """Return a trace in the order of arrival; empty when there is none."""
        row = self._db.execute("SELECT batches FROM traces WHERE trace_id = ?", (trace_id,)).fetchone()
        return [run for number in unpacked(row[0]) for run in self._runs(number).get(trace_id, ())] if row else []

    def linking(self, target: bytes) -> Iterator[tuple[bytes, DrawnSpan]]:
        """Yield the spans that link to a span, each with its trace, the latest to arrive first.

        Args:
            target: the span's trace id and span id, in one.
        """
        for (number,) in self._db.execute("SELECT batch FROM links WHERE target = ? ORDER BY batch DESC", (target,)):
            for trace_id, runs in self._runs(number).items():
                for run in runs:
                    for span in run.spans:
                        if span.links and any(link_target(link) == target for link in span.links):
                            yield trace_id, span

    def _runs(self, number: int) -> Mapping[bytes, Sequence[Run]]:
        """Return the spans of a batch by trace."""
        if known := self._decoded.get(number):
            self._decoded.move_to_end(number)
            return known[1]
        row = self._db.execute("SELECT spans, trace_ids FROM batches WHERE id = ?", (number,)).fetchone()
        if row is None:  # made room for, a moment ago
            return {}
        spans, trace_ids = row
        traces = runs_by_trace(payload(self._db, number), only=trace_ids if len(trace_ids) == 16 else None)
        self._decoded[number] = spans, traces
        self._spans_kept += spans
        while self._spans_kept > _MOST_SPANS_KEPT and len(self._decoded) > 1:
            self._spans_kept -= self._decoded.popitem(last=False)[1][0]
        return traces
