"""Claims about the service map: calls are CLIENT spans with a SERVER span beneath, counted from both ends."""

from dataclasses import replace

from hypothesis import given

from kubeletsim.traces.service_map import service_edges
from kubeletsim.traces.span import Span
from tests.fakes.traces import recorded_trace
from tests.strategies import viewer_spans


def test_the_recorded_kubelet_calls_its_runtime_and_nothing_else() -> None:
    spans = recorded_trace("single")
    clients = sum(span.kind == "CLIENT" and span.service == "kubelet" for span in spans)
    [edge] = service_edges(spans)

    assert (edge.client, edge.server, edge.count, edge.errors) == ("kubelet", "containerd", clients, 0)
    assert edge.server_p50_ns <= edge.client_p50_ns <= edge.client_p99_ns
    assert edge.rate_per_second > 0


def test_a_call_failed_when_either_side_says_so() -> None:
    client = Span("t", "1", "", "Run", "kubelet", 0, 10, kind="CLIENT")
    server = Span("t", "2", "1", "Run", "runtime", 1, 9, kind="SERVER")

    for pair in ([replace(client, error=True), server], [client, replace(server, error=True)]):
        assert [edge.errors for edge in service_edges(pair)] == [1]
    assert [edge.errors for edge in service_edges([client, server])] == [0]


@given(viewer_spans())
def test_spans_without_calls_have_no_edges(spans: list[Span]) -> None:
    assert service_edges(spans) == []
