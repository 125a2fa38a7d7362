"""Claims about exports: each format can be read by those it is for, and what can come back comes back equal."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from kubeletsim.traces.batch import Batch
from kubeletsim.traces.encode import encode_spans
from kubeletsim.traces.export import ExportFormat, exported, otlp_json_lines
from kubeletsim.traces.filters import TraceFilter
from kubeletsim.traces.importing import ImportFault, imported
from kubeletsim.traces.otlp import decode_spans, parse_json_request
from kubeletsim.traces.span import AttributeValue, Event, Link, Span
from kubeletsim.traces.store import TraceStore
from tests.fakes.traces import START_NS, recorded_trace, resource_spans, span_message
from tests.strategies import otlp_resource_spans, viewer_spans


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    with TraceStore.create(tmp_path / "traces.db") as created:
        yield created


def text(store: TraceStore, output_format: ExportFormat) -> str:
    return "\n".join(exported(store, TraceFilter(), output_format))


def stored_again(exported_text: str, path: Path) -> list[list[Span]]:
    """Import a text into a new store; return its traces, the oldest first."""
    with TraceStore.create(path) as store:
        for request in imported(io.StringIO(exported_text)):
            batch = Batch()
            batch.add(request)
            store.add_batch(batch)
        return [store.spans(trace) for trace in reversed(list(store.trace_ids()))]


def recorded(store: TraceStore) -> list[Span]:
    spans = [replace(span, resource={"service.name": span.service}) for span in recorded_trace("noimage")]
    store.add(encode_spans(spans))
    return spans


def test_each_line_is_a_trace_that_an_otlp_receiver_takes(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "a.db") as store, TraceStore.create(tmp_path / "b.db") as again:
        for trace in (1, 2, 3):
            store.add([
                resource_spans(span_message("syncPod", trace=trace, start_ms=trace, error="no", text="a\nb")),
                resource_spans(span_message("Run", trace=trace, span=2, parent=1, start_ms=9), service="containerd"),
            ])  # fmt: skip
        lines = list(otlp_json_lines(store, TraceFilter()))

        assert [json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["traceId"] for line in lines] == [
            f"{trace:032x}" for trace in (1, 2, 3)
        ]
        for line in lines:
            assert "\n" not in line
            again.add(parse_json_request(line.encode()).resource_spans)
        assert list(again.traces()) == list(store.traces())
        for trace in store.trace_ids():
            assert again.spans(trace) == store.spans(trace)
        assert len(list(otlp_json_lines(store, TraceFilter(limit=1)))) == 1


@settings(max_examples=40, deadline=None)  # examples are large
@given(otlp_resource_spans())
def test_otlp_json_comes_back_equal_whatever_the_spans(made: ResourceSpans) -> None:
    with TemporaryDirectory() as directory:
        with TraceStore.create(f"{directory}/a.db") as store:
            store.add([made])
            lines = text(store, ExportFormat.OTLP_JSON)
            there = [store.spans(trace) for trace in store.trace_ids()]
        back = stored_again(lines, Path(directory) / "b.db")

    assert sorted(map(repr, back)) == sorted(map(repr, there))


PLAIN: st.SearchStrategy[AttributeValue] = st.one_of(
    st.text(max_size=9),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.binary(max_size=9),
)


@st.composite
def jaeger_like(draw: st.DrawFn) -> list[Span]:
    """Spans with what Jaeger has a place for: microseconds, plain values, parents and links."""
    keys = st.text(min_size=1, max_size=5)
    attributes = st.dictionaries(keys, PLAIN, max_size=3)
    made = []
    for number in range(1, draw(st.integers(1, 5)) + 1):
        service = draw(st.sampled_from(["kubelet", "containerd"]))
        made.append(
            Span(
                trace_id="ab" * 16,
                span_id=f"{number:016x}",
                parent_span_id=draw(st.sampled_from(["", f"{number - 1:016x}"])) if number > 1 else "",
                name=draw(st.text(max_size=5)),
                service=service,
                start_ns=START_NS + draw(st.integers(0, 10**6)) * 1000,
                end_ns=START_NS + draw(st.integers(10**6, 10**7)) * 1000,
                kind=draw(st.sampled_from(["CLIENT", "SERVER", "INTERNAL", "UNSPECIFIED"])),
                error=draw(st.booleans()),
                status_message=draw(st.text(max_size=5)),
                attributes=draw(attributes),
                events=[Event(draw(st.text(max_size=5)), START_NS, draw(attributes))],
                links=[Link("cd" * 16, "ef" * 8)] if draw(st.booleans()) else [],
                scope=draw(st.sampled_from(["", "k8s.io/kubernetes"])),
                resource={"service.name": service},
                flags=1,
                trace_state=draw(st.sampled_from(["", "a=b"])),
            )
        )
    return made


@settings(max_examples=60, deadline=None)
@given(jaeger_like())
def test_jaeger_json_comes_back_equal(spans: list[Span]) -> None:
    with TemporaryDirectory() as directory:
        with TraceStore.create(f"{directory}/a.db") as store:
            store.add(encode_spans(spans))
            document = text(store, ExportFormat.JAEGER)
        [back] = stored_again(document, Path(directory) / "b.db")

    assert sorted(back, key=lambda span: span.span_id) == spans


@given(viewer_spans())
def test_values_become_messages_and_values_again(spans: list[Span]) -> None:
    back = list(decode_spans(encode_spans([replace(span, resource={"service.name": span.service}) for span in spans])))

    assert sorted(map(repr, back)) == sorted(
        repr(replace(span, events=[], links=[], resource={"service.name": span.service})) for span in spans
    )


def test_chrome_events_have_a_process_a_service_and_arrows_between_them(store: TraceStore) -> None:
    spans = recorded(store)
    document = json.loads(text(store, ExportFormat.CHROME))
    events = document["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]
    calls = [event for event in events if event["ph"] == "s"]

    assert {event["args"]["name"] for event in events if event["ph"] == "M"} == {"kubelet", "containerd"}
    assert document["otherData"]["epochUnixNano"] == str(START_NS)
    assert sorted(one["name"] for one in slices) == sorted(span.name for span in spans)
    assert min(one["ts"] for one in slices) == 0
    assert len(calls) == len([event for event in events if event["ph"] == "f"]) == len({one["id"] for one in calls})
    assert len(calls) == sum(span.kind == "SERVER" for span in spans)


@settings(deadline=None)
@given(viewer_spans())
def test_slices_of_one_track_nest(spans: list[Span]) -> None:
    with TemporaryDirectory() as directory, TraceStore.create(f"{directory}/a.db") as store:
        other = [
            replace(span, trace_id="cd" * 16, start_ns=span.start_ns + 50, end_ns=span.end_ns + 50) for span in spans
        ]
        store.add(encode_spans([*spans, *other]))
        events = json.loads(text(store, ExportFormat.CHROME))["traceEvents"]
    slices = [event for event in events if event["ph"] == "X"]

    for number, one in enumerate(slices):
        for two in slices[number + 1 :]:
            if (one["pid"], one["tid"]) == (two["pid"], two["tid"]):
                (a, b), (c, d) = sorted(
                    (round(event["ts"] * 1000), round((event["ts"] + event["dur"]) * 1000)) for event in (one, two)
                )
                assert b <= c or d <= b or a == c


def test_zipkin_spans_have_what_a_server_demands(store: TraceStore) -> None:
    spans = recorded(store)
    documents = {one["id"]: one for one in json.loads(text(store, ExportFormat.ZIPKIN))}

    assert len(documents) == len(spans)
    for span in spans:
        one = documents[span.span_id]
        assert one["traceId"] == span.trace_id
        assert one.get("parentId", "") == span.parent_span_id
        assert one.get("kind") == (span.kind if span.kind != "INTERNAL" else None)
        assert one["localEndpoint"] == {"serviceName": span.service}
        assert one["timestamp"] > 0
        assert one["duration"] > 0
        assert all(isinstance(value, str) for value in one["tags"].values())
        assert ("error" in one["tags"]) == span.error


@pytest.mark.parametrize("output_format", list(ExportFormat))
def test_an_empty_export_is_a_document_all_the_same(store: TraceStore, output_format: ExportFormat) -> None:
    made = text(store, output_format)

    if output_format is ExportFormat.OTLP_JSON:
        assert made == ""
    else:
        json.loads(made)


def test_a_document_over_several_lines_is_imported_as_well(tmp_path: Path, store: TraceStore) -> None:
    recorded(store)
    pretty = "\n" + json.dumps(json.loads(text(store, ExportFormat.OTLP_JSON)), indent=2)

    [spans] = stored_again(pretty, tmp_path / "b.db")
    assert len(spans) == 23


BEFORE_1970 = json.dumps(
    {"data": [{"spans": [{"traceID": "1", "spanID": "1", "operationName": "", "startTime": -5, "duration": 0}]}]}
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", "neither OTLP JSON"),
        ("{}", "neither OTLP JSON"),
        ('{"resourceSpans": []}\n{"resourceSpans": 7}', "line 2: not an ExportTraceServiceRequest"),
        ('{"data": 7}', "data: want a list of traces"),
        ('{"data": [7]}', r"data\[0\]: not as Jaeger writes it"),
        ('{"data": [{"spans": [{"traceID": "xyz", "spanID": "1"}]}]}', r"data\[0\]\.spans\[0\]: 'xyz' is no id"),
        (BEFORE_1970, "a value does not fit"),
        ("[" * 100_000, "not JSON"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_trace_is_told_where_and_why(content: str, said: str) -> None:
    with pytest.raises(ImportFault, match=said):
        list(imported(io.StringIO(content)))
