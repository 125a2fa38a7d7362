"""The SERVER spans: like the recorded ones, and different where we mean to be."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from opentelemetry.baggage import get_all
from opentelemetry.trace import get_current_span

from kubeletsim.base.telemetry import open_telemetry
from kubeletsim.server.settings import HandlerSettings
from tests.ports import free_port
from tests.server.lab import OPEN

GOLDEN = Path(__file__).parent.parent / "golden" / "spans.json"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01"}
DIFFER = {"server.port", "network.peer.port", "network.protocol.version"}


def recorded(path: str, *, scheme: str = "https") -> dict:
    return next(
        span
        for span in json.loads(GOLDEN.read_text())
        if span["kind"] == "SERVER"
        and span["attributes"]["url.path"] == path
        and span["attributes"]["url.scheme"] == scheme
    )


@pytest.mark.parametrize("path", ["/pods", "/runningpods/", "/configz", "/metrics"])
async def test_a_request_leaves_the_recorded_span(host, path):
    """Same scope, kind, keys in the same order, values; ports differ, and we speak HTTP/1.1 where Go speaks 2."""
    golden = recorded(path)
    async with host.serve() as client:
        port = client.server.https.port
        await client.ask(path, headers={"User-Agent": "curl/7.88.1"})

    (span,) = host.telemetry.spans()
    assert span.name == (golden["name"] or golden["attributes"]["http.route"])
    assert (span.instrumentation_scope.name, span.instrumentation_scope.version) == (
        golden["scope"],
        golden["scope_version"],
    )
    assert list(span.attributes) == list(golden["attributes"])
    assert {key: value for key, value in span.attributes.items() if key not in DIFFER} == {
        key: value for key, value in golden["attributes"].items() if key not in DIFFER
    }
    assert {key: span.attributes[key] for key in ("server.port", "network.protocol.version")} == {
        "server.port": port,
        "network.protocol.version": "1.1",
    }
    assert (span.parent, span.status.status_code.name, span.events, span.links) == (None, "UNSET", (), ())


async def test_the_read_only_server_leaves_the_recorded_span(host):
    golden = recorded("/healthz", scheme="http")
    async with host.serve(host.settings(read_only_port=free_port())) as client:
        await client.ask("/healthz", listener="read_only", headers={"User-Agent": "curl/7.88.1"})

    (span,) = host.telemetry.spans()
    assert list(span.attributes) == list(golden["attributes"])
    assert span.attributes["url.scheme"] == "http"
    assert span.attributes["network.protocol.version"] == golden["attributes"]["network.protocol.version"]


async def test_runtime_calls_are_children_of_the_request(host):
    async with host.serve() as client:
        await client.ask("/runningpods/")

    (request,) = host.telemetry.spans()
    calls = host.telemetry.spans("CLIENT")
    assert [call.name for call in calls] == [
        "runtime.v1.RuntimeService/ListPodSandbox",
        "runtime.v1.RuntimeService/ListContainers",
    ]
    assert {call.parent.span_id for call in calls} == {request.context.span_id}


async def test_a_traceparent_is_honoured_by_the_authenticated_server_down_to_the_runtime(host):
    async with host.serve() as client:
        await client.ask("/runningpods/", headers=TRACEPARENT)

    spans = [*host.telemetry.spans(), *host.telemetry.spans("CLIENT")]
    assert {f"{span.context.trace_id:032x}" for span in spans} == {TRACE_ID}
    assert f"{spans[0].parent.span_id:016x}" == PARENT_ID
    assert spans[0].parent.is_remote


async def test_the_read_only_server_begins_its_own_trace_and_links_to_the_callers(host):
    async with host.serve(host.settings(read_only_port=free_port())) as client:
        await client.ask("/pods", listener="read_only", headers=TRACEPARENT)

    (span,) = host.telemetry.spans()
    assert span.parent is None
    assert f"{span.context.trace_id:032x}" != TRACE_ID
    assert [f"{link.context.span_id:016x}" for link in span.links] == [PARENT_ID]


async def test_baggage_reaches_the_runtime_calls(host):
    seen = {}

    async def list_pod_sandbox(**_filters):
        seen.update(get_all())
        return []

    host.cri.list_pod_sandbox = list_pod_sandbox
    async with host.serve() as client:
        await client.ask("/runningpods/", headers={"baggage": "tenant=blue"})

    assert seen == {"tenant": "blue"}


async def test_the_refused_and_the_unknown_leave_no_span(host):
    settings = host.settings(auth=replace(OPEN, anonymous=False), healthz_port=free_port())
    async with host.serve(settings) as client:
        await client.ask("/pods")
        await client.ask("/nothing")
        await client.ask("/healthz", listener="healthz")

    assert host.telemetry.spans() == []


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "name"),
    [
        ("GET", "/pods/web", 404, "UNSET", "/pods/"),
        ("POST", "/pods", 405, "UNSET", "/pods"),
        ("GET", "/exec/x", 405, "UNSET", "/exec/"),
        ("GET", "/healthz/syncloop", 500, "ERROR", "/healthz/syncloop"),
    ],
)
async def test_only_our_own_faults_are_errors(host, method, path, status, code, name):
    host.last_sync_loop = -100_000.0
    async with host.serve(host.settings(handlers=HandlerSettings(debugging=False))) as client:
        await client.ask(path, method=method)

    (span,) = host.telemetry.spans()
    assert (span.name, span.attributes["http.response.status_code"]) == (name, status)
    assert (span.status.status_code.name, span.status.description) == (code, None)


async def test_a_proxied_caller_and_an_odd_method_are_described_as_such(host):
    async with host.serve() as client:
        await client.ask("/healthz", method="PURGE", headers={"X-Forwarded-For": "192.0.2.7, 10.0.0.1"})

    (span,) = host.telemetry.spans()
    assert span.attributes["http.request.method"] == "_OTHER"
    assert span.attributes["http.request.method_original"] == "PURGE"
    assert span.attributes["client.address"] == "192.0.2.7"
    assert span.attributes["network.peer.address"] == "127.0.0.1"


async def test_without_tracing_a_callers_context_still_reaches_the_runtime(host):
    seen = []

    async def list_pod_sandbox(**_filters):
        seen.append(f"{get_current_span().get_span_context().trace_id:032x}")
        return []

    host.telemetry = open_telemetry(None, resource={}, environ={})
    host.cri.list_pod_sandbox = list_pod_sandbox
    async with host.serve() as client:
        await client.ask("/runningpods/", headers=TRACEPARENT)

    assert seen == [TRACE_ID]
