"""The API of the page, under /api/v1/ and out of Jaeger's way: reads only, JSON, documented in docs/traces-api.md."""

import functools
import json
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from kubeletsim.traces.filters import TraceFilter
from kubeletsim.traces.otlp import to_json
from kubeletsim.traces.store import TraceStore, TraceStoreError
from kubeletsim.traces.web import columns, pods, questions
from kubeletsim.traces.web.outline import Outline
from kubeletsim.traces.web.parameters import ParameterError, trace_filter, whole_number
from kubeletsim.traces.web.reader import StoreReader

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_TRACE_ID, _SPAN_ID = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{16}")
_ABOUT_MANY = 200
_ABOUT_PODS = 1000
_ALL = 1 << 31


def add_routes(app: web.Application, reader: StoreReader) -> None:
    """Add the API to an application."""
    get, base = app.router.add_get, "/api/v1"
    get(f"{base}/traces", _about_traces(reader, questions.trace_list))
    get(f"{base}/operations", _about_traces(reader, questions.operations, limit=_ABOUT_MANY))
    get(f"{base}/service-map", _about_traces(reader, questions.service_map, limit=_ABOUT_MANY))
    get(f"{base}/pods", _about_traces(reader, pods.pods, limit=_ABOUT_PODS))
    get(f"{base}/names", functools.partial(_names, reader))
    get(f"{base}/compare", functools.partial(_compare, reader))
    get(f"{base}/traces/{{id}}", functools.partial(_trace, reader))
    get(f"{base}/traces/{{id}}/columns", functools.partial(_columns, reader))
    get(f"{base}/traces/{{id}}/critical-path", functools.partial(_path, reader))
    get(f"{base}/traces/{{id}}/operations", functools.partial(_trace_operations, reader))
    get(f"{base}/traces/{{id}}/otlp", functools.partial(_otlp, reader))
    get(f"{base}/traces/{{id}}/search", functools.partial(_search, reader))
    get(f"{base}/traces/{{id}}/spans/{{span}}", functools.partial(_span, reader))
    get(f"{base}/traces/{{id}}/spans/{{span}}/linked-from", functools.partial(_linked_from, reader))


@web.middleware
async def as_json_errors(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Answer what goes wrong with one line in JSON, in the shape of the API that was asked."""
    try:
        return await handler(request)
    except ParameterError as e:
        return failure(request, 400, str(e), column=e.column)
    except TraceStoreError as e:
        return failure(request, 503, str(e))
    except web.HTTPException as e:
        return failure(request, e.status, e.text or e.reason)


def failure(request: web.Request, status: int, message: str, *, column: int | None = None) -> web.Response:
    """Return an error in the shape of the API that was asked."""
    if request.path.startswith("/api/") and not request.path.startswith("/api/v1/"):
        return web.json_response({"data": None, "errors": [{"code": status, "msg": message}]}, status=status)
    where = {} if column is None else {"column": column}
    return web.json_response({"error": {"status": status, "message": message, **where}}, status=status)


def _about_traces(
    reader: StoreReader, answer: Callable[[TraceStore, TraceFilter], dict[str, Any]], *, limit: int = 100
) -> _Handler:
    async def handle(request: web.Request) -> web.Response:
        wanted = trace_filter(request.query, now_ns=time.time_ns(), limit=limit)
        return await _answered(reader, lambda store: answer(store, wanted))

    return handle


async def _names(reader: StoreReader, _request: web.Request) -> web.Response:
    return web.json_response({"services": await reader.ask(questions.names)})


async def _trace(reader: StoreReader, request: web.Request) -> web.Response:
    trace_id = trace_id_of(request)
    found = await _outline(reader, request, trace_id)
    return await _answered(reader, lambda _: found.document(trace_id))


async def _columns(reader: StoreReader, request: web.Request) -> web.Response:
    trace_id = trace_id_of(request)
    found = await _outline(reader, request, trace_id)
    packed = await reader.ask(lambda _: columns.packed(found, trace_id))
    return web.Response(body=packed, content_type=columns.MEDIA_TYPE)


async def _outline(reader: StoreReader, request: web.Request, trace_id: str) -> Outline:
    first = whole_number(request.query, "first", default=_ALL, least=1, most=_ALL)
    found = await reader.ask(lambda store: questions.trace(store, trace_id, first=first))
    if found is None:
        raise web.HTTPNotFound(text=f"no trace {trace_id}")
    return found


async def _path(reader: StoreReader, request: web.Request) -> web.Response:
    trace_id = trace_id_of(request)
    return await _answered(reader, lambda store: questions.path(store, trace_id), missing=f"no trace {trace_id}")


async def _trace_operations(reader: StoreReader, request: web.Request) -> web.Response:
    trace_id = trace_id_of(request)
    return await _answered(reader, lambda store: questions.trace_operations(store, trace_id))


async def _otlp(reader: StoreReader, request: web.Request) -> web.Response:
    trace_id = trace_id_of(request)
    return web.Response(
        text=await reader.ask(lambda store: to_json(store.resource_spans(trace_id))), content_type="application/json"
    )


async def _search(reader: StoreReader, request: web.Request) -> web.Response:
    trace_id, text = trace_id_of(request), request.query.get("q", "")
    return await _answered(reader, lambda store: questions.matches(store, trace_id, text))


async def _span(reader: StoreReader, request: web.Request) -> web.Response:
    trace_id, span_id = trace_id_of(request), _span_id(request)
    missing = f"no span {span_id} in trace {trace_id}"
    return await _answered(reader, lambda store: questions.spans(store, trace_id, span_id), missing=missing)


async def _linked_from(reader: StoreReader, request: web.Request) -> web.Response:
    trace_id, span_id = trace_id_of(request), _span_id(request)
    return await _answered(reader, lambda store: questions.linked_from(store, trace_id, span_id))


async def _compare(reader: StoreReader, request: web.Request) -> web.Response:
    before, after = (_id(_TRACE_ID, name, request.query.get(name, "")) for name in ("before", "after"))
    first = whole_number(request.query, "first", default=_ALL, least=1, most=_ALL)
    if (only := request.query.get("only", "")) not in ("", "changes"):
        raise ParameterError(f"only: {only[:40]!r}: must be changes, or left out")

    def compare(store: TraceStore) -> dict[str, Any] | None:
        return questions.comparison(store, before, after, only_changes=bool(only), first=first)

    return await _answered(reader, compare, missing=f"no trace {before}, or no trace {after}")


def trace_id_of(request: web.Request) -> str:
    """Return the trace id in the path, in full; Jaeger leaves leading zeros out.

    Raises:
        ParameterError: it is none.
    """
    return _id(_TRACE_ID, "trace id", request.match_info["id"].zfill(32))


def _span_id(request: web.Request) -> str:
    return _id(_SPAN_ID, "span id", request.match_info["span"])


def _id(pattern: re.Pattern[str], what: str, text: str) -> str:
    if not pattern.fullmatch(text.lower()):
        raise ParameterError(f"{what}: {text[:40]!r}: must be {32 if pattern is _TRACE_ID else 16} hex digits")
    return text.lower()


async def _answered(
    reader: StoreReader, question: Callable[[TraceStore], Any], *, missing: str = "not here"
) -> web.Response:
    """Answer with a question's document as JSON, which is written in the reader's thread too: it may be megabytes."""

    def answer(store: TraceStore) -> str | None:
        document = question(store)
        return None if document is None else json.dumps(document)

    if (text := await reader.ask(answer)) is None:
        raise web.HTTPNotFound(text=missing)
    return web.Response(text=text, content_type="application/json")
