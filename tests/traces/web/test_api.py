"""Claims about the API of the page: what it answers, and what it says when it cannot."""

import asyncio
import json

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces.web.outline import ERROR
from tests.fakes.traces import resource_spans, span_message
from tests.traces.web.conftest import ONE, TWO, Served

POD_START, COLLECTION = "aaaa" + "0" * 28, "bbbb" + "0" * 28


async def test_the_list_has_the_newest_first_and_obeys_the_query(served: Served) -> None:
    everything = await served.get("/api/v1/traces")
    failed = await served.get("/api/v1/traces?q=error")
    of_pod = await served.get("/api/v1/traces?q=k8s.pod.name=web*%20duration>20ms&limit=5")

    assert [trace["traceId"] for trace in everything["traces"]] == [COLLECTION, POD_START]
    assert [trace["traceId"] for trace in failed["traces"]] == [COLLECTION]
    assert of_pod["traces"] == [
        {
            "traceId": POD_START,
            "rootName": "syncPod",
            "rootService": "kubelet",
            "services": ["containerd", "kubelet"],
            "startTimeUnixNano": "1700000000000000000",
            "durationNano": 50_000_000,
            "spans": 3,
            "errors": 0,
            "subject": "web",
        }
    ]


async def test_a_query_that_cannot_be_read_is_answered_with_the_column(served: Served) -> None:
    for path in ("traces", "stream", "operations"):
        answer = await served.get(f"/api/v1/{path}?q=error%20nonsense:1", status=400)

        assert answer["error"]["column"] == 7
        assert "no field 'nonsense'" in answer["error"]["message"]


@pytest.mark.parametrize("limit", ["0", "1001", "many", "-1", "9" * 40])
async def test_a_limit_out_of_bounds_is_refused(served: Served, limit: str) -> None:
    answer = await served.get(f"/api/v1/traces?limit={limit}", status=400)

    assert answer["error"]["message"].endswith("must be a number from 1 to 1000")


async def test_a_trace_is_rows_with_parents_before_children(served: Served) -> None:
    trace = await served.get(f"/api/v1/traces/{POD_START}")

    assert trace["durationNano"] == 50_000_000
    assert trace["rows"]["parent"] == [-1, 0, 1]
    assert trace["rows"]["start"] == [0, 5_000_000, 7_000_000]
    assert trace["rows"]["self"] == [20_000_000, 10_000_000, 20_000_000]
    assert [trace["operations"][number]["name"] for number in trace["rows"]["operation"]] == [
        "syncPod", "runtime.v1.RuntimeService/RunPodSandbox", "RunPodSandbox",
    ]  # fmt: skip
    failed = await served.get(f"/api/v1/traces/{COLLECTION}")
    assert failed["rows"]["marks"] == [ERROR]


async def test_the_critical_path_covers_the_trace(served: Served) -> None:
    path = await served.get(f"/api/v1/traces/{POD_START}/critical-path")

    assert sum(segment["duration"] for segment in path["segments"]) == 50_000_000
    assert path["segments"][0] == {"spanId": f"{1:016x}", "start": 0, "duration": 5_000_000}


async def test_what_is_not_there_is_named(served: Served) -> None:
    for path in ("", "/critical-path", f"/spans/{1:016x}"):
        answer = await served.get(f"/api/v1/traces/{'c' * 32}{path}", status=404)
        assert "c" * 32 in answer["error"]["message"]

    answer = await served.get("/api/v1/traces/nonsense", status=400)
    assert "must be 32 hex digits" in answer["error"]["message"]


async def test_a_span_comes_whole_with_hostile_values_as_they_are(served: Served) -> None:
    message = span_message("<img src=x onerror=alert(1)>", trace=ONE, span=9, parent=1, evil="</script>\0\u202e'\"")
    message.events.add(name="</td>", time_unix_nano=5)
    message.links.add(trace_id=TWO.to_bytes(16, "big"), span_id=(1).to_bytes(8, "big"))
    served.store.add([resource_spans(message)])

    [span] = (await served.get(f"/api/v1/traces/{POD_START}/spans/{9:016x}"))["spans"]
    linked = await served.get(f"/api/v1/traces/{COLLECTION}/spans/{1:016x}/linked-from")

    assert span["name"] == "<img src=x onerror=alert(1)>"
    assert span["attributes"] == [{"key": "evil", "value": "</script>\0\u202e'\"", "type": "string"}]
    assert span["events"][0]["name"] == "</td>"
    assert span["links"][0]["traceId"] == COLLECTION
    assert linked["links"] == [{"traceId": POD_START, "spanId": f"{9:016x}", "name": span["name"]}]


async def test_cycles_orphans_and_clocks_that_go_back_are_laid_out(served: Served) -> None:
    served.store.add([
        resource_spans(
            span_message("a", trace=TWO, span=11, parent=12), span_message("b", trace=TWO, span=12, parent=11),
            span_message("c", trace=TWO, span=13, parent=77), span_message("d", trace=TWO, span=14, start_ms=9, ms=-5),
            SpanMessage(name="e", trace_id=TWO.to_bytes(16, "big"), span_id=b"8bytes!!", end_time_unix_nano=2**64 - 1),
        )
    ])  # fmt: skip

    trace = await served.get(f"/api/v1/traces/{COLLECTION}")

    assert len(trace["rows"]["parent"]) == 6
    assert all(parent < row for row, parent in enumerate(trace["rows"]["parent"]))
    assert min(*trace["rows"]["duration"], *trace["rows"]["start"], *trace["rows"]["self"]) >= 0
    assert (await served.get(f"/api/v1/traces/{COLLECTION}/critical-path"))["segments"]


async def test_a_search_within_a_trace_looks_at_names_attributes_and_status(served: Served) -> None:
    async def found(text: str, trace: str = POD_START) -> list[str]:
        return (await served.get(f"/api/v1/traces/{trace}/search?q={text}"))["spanIds"]

    assert await found("runpodsandbox") == [f"{2:016x}", f"{3:016x}"]
    assert await found("POD.NAME=web") == [f"{1:016x}"]
    assert await found("no", COLLECTION) == [f"{1:016x}"]
    assert await found("nowhere") == []


async def test_operations_and_the_service_map_are_of_the_traces_asked_for(served: Served) -> None:
    operations = await served.get("/api/v1/operations?q=root:syncPod")
    edges = await served.get("/api/v1/service-map")

    assert operations["traces"] == 1
    assert {one["name"] for one in operations["operations"]} >= {"syncPod", "RunPodSandbox"}
    assert [one["name"] for one in edges["services"]] == ["containerd", "kubelet"]


async def test_a_trace_compared_with_itself_is_the_same(served: Served) -> None:
    same = await served.get(f"/api/v1/compare?before={POD_START}&after={POD_START}")
    other = await served.get(f"/api/v1/compare?before={POD_START}&after={COLLECTION}")

    assert same["structuralChanges"] == 0
    assert len(same["entries"]) == 3
    assert other["structuralChanges"] > 0
    some = await served.get(f"/api/v1/compare?before={POD_START}&after={COLLECTION}&only=changes&first=2")
    assert (len(some["entries"]), some["total"]) == (2, other["structuralChanges"])
    assert (await served.get(f"/api/v1/compare?before={POD_START}&after={POD_START}&only=changes"))["entries"] == []
    await served.get(f"/api/v1/compare?before={POD_START}&after={COLLECTION}&only=much", status=400)
    await served.get("/api/v1/compare?before=x&after=y", status=400)


async def test_pods_have_what_was_done_to_them(served: Served) -> None:
    [pod] = (await served.get("/api/v1/pods"))["pods"]

    assert (pod["namespace"], pod["name"]) == ("default", "web")
    assert [bar["name"] for bar in pod["bars"]] == ["syncPod", "runtime.v1.RuntimeService/RunPodSandbox"]


async def test_how_a_pod_began_and_ended_is_told_however_often_others_were_synced_since(served: Served) -> None:
    began = span_message("syncPod", trace=7, k8s__pod__name="old", k8s__pod__update_type="create")
    ended = span_message("syncTerminatedPod", trace=8, start_ms=1, k8s__pod__name="old", error="no")
    synced = (span_message("syncPod", trace=n, start_ms=n, k8s__pod__name="new") for n in range(100, 110))
    served.store.add([resource_spans(began, ended, *synced)])

    pods = {pod["name"]: pod["bars"] for pod in (await served.get("/api/v1/pods?limit=5"))["pods"]}

    assert [(bar["name"], bar["error"]) for bar in pods["old"]] == [("syncPod", False), ("syncTerminatedPod", True)]
    assert len(pods["new"]) == 5


async def test_the_stream_sends_what_is_there_and_then_what_arrives_or_grows(served: Served) -> None:
    async with asyncio.timeout(20), served.http.get(served.base + "/api/v1/stream?q=root:sync*") as answer:
        assert answer.content_type == "text/event-stream"

        async def event() -> list[dict[str, object]]:
            assert (await answer.content.readline()).strip() == b"event: traces"
            data = (await answer.content.readline()).decode()
            await answer.content.readline()
            return list(json.loads(data.removeprefix("data: ")))

        assert [trace["traceId"] for trace in await event()] == [POD_START]
        served.store.add([resource_spans(span_message("syncPod", trace=TWO + 1, start_ms=500))])
        assert [trace["spans"] for trace in await event()] == [1]
        served.store.add([resource_spans(span_message("late", trace=ONE, span=44, parent=1))])
        assert [(trace["traceId"], trace["spans"]) for trace in await event()] == [(POD_START, 4)]
