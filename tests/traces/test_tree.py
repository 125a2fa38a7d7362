"""Claims about the forest: whatever the pointers say, every span is there once and no time is negative."""

from collections import Counter
from itertools import pairwise

from hypothesis import given

from kubeletsim.traces.span import Span
from kubeletsim.traces.tree import Fold, build_forest, extent, folded, walk
from tests.fakes.traces import recorded_trace
from tests.strategies import viewer_spans


def span(
    span_id: str, parent: str = "", start: int = 0, end: int = 10, *, name: str = "op", error: bool = False
) -> Span:
    return Span("t", span_id, parent, name, "kubelet", start, end, error=error)


@given(viewer_spans())
def test_every_span_appears_exactly_once_and_no_time_is_negative(spans: list[Span]) -> None:
    nodes = list(walk(build_forest(spans)))

    assert Counter(id(node.span) for node in nodes) == Counter(map(id, spans))
    assert all(0 <= node.self_ns <= node.span.duration_ns for node in nodes)


@given(viewer_spans())
def test_children_hang_under_the_id_they_name_in_the_order_of_their_starts(spans: list[Span]) -> None:
    forest = build_forest(spans)

    for node in walk(forest):
        assert all(child.span.parent_span_id == node.span.span_id for child in node.children)
        assert not any(child.orphan for child in node.children)
    for siblings in (forest, *(node.children for node in walk(forest))):
        assert all(a.span.start_ns <= b.span.start_ns for a, b in pairwise(siblings))
    assert all(root.orphan == bool(root.span.parent_span_id) for root in forest)


@given(viewer_spans())
def test_the_order_of_arrival_does_not_matter(spans: list[Span]) -> None:
    def names(made: list[Span]) -> list[tuple[str, str, int]]:
        return [(node.span.name, node.span.span_id, len(node.children)) for node in walk(build_forest(made))]

    unique = list({(s.span_id, s.start_ns, s.end_ns, s.name): s for s in spans}.values())
    assert names(unique) == names(unique[::-1])


@given(viewer_spans())
def test_folding_loses_no_sibling_and_hides_no_error(spans: list[Span]) -> None:
    forest = build_forest(spans)
    items = folded(forest, at_least=2)

    assert [n for item in items for n in (item.nodes if isinstance(item, Fold) else [item])] == forest
    assert not any(node.span.error for item in items if isinstance(item, Fold) for node in walk(item.nodes))


def test_a_cycle_is_cut_at_its_earliest_span() -> None:
    [root] = build_forest([span("a", "c", 3), span("b", "a", 1), span("c", "b", 2), span("tail", "c", 0)])

    assert root.span.span_id == "b"
    assert root.orphan
    assert [node.span.span_id for node in walk([root])] == ["b", "c", "tail", "a"]


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    [root] = build_forest([span("a", "a")])

    assert (root.span.span_id, root.children) == ("a", [])


def test_of_two_spans_with_one_id_the_first_to_start_takes_the_children() -> None:
    forest = build_forest([span("a", start=5, name="late"), span("a", start=1, name="early"), span("b", "a", 6)])

    assert [(root.span.name, len(root.children)) for root in forest] == [("early", 1), ("late", 0)]


def test_self_time_counts_overlapping_children_once_and_ignores_what_sticks_out() -> None:
    [root] = build_forest([
        span("root", start=10, end=110),
        span("a", "root", 0, 30),  # began before its parent: another clock
        span("b", "root", 20, 50),
        span("c", "root", 40, 45),
        span("d", "root", 100, 500),
    ])  # fmt: skip

    assert root.self_ns == 50


def test_a_chain_of_30000_spans_is_a_tree() -> None:
    chain = [span(str(number), str(number - 1) if number else "", number) for number in range(30_000)]

    assert sum(1 for _ in walk(build_forest(chain))) == 30_000


def test_neighbours_of_one_shape_fold_and_others_do_not() -> None:
    probes = [span(f"p{number}", "root", number, name="ExecSync") for number in range(28)]
    inner = [span(f"s{number}", f"p{number}", number, name="runc.exec") for number in range(28)]
    odd = span("odd", "root", 50, name="ExecSync")
    [root] = build_forest([span("root", end=99), *probes, *inner, odd])

    [run, alone] = folded(root.children, at_least=3)

    assert isinstance(run, Fold)
    assert len(run.nodes) == 28
    assert not isinstance(alone, Fold)


def test_the_recorded_pod_start_is_one_tree_with_the_runtimes_spans_under_the_kubelets() -> None:
    spans = recorded_trace("single")
    forest = build_forest(spans)

    assert [root.span.name for root in forest] == ["syncPod"]
    for node in walk(forest):
        if node.span.kind == "CLIENT" and node.span.service == "kubelet":
            assert [child.span.kind for child in node.children] == ["SERVER"]
    assert extent(forest).duration_ns == forest[0].span.duration_ns
