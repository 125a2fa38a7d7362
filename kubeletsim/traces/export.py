"""The export: traces as OTLP JSON Lines, one trace a line, each line what an OTLP/HTTP receiver takes."""

from collections.abc import Iterator

from kubeletsim.traces.filters import TraceFilter
from kubeletsim.traces.otlp import to_json
from kubeletsim.traces.store import TraceStore


def otlp_json_lines(store: TraceStore, wanted: TraceFilter) -> Iterator[str]:
    """Yield the traces that a filter lets through, the oldest first; a limit still means the newest."""
    for trace_id in reversed(list(store.trace_ids(wanted))):
        yield to_json(store.resource_spans(trace_id))
