"""Jaeger JSON read back into spans: what `web/jaeger_shape` writes, Jaeger UI saves and Jaeger's API answers.

What Jaeger keeps in tags and OTLP in fields (kind, status, scope, trace state) becomes fields again. Jaeger's times are
microseconds. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kubeletsim.traces.span import AttributeValue, Event, Link, Span

_KINDS = ("internal", "server", "client", "producer", "consumer")
_DERIVED = (
    "span.kind", "error", "otel.status_code", "otel.status_description",
    "otel.scope.name", "otel.scope.version", "w3c.tracestate",
)  # fmt: skip
_NS_A_US = 1000


class JaegerError(ValueError):
    """A document that is no Jaeger trace; the text says where and what is wanted."""


def jaeger_spans(document: Mapping[str, Any]) -> Iterator[list[Span]]:
    """Yield the spans of each trace under `data`.

    Raises:
        JaegerError: something is not as Jaeger writes it.
    """
    traces = document.get("data")
    if not isinstance(traces, list):
        raise JaegerError("data: want a list of traces")
    for number, trace in enumerate(traces):
        where = f"data[{number}]"
        try:
            processes = trace.get("processes") or {}
            yield [_span(span, processes, f"{where}.spans[{position}]") for position, span in enumerate(trace["spans"])]
        except JaegerError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as e:
            raise JaegerError(f"{where}: not as Jaeger writes it: {type(e).__name__}: {e}") from e


def _span(document: Mapping[str, Any], processes: Mapping[str, Any], where: str) -> Span:
    process = processes.get(document.get("processID", "")) or document.get("process") or {}
    tags = _tags(document.get("tags"))
    references = [one for one in document.get("references") or () if one.get("refType") in ("CHILD_OF", "FOLLOWS_FROM")]
    trace_id, span_id = _id(document["traceID"], 32, where), _id(document["spanID"], 16, where)
    parents = [one for one in references if one["refType"] == "CHILD_OF" and _id(one["traceID"], 32, where) == trace_id]
    links = [one for one in references if one not in parents[:1]]
    start_ns = int(document["startTime"]) * _NS_A_US
    error = tags.get("error") in (True, "true") or tags.get("otel.status_code") == "ERROR"
    service = str(process.get("serviceName", ""))
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=_id(parents[0]["spanID"], 16, where) if parents else "",
        name=str(document["operationName"]),
        service=service,
        start_ns=start_ns,
        end_ns=start_ns + int(document["duration"]) * _NS_A_US,
        kind=str(tags["span.kind"]).upper() if tags.get("span.kind") in _KINDS else "UNSPECIFIED",
        error=error,
        status_message=str(tags.get("otel.status_description", "")),
        attributes={key: value for key, value in tags.items() if key not in _DERIVED},
        events=[_event(log) for log in document.get("logs") or ()],
        links=[Link(_id(one["traceID"], 32, where), _id(one["spanID"], 16, where)) for one in links],
        scope=str(tags.get("otel.scope.name", "")),
        scope_version=str(tags.get("otel.scope.version", "")),
        resource={"service.name": service, **_tags(process.get("tags"))},
        flags=int(document.get("flags") or 0),
        trace_state=str(tags.get("w3c.tracestate", "")),
    )


def _event(log: Mapping[str, Any]) -> Event:
    fields = _tags(log.get("fields"))
    return Event(str(fields.pop("event", "")), int(log["timestamp"]) * _NS_A_US, fields)


def _tags(tags: Sequence[Mapping[str, Any]] | None) -> dict[str, AttributeValue]:
    return {str(tag["key"]): _value(tag) for tag in tags or ()}


def _value(tag: Mapping[str, Any]) -> AttributeValue:
    kind, value = tag.get("type"), tag["value"]
    if kind == "bool":
        return value if isinstance(value, bool) else value == "true"
    if kind == "int64":
        return int(value)
    if kind == "float64":
        return float(value)
    if kind == "binary":
        return bytes.fromhex(str(value))
    return str(value)


def _id(text: object, digits: int, where: str) -> str:
    """Return an id with all its digits; Jaeger leaves out zeros at the beginning."""
    if not isinstance(text, str) or not text or len(text) > digits or set(text.lower()) - set("0123456789abcdef"):
        raise JaegerError(f"{where}: {text!r} is no id of up to {digits} hex digits")
    return text.lower().zfill(digits)
