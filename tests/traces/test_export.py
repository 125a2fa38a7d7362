"""Claims about the export: each line is what a receiver takes, and nothing is missing."""

from pathlib import Path

from kubeletsim.traces.export import otlp_json_lines
from kubeletsim.traces.filters import TraceFilter
from kubeletsim.traces.otlp import parse_json_request
from kubeletsim.traces.store import TraceStore
from tests.fakes.traces import resource_spans, span_message


def test_an_export_fills_another_store_with_the_same(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "one.db") as one, TraceStore.create(tmp_path / "two.db") as two:
        for number in range(1, 6):
            one.add([
                resource_spans(span_message("syncPod", trace=number, start_ms=number, error="no", n=number)),
                resource_spans(span_message("server", trace=number, span=2, parent=1), service="containerd"),
            ])  # fmt: skip
        for line in otlp_json_lines(one, TraceFilter()):
            two.add(parse_json_request(line.encode()).resource_spans)

        assert list(one.trace_ids()) == list(two.trace_ids())
        for trace_id in one.trace_ids():
            assert one.resource_spans(trace_id) == two.resource_spans(trace_id)


def test_the_oldest_trace_comes_first_and_a_limit_means_the_newest(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "traces.db") as store:
        for number in range(1, 6):
            store.add([resource_spans(span_message(trace=number, start_ms=number))])
        lines = [parse_json_request(line.encode()) for line in otlp_json_lines(store, TraceFilter(limit=3))]

    assert [line.resource_spans[0].scope_spans[0].spans[0].trace_id[-1] for line in lines] == [3, 4, 5]
