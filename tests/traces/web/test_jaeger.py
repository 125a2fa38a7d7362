"""Claims about Jaeger's API: routes, parameters and shapes are those that Jaeger UI and Grafana ask for."""

import json

import pytest
from multidict import MultiDict

from kubeletsim.traces.filters import AttributeFilter
from kubeletsim.traces.web.jaeger import jaeger_filter
from tests.fakes.traces import resource_spans, span_message
from tests.traces.web.conftest import TWO, Served

POD_START, COLLECTION = "aaaa" + "0" * 28, "bbbb" + "0" * 28


async def test_services_and_operations_are_listed(served: Served) -> None:
    services = await served.get("/api/services")
    operations = await served.get("/api/services/kubelet/operations")

    assert services == {"data": ["containerd", "kubelet"], "total": 2, "limit": 0, "offset": 0, "errors": None}
    assert operations["data"] == ["Images/GarbageCollect", "runtime.v1.RuntimeService/RunPodSandbox", "syncPod"]
    assert (await served.get("/api/operations?service=containerd&spanKind=server"))["data"] == [
        {"name": "RunPodSandbox", "spanKind": "server"}
    ]


async def test_traces_are_found_by_jaegers_parameters(served: Served) -> None:
    async def found(**query: str) -> list[str]:
        url = "/api/traces?" + "&".join(f"{key}={value}" for key, value in query.items())
        return [trace["traceID"] for trace in (await served.get(url))["data"]]

    assert await found(service="kubelet") == [COLLECTION, POD_START]
    assert await found(service="kubelet", limit="1") == [COLLECTION]
    assert await found(service="containerd") == [POD_START]
    assert await found(service="kubelet", tags='{"k8s.pod.name":"web"}') == [POD_START]
    assert await found(service="kubelet", tags='{"error":"true"}') == [COLLECTION]
    assert await found(minDuration="20ms") == [POD_START]
    assert await found(maxDuration="20ms") == [COLLECTION]
    assert await found(start="1700000000050000") == [COLLECTION]
    assert await found(end="1700000000050000") == [POD_START]
    assert await found(traceID=POD_START) == [POD_START]


async def test_a_trace_has_jaegers_shape(served: Served) -> None:
    message = span_message("syncPod", trace=TWO, span=5, parent=1, start_ms=1, ms=2, error="no", count=3, good=True)
    message.kind = 3
    message.events.add(name="exception", time_unix_nano=1_700_000_000_002_000_000)
    message.links.add(trace_id=b"\xaa" * 16, span_id=b"\xbb" * 8)
    served.store.add([resource_spans(message)])

    [trace] = (await served.get(f"/api/traces/{COLLECTION}"))["data"]

    span = next(span for span in trace["spans"] if span["spanID"] == f"{5:016x}")
    assert trace["processes"][span["processID"]]["serviceName"] == "kubelet"
    assert span["startTime"] == 1_700_000_000_001_000
    assert span["duration"] == 2000
    assert span["references"] == [
        {"refType": "CHILD_OF", "traceID": COLLECTION, "spanID": f"{1:016x}"},
        {"refType": "FOLLOWS_FROM", "traceID": "aa" * 16, "spanID": "bb" * 8},
    ]
    tags = {tag["key"]: (tag["type"], tag["value"]) for tag in span["tags"]}
    assert tags["count"] == ("int64", 3)
    assert tags["good"] == ("bool", True)
    assert tags["error"] == ("bool", True)
    assert tags["span.kind"] == ("string", "client")
    assert tags["otel.status_description"] == ("string", "no")
    assert span["logs"][0]["timestamp"] == 1_700_000_000_002_000
    assert span["logs"][0]["fields"][0] == {"key": "event", "type": "string", "value": "exception"}


async def test_faults_have_jaegers_shape(served: Served) -> None:
    missing = await served.get(f"/api/traces/{'c' * 32}", status=404)
    wrong = await served.get("/api/traces?minDuration=soon", status=400)

    assert missing == {"data": None, "errors": [{"code": 404, "msg": "trace not found"}]}
    assert wrong["errors"][0]["msg"].startswith("minDuration: ")
    for query in ("tags=nonsense", 'tags=["x"]', 'tags={"a":1}', "tag=x", "start=-1", "limit=x", "traceID=zz"):
        await served.get(f"/api/traces?{query}", status=400)


@pytest.mark.parametrize("leading", ["abc", "00abc"])
async def test_ids_without_their_leading_zeros_are_found(served: Served, leading: str) -> None:
    served.store.add([resource_spans(span_message(trace=0xABC))])

    [trace] = (await served.get(f"/api/traces/{leading}"))["data"]
    assert trace["traceID"] == f"{0xABC:032x}"


def test_tags_and_tag_together_are_attributes() -> None:
    query = MultiDict([("tags", json.dumps({"a": "1"})), ("tag", "b:2:3"), ("service", "kubelet")])

    assert list(jaeger_filter(query).attributes) == [AttributeFilter("a", "1"), AttributeFilter("b", "2:3")]
