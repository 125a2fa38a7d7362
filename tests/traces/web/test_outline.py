"""Claims about the outline: it is the forest of `tree`, laid out."""

from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.traces.otlp import decode_span
from kubeletsim.traces.tree import build_forest, walk
from kubeletsim.traces.web.outline import ORPHAN, outline
from tests.fakes.traces import resource_spans, runs_of, span_message

few = st.integers(1, 9)
messages = st.builds(
    lambda span, parent, start_ms, ms: span_message(span=span, parent=parent, start_ms=start_ms, ms=ms),
    few,
    st.integers(0, 12),
    st.integers(0, 20),
    st.integers(-3, 20),
)


@given(st.lists(messages, max_size=12))
def test_the_outline_is_the_forest_row_by_row(spans: list) -> None:  # type: ignore[type-arg]
    group = resource_spans(*spans)
    values = [
        decode_span(span, resource=group.resource, scope=scope.scope)
        for scope in group.scope_spans
        for span in scope.spans
    ]
    nodes = list(walk(build_forest(values)))

    found = outline(runs_of(group))

    assert found.span_ids == [bytes.fromhex(node.span.span_id) for node in nodes]
    assert found.durations == [node.span.duration_ns for node in nodes]
    assert found.selfs == [node.self_ns for node in nodes]
    assert [found.start_ns + start for start in found.starts] == [node.span.start_ns for node in nodes]
    assert [bool(marks & ORPHAN) for marks in found.marks] == [node.orphan for node in nodes]
    row = {id(node): number for number, node in enumerate(nodes)}
    for number, node in enumerate(nodes):
        assert all(found.parents[row[id(child)]] == number for child in node.children)
    assert found.parents.count(-1) == len(build_forest(values))


def test_of_a_large_trace_the_first_to_start_can_be_laid_out_alone() -> None:
    spans = [span_message(span=number, parent=number - 1, start_ms=number, ms=50) for number in range(1, 100)]

    found = outline(runs_of(resource_spans(*spans[::-1])), first=10)

    assert found.spans == 99
    assert len(found.parents) == 10
    assert found.span_ids[-1] == (10).to_bytes(8, "big")
    assert found.end_ns == max(span.end_time_unix_nano for span in spans)
