"""Jaeger's query API, read by Jaeger UI and Grafana: `/api/services`, `/api/operations`, `/api/traces`.

Counterpart: jaegertracing/jaeger, the query service's HTTP handler (routes, parameters) and
its UI model (shapes). Times are microseconds, ids are hex, a span's resource is its process.
"""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from kubeletsim.traces.filters import AttributeFilter, TraceFilter, parse_duration_ns
from kubeletsim.traces.store import TraceStore
from kubeletsim.traces.web.api import trace_id_of
from kubeletsim.traces.web.jaeger_shape import TraceWriter
from kubeletsim.traces.web.parameters import MOST_TRACES, ParameterError, whole_number
from kubeletsim.traces.web.questions import names
from kubeletsim.traces.web.reader import StoreReader

_USUAL_TRACES = 20
_MOST_MICROSECONDS = (1 << 63) // 1000 - 1


def add_routes(app: web.Application, reader: StoreReader) -> None:
    """Add the query API to an application."""
    get = app.router.add_get
    get("/api/services", functools.partial(_services, reader))
    get("/api/operations", functools.partial(_operations, reader))
    get("/api/services/{service}/operations", functools.partial(_operation_names, reader))
    get("/api/traces", functools.partial(_traces, reader))
    get("/api/traces/{id}", functools.partial(_trace, reader))


async def _services(reader: StoreReader, _request: web.Request) -> web.Response:
    return _answer(list(await reader.ask(names)))


async def _operations(reader: StoreReader, request: web.Request) -> web.Response:
    service, kind = request.query.get("service", ""), request.query.get("spanKind", "")
    found = (await reader.ask(names)).get(service, [])
    return _answer([{"name": name, "spanKind": kind} for name in found])


async def _operation_names(reader: StoreReader, request: web.Request) -> web.Response:
    return _answer((await reader.ask(names)).get(request.match_info["service"], []))


async def _traces(reader: StoreReader, request: web.Request) -> web.Response:
    trace_ids = [one.lower().zfill(32) for one in request.query.getall("traceID", [])]
    if any(len(one) != 32 or set(one) - set("0123456789abcdef") for one in trace_ids):
        raise ParameterError("traceID: must be 32 hex digits")
    wanted = jaeger_filter(request.query)
    return _answer_texts(await reader.ask(lambda store: _texts(store, trace_ids or store.trace_ids(wanted))))


async def _trace(reader: StoreReader, request: web.Request) -> web.Response:
    trace_id = trace_id_of(request)
    found = await reader.ask(lambda store: _texts(store, [trace_id]))
    if not found:
        raise web.HTTPNotFound(text="trace not found")
    return _answer_texts(found)


def jaeger_filter(query: MultiMapping[str]) -> TraceFilter:
    """Read Jaeger's parameters: service, operation, tags, minDuration, maxDuration, start, end, limit.

    Raises:
        ParameterError: one cannot be read.
    """
    tags = _tags(query)
    failed = tags.pop("error", "") == "true"
    return TraceFilter(
        service=query.get("service") or None,
        operation=query.get("operation") or None,
        attributes=[AttributeFilter(key, value) for key, value in tags.items()],
        error=failed,
        min_duration_ns=_duration(query, "minDuration"),
        max_duration_ns=_duration(query, "maxDuration") or None,
        since_ns=_microseconds(query, "start"),
        until_ns=_microseconds(query, "end"),
        limit=whole_number(query, "limit", default=_USUAL_TRACES, least=1, most=MOST_TRACES),
    )


def _tags(query: MultiMapping[str]) -> dict[str, str]:
    """Read `tags`, a JSON object of texts, and `tag`, key:value, which may be repeated."""
    tags: dict[str, str] = {}
    for text in query.getall("tags", []):
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if not isinstance(document, Mapping) or not all(isinstance(value, str) for value in document.values()):
            raise ParameterError('tags: must be a JSON object of texts, such as {"k8s.pod.name": "web"}')
        tags.update(document)
    for text in query.getall("tag", []):
        key, colon, value = text.partition(":")
        if not key or not colon:
            raise ParameterError(f"tag: {text[:40]!r}: must be key:value")
        tags[key] = value
    return tags


def _duration(query: MultiMapping[str], name: str) -> int:
    text = query.get(name, "")
    try:
        return parse_duration_ns(text) if text else 0
    except ValueError as e:
        raise ParameterError(f"{name}: {e}") from None


def _microseconds(query: MultiMapping[str], name: str) -> int:
    return whole_number(query, name, default=0, least=0, most=_MOST_MICROSECONDS) * 1000


def _texts(store: TraceStore, trace_ids: Iterable[str]) -> list[str]:
    writer = TraceWriter()
    found = ((trace_id, store.runs(trace_id)) for trace_id in trace_ids)
    return [writer.trace(trace_id, runs) for trace_id, runs in found if runs]


def _answer(data: list[Any]) -> web.Response:
    return _answer_texts([json.dumps(one) for one in data])


def _answer_texts(data: Sequence[str]) -> web.Response:
    text = f'{{"data":[{",".join(data)}],"total":{len(data)},"limit":0,"offset":0,"errors":null}}'
    return web.Response(text=text, content_type="application/json")
