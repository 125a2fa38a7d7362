"""Claims about the difference of two traces: equal is equal, and each change is named once."""

from collections import Counter
from dataclasses import replace

from hypothesis import given

from kubeletsim.traces.diff import Change, Pace, Tolerance, TraceDiff, diff_traces
from kubeletsim.traces.span import Span
from kubeletsim.traces.tree import build_forest
from tests.fakes.traces import MS, recorded_trace
from tests.strategies import viewer_spans


def diff(before: list[Span], after: list[Span], **tolerance: float) -> TraceDiff:
    return diff_traces(build_forest(before), build_forest(after), tolerance=Tolerance(**tolerance))  # type: ignore[arg-type]


def family(*names: str, ms: int = 1) -> list[Span]:
    """Return a root with children of these names, one after the other."""
    children = [
        Span("t", f"c{at}", "root", name, "kubelet", at * ms * MS, (at + 1) * ms * MS) for at, name in enumerate(names)
    ]
    return [Span("t", "root", "", "sync", "kubelet", 0, 100 * MS), *children]


def changes(made: TraceDiff) -> list[tuple[str, str]]:
    return [(entry.change.value, entry.name) for entry in made.entries[1:]]


@given(viewer_spans())
def test_a_trace_equals_itself(spans: list[Span]) -> None:
    made = diff(spans, spans)

    assert made.same_structure
    assert all(entry.pace is Pace.SAME for entry in made.entries)
    assert len(made.entries) == len(spans)


@given(viewer_spans(), viewer_spans())
def test_every_span_of_both_is_there_once_and_the_way_back_mirrors_the_way_there(
    one: list[Span], other: list[Span]
) -> None:
    made, back = diff(one, other), diff(other, one)

    assert Counter(id(entry.before) for entry in made.entries if entry.before) == Counter(map(id, one))
    assert Counter(id(entry.after) for entry in made.entries if entry.after) == Counter(map(id, other))
    there, mirrored = (Counter(entry.change for entry in both.entries) for both in (made, back))
    assert (there[Change.ADDED], there[Change.MISSING]) == (mirrored[Change.MISSING], mirrored[Change.ADDED])


def test_what_is_new_and_what_is_missing_stand_where_they_belong() -> None:
    assert changes(diff(family("a", "b", "c"), family("a", "x", "c"))) == [
        ("same", "a"),
        ("added", "x"),
        ("missing", "b"),
        ("same", "c"),
    ]


def test_one_that_changed_places_has_moved_and_the_others_have_not() -> None:
    assert changes(diff(family("a", "b", "c", "d"), family("b", "c", "d", "a"))) == [
        ("same", "b"),
        ("same", "c"),
        ("same", "d"),
        ("moved", "a"),
    ]


def test_of_several_with_one_name_only_the_surplus_is_new() -> None:
    made = diff(family("exec", "exec"), family("exec", "exec", "exec"))

    assert [change for change, _ in changes(made)] == ["same", "same", "added"]


def test_a_pace_matters_when_ratio_and_difference_both_do() -> None:
    quick, slow = family("a", ms=2), family("a", ms=4)

    assert [entry.pace for entry in diff(quick, slow).entries] == [Pace.SAME, Pace.SLOWER]
    assert [entry.pace for entry in diff(slow, quick).entries] == [Pace.SAME, Pace.FASTER]
    assert [entry.pace for entry in diff(quick, slow, ratio=3).entries] == [Pace.SAME, Pace.SAME]
    assert [entry.pace for entry in diff(quick, slow, difference_ns=5 * MS).entries] == [Pace.SAME, Pace.SAME]


def test_another_outcome_is_another_structure() -> None:
    before = family("a")
    after = [before[0], replace(before[1], error=True)]
    made = diff(before, after)

    assert [entry.outcome_changed for entry in made.entries] == [False, True]
    assert not made.same_structure


def test_what_hangs_under_a_new_span_is_new_as_well() -> None:
    child = Span("t", "grandchild", "c0", "deep", "kubelet", 0, 1)
    made = diff(family(), [*family("a"), child])

    assert [(entry.depth, entry.change) for entry in made.entries[1:]] == [(1, Change.ADDED), (2, Change.ADDED)]


def test_recordings_of_one_and_of_two_containers_differ_by_the_second_ones_calls() -> None:
    made = diff(recorded_trace("single"), recorded_trace("two"))
    added = Counter(entry.name for entry in made.entries if entry.change is Change.ADDED and entry.depth == 1)

    assert added["runtime.v1.RuntimeService/CreateContainer"] == 1
    assert added["runtime.v1.RuntimeService/StartContainer"] == 1
    assert not any(entry.change is Change.MISSING for entry in made.entries)


def test_a_chain_of_30000_spans_can_be_compared() -> None:
    chain = [Span("t", str(n), str(n - 1) if n else "", "op", "kubelet", n, 60_000 - n) for n in range(30_000)]

    assert diff(chain, chain).same_structure
