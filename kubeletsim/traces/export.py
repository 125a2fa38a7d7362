"""The export: traces in the formats of other tools, written piece by piece, the oldest trace first.

otlp-json  OTLP JSON Lines, one trace a line, each line what an OTLP/HTTP receiver takes; loses nothing
jaeger     the JSON that Jaeger UI loads from a file
chrome     trace events for Perfetto, speedscope and chrome://tracing
zipkin     Zipkin v2, what a Zipkin server takes at /api/v2/spans
"""

import json
from collections.abc import Iterator
from enum import StrEnum

from kubeletsim.traces.chrome import chrome_document
from kubeletsim.traces.filters import TraceFilter
from kubeletsim.traces.otlp import to_json
from kubeletsim.traces.span import Span
from kubeletsim.traces.store import TraceStore
from kubeletsim.traces.web.jaeger_shape import TraceWriter
from kubeletsim.traces.zipkin import zipkin_span


class ExportFormat(StrEnum):
    """What an export is made of."""

    OTLP_JSON = "otlp-json"
    JAEGER = "jaeger"
    CHROME = "chrome"
    ZIPKIN = "zipkin"


def exported(store: TraceStore, wanted: TraceFilter, output_format: ExportFormat) -> Iterator[str]:
    """Yield the lines of an export of the traces that a filter lets through; a limit still means the newest."""
    trace_ids = list(store.trace_ids(wanted))[::-1]
    if output_format is ExportFormat.OTLP_JSON:
        yield from (to_json(store.resource_spans(trace_id)) for trace_id in trace_ids)
    elif output_format is ExportFormat.JAEGER:
        writer = TraceWriter()
        documents = (writer.trace(trace_id, store.runs(trace_id)) for trace_id in trace_ids)
        yield from _listed('{"data":[', documents, "]}")
    elif output_format is ExportFormat.ZIPKIN:
        yield from _listed("[", (_dumped(zipkin_span(span)) for span in _spans(store, trace_ids)), "]")
    else:
        first = store.spans(trace_ids[0]) if trace_ids else []
        epoch_ns = min((span.start_ns for span in first), default=0)
        yield from chrome_document((store.spans(trace_id) for trace_id in trace_ids), epoch_ns=epoch_ns)


def otlp_json_lines(store: TraceStore, wanted: TraceFilter) -> Iterator[str]:
    """Yield the traces that a filter lets through as OTLP JSON Lines."""
    return exported(store, wanted, ExportFormat.OTLP_JSON)


def _spans(store: TraceStore, trace_ids: list[str]) -> Iterator[Span]:
    for trace_id in trace_ids:
        yield from store.spans(trace_id)


def _listed(head: str, documents: Iterator[str], tail: str) -> Iterator[str]:
    """Yield a JSON list, one entry a line."""
    yield head
    comma = ""
    for document in documents:
        yield comma + document
        comma = ","
    yield tail


def _dumped(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
