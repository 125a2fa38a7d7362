"""The questions: what the API asks of a store, in a reader's thread. Each returns a document."""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from kubeletsim.traces.analysis import OperationCounter, ServiceMap, critical_path, diff_traces, operation_statistics
from kubeletsim.traces.diff import Pace, with_parents
from kubeletsim.traces.filters import TraceFilter, text_of
from kubeletsim.traces.otlp import decode_attributes, decode_span
from kubeletsim.traces.runs import Run
from kubeletsim.traces.search import spans_with
from kubeletsim.traces.store import TraceStore, TraceSummary
from kubeletsim.traces.tree import build_forest, extent
from kubeletsim.traces.web import documents
from kubeletsim.traces.web.outline import Outline, outline

MOST_LINKED = 100
MOST_SPANS_LOOKED_AT = 500
"""Of larger traces the list does not say what they are about; it has to be quick."""
_SUBJECTS = ("k8s.pod.name", "k8s.pod", "http.target", "url.path", "http.route")


def trace_list(store: TraceStore, wanted: TraceFilter) -> dict[str, Any]:
    """Return the list of traces, the newest first."""
    return {"traces": described(store, store.traces(wanted))}


def described(store: TraceStore, traces: Iterable[TraceSummary]) -> list[dict[str, Any]]:
    """Return traces as they are listed, with what each is about."""
    return [
        {
            **documents.summary(one),
            "subject": _subject(store.runs(one.trace_id)) if one.spans <= MOST_SPANS_LOOKED_AT else "",
        }
        for one in traces
    ]


def trace_operations(store: TraceStore, trace_id: str) -> dict[str, Any]:
    """Return the statistics of one trace."""
    return {"operations": documents.operations(operation_statistics(store.bare_spans(trace_id)))}


def names(store: TraceStore) -> dict[str, list[str]]:
    """Return the services with their operations."""
    found: dict[str, list[str]] = {}
    for service, name in store.operations():
        found.setdefault(service, []).append(name)
    return found


def trace(store: TraceStore, trace_id: str, *, first: int | None = None) -> Outline | None:
    """Return a trace's rows, all or the first to start; None when there is no such trace."""
    found = outline(store.runs(trace_id), first=first)
    return found if found.parents else None


def path(store: TraceStore, trace_id: str) -> dict[str, Any] | None:
    """Return a trace's critical path."""
    forest = build_forest(store.bare_spans(trace_id))
    whole = extent(forest)
    return {"segments": documents.path(critical_path(forest), start_ns=whole.start_ns)} if forest else None


def spans(store: TraceStore, trace_id: str, span_id: str) -> dict[str, Any] | None:
    """Return the spans with an id (there is one, unless two senders chose the same) and who links to them."""
    wanted = bytes.fromhex(span_id)
    found = [
        decode_span(one, resource=resource_spans.resource, scope=scope_spans.scope)
        for resource_spans in store.resource_spans(trace_id)
        for scope_spans in resource_spans.scope_spans
        for one in scope_spans.spans
        if one.span_id == wanted
    ]
    return {"spans": [documents.span(one) for one in found]} if found else None


def linked_from(store: TraceStore, trace_id: str, span_id: str) -> dict[str, Any]:
    """Return the spans that link to a span, the latest to arrive first."""
    found = islice(store.linking(trace_id, span_id), MOST_LINKED)
    return {"links": [{"traceId": one.trace_id, "spanId": one.span_id, "name": one.name} for one in found]}


def matches(store: TraceStore, trace_id: str, text: str) -> dict[str, Any]:
    """Return the ids of the spans of a trace in which a text occurs: name, status, attributes, events."""
    return {"spanIds": [span_id.hex() for span_id in spans_with(store.runs(trace_id), text)]}


def operations(store: TraceStore, wanted: TraceFilter) -> dict[str, Any]:
    """Return the statistics of the traces that a filter lets through."""
    counter = OperationCounter()
    traces = 0
    for trace_id in store.trace_ids(wanted):
        counter.add(store.bare_spans(trace_id))
        traces += 1
    return {"traces": traces, "operations": documents.operations(counter.statistics())}


def service_map(store: TraceStore, wanted: TraceFilter) -> dict[str, Any]:
    """Return who called whom in the traces that a filter lets through."""
    counter = ServiceMap()
    services: dict[str, dict[str, int]] = {}
    traces = 0
    for trace_id in store.trace_ids(wanted):
        found = store.bare_spans(trace_id)
        counter.add(found)
        traces += 1
        for each in found:
            counts = services.setdefault(each.service, {"spans": 0, "errors": 0})
            counts["spans"] += 1
            counts["errors"] += each.error
    nodes = [{"name": name, **counts} for name, counts in sorted(services.items())]
    return {"traces": traces, "services": nodes, "edges": documents.edges(counter.edges())}


def comparison(
    store: TraceStore, before: str, after: str, *, only_changes: bool = False, first: int | None = None
) -> dict[str, Any] | None:
    """Return two traces held against each other.

    Args:
        store: has both.
        before: the id of one.
        after: the id of the other.
        only_changes: list what changed and what is above it.
        first: list only so many; the counts are of all.
    """
    one, other = build_forest(store.bare_spans(before)), build_forest(store.bare_spans(after))
    if not one or not other:
        return None
    sides = [
        {"traceId": trace_id, "startTimeUnixNano": str(whole.start_ns), "durationNano": whole.duration_ns}
        for trace_id, whole in ((before, extent(one)), (after, extent(other)))
    ]
    found = diff_traces(one, other)
    entries = list(with_parents(found.entries)) if only_changes else found.entries
    return {
        "before": sides[0],
        "after": sides[1],
        "structuralChanges": found.structural_changes,
        "slower": sum(entry.pace is Pace.SLOWER for entry in found.entries),
        "faster": sum(entry.pace is Pace.FASTER for entry in found.entries),
        "total": len(entries),
        "entries": documents.difference(entries[:first]),
    }


def _subject(runs: Iterable[Run]) -> str:
    """Return what a trace is about: the pod of its root, or what a CRI call of it names; empty when it says nothing."""
    root = next((span for run in runs for span in run.spans if not span.parent_span_id), None)
    if root is None:
        return ""
    attributes = decode_attributes(map(KeyValue.FromString, root.attributes))
    return next((text_of(attributes[key]) for key in _SUBJECTS if key in attributes), "")
