"""Claims about the critical path: it covers the trace without a gap, and only by what was waited for."""

from itertools import pairwise

from hypothesis import given

from kubeletsim.traces.critical_path import critical_path
from kubeletsim.traces.span import Span
from kubeletsim.traces.tree import build_forest
from tests.fakes.traces import recorded_trace
from tests.strategies import viewer_spans


def span(span_id: str, parent: str = "", start: int = 0, end: int = 10) -> Span:
    return Span("t", span_id, parent, span_id, "kubelet", start, end)


def told(*spans: Span) -> list[tuple[str, int, int]]:
    return [(one.span.span_id, one.start_ns, one.end_ns) for one in critical_path(build_forest(spans)).segments]


@given(viewer_spans())
def test_segments_follow_one_another_within_their_spans(spans: list[Span]) -> None:
    path = critical_path(build_forest(spans))

    assert all(one.end_ns <= other.start_ns for one, other in pairwise(path.segments))
    assert all(one.span.start_ns <= one.start_ns < one.end_ns <= one.span.end_ns for one in path.segments)
    assert {one.span.span_id for one in path.segments} <= path.span_ids


def test_the_child_that_ended_last_was_waited_for_and_the_one_beside_it_was_not() -> None:
    assert told(
        span("root", start=0, end=100),
        span("first", "root", 10, 30),
        span("short", "root", 35, 60),
        span("long", "root", 40, 90),
    ) == [("root", 0, 10), ("first", 10, 30), ("root", 30, 40), ("long", 40, 90), ("root", 90, 100)]


def test_what_sticks_out_of_its_parent_counts_only_within_it() -> None:
    assert told(span("root", start=0, end=50), span("a", "root", 40, 90), span("b", "a", 45, 95)) == [
        ("root", 0, 40),
        ("a", 40, 45),
        ("b", 45, 50),
    ]


def test_several_roots_are_one_trace() -> None:
    assert told(span("a", "gone", 0, 10), span("b", "gone", 20, 30)) == [("a", 0, 10), ("b", 20, 30)]


def test_a_recorded_pod_start_is_explained_to_the_nanosecond() -> None:
    forest = build_forest(recorded_trace("single"))
    path = critical_path(forest)

    assert sum(segment.duration_ns for segment in path.segments) == forest[0].span.duration_ns
    assert "cri.sandbox.run" in {segment.span.name for segment in path.segments}


def test_a_chain_of_30000_spans_has_a_path() -> None:
    chain = [span(str(n), str(n - 1) if n else "", n, 60_000 - n) for n in range(30_000)]

    assert len(critical_path(build_forest(chain)).span_ids) == 30_000


def test_no_spans_have_no_path() -> None:
    assert critical_path([]).segments == []
