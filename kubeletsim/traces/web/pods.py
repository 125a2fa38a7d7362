"""The pods of a node: what was done to each and when, for a timeline.

Of a node that runs for long most traces are about pods that are merely looked at again. How a pod began and how it
ended is therefore asked for apart, so that it is told however often a hundred others were synced since. Traces are read
as they came: what is needed of each is its root's attributes and a few calls.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from kubeletsim.traces.filters import AttributeFilter, TraceFilter, text_of
from kubeletsim.traces.otlp import decode_attributes, service_name
from kubeletsim.traces.runs import Run
from kubeletsim.traces.store import TraceStore
from kubeletsim.traces.wire import DrawnSpan

_STEPS = ("RunPodSandbox", "PullImage", "CreateContainer", "StartContainer", "StopContainer", "StopPodSandbox")
_CREATED = AttributeFilter("k8s.pod.update_type", "create")
_MOST_STARTS = 300


def pods(store: TraceStore, wanted: TraceFilter) -> dict[str, Any]:
    """Return the pods with their syncs and the calls these made, the first to begin first."""
    found: dict[str, dict[str, Any]] = {}
    for trace_id in dict.fromkeys(_trace_ids(store, wanted)):
        runs = store.runs(trace_id)
        root, service = next(
            ((span, _service(run)) for run in runs for span in run.spans if not span.parent_span_id), (None, "")
        )
        if root is None:
            continue
        attributes = decode_attributes(map(KeyValue.FromString, root.attributes))
        if "k8s.pod.name" not in attributes:
            continue
        name, namespace = (text_of(attributes.get(key, "")) for key in ("k8s.pod.name", "k8s.namespace.name"))
        pod = found.setdefault(f"{namespace}/{name}", {"name": name, "namespace": namespace, "bars": []})
        pod["bars"] += [_bar(trace_id, span) for span in (root, *_steps(runs, service))]
    ordered = sorted(found.values(), key=lambda pod: min(int(bar["startTimeUnixNano"]) for bar in pod["bars"]))
    return {"pods": ordered}


def _trace_ids(store: TraceStore, wanted: TraceFilter) -> Iterator[str]:
    if wanted.root_name:
        yield from store.trace_ids(wanted)
        return
    # Those about pods, or the polls of the runtime would fill the limit.
    yield from store.trace_ids(replace(wanted, root_name="sync*"))
    created = [*wanted.attributes, _CREATED]
    yield from store.trace_ids(replace(wanted, root_name="syncPod", attributes=created, limit=_MOST_STARTS))
    yield from store.trace_ids(replace(wanted, root_name="syncTerminat*", limit=_MOST_STARTS))


def _service(run: Run) -> str:
    return service_name(Resource.FromString(run.resource))


def _steps(runs: Sequence[Run], service: str) -> Iterator[DrawnSpan]:
    """Yield the calls that a pod's life is made of, as the one who called saw them."""
    for run in runs:
        if _service(run) == service:
            yield from (span for span in run.spans if span.parent_span_id and span.name.rpartition("/")[2] in _STEPS)


def _bar(trace_id: str, span: DrawnSpan) -> dict[str, Any]:
    return {
        "traceId": trace_id,
        "spanId": span.span_id.hex(),
        "name": span.name,
        "startTimeUnixNano": str(span.start_time_unix_nano),
        "durationNano": max(0, span.end_time_unix_nano - span.start_time_unix_nano),
        "error": Status.FromString(span.status).code == Status.STATUS_CODE_ERROR,
    }
