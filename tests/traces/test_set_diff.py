"""Claims about the difference of two sets: every operation is there once, and the way back mirrors the way there."""

from collections import Counter
from dataclasses import replace

from hypothesis import given

from kubeletsim.traces.diff import Change, Pace
from kubeletsim.traces.operations import operation_statistics
from kubeletsim.traces.set_diff import diff_operations
from kubeletsim.traces.span import Span
from tests.fakes.traces import recorded_trace
from tests.strategies import viewer_spans


@given(viewer_spans(), viewer_spans())
def test_every_operation_is_there_once_and_the_way_back_mirrors_the_way_there(
    one: list[Span], other: list[Span]
) -> None:
    before, after = operation_statistics(one), operation_statistics(other)
    there, back = diff_operations(before, after), diff_operations(after, before)

    names = [(entry.service, entry.name) for entry in there]
    assert len(names) == len(set(names))
    assert set(names) == {(entry.service, entry.name) for entry in (*before, *after)}
    counted, mirrored = (Counter(entry.change for entry in entries) for entries in (there, back))
    assert (counted[Change.ADDED], counted[Change.MISSING]) == (mirrored[Change.MISSING], mirrored[Change.ADDED])


def test_an_operation_is_slower_by_its_median() -> None:
    spans = recorded_trace("single")
    slow = [replace(span, end_ns=span.end_ns + 2 * span.duration_ns) for span in spans]
    changes = {entry.name: entry for entry in diff_operations(operation_statistics(spans), operation_statistics(slow))}

    assert changes["syncPod"].pace is Pace.SLOWER
    assert changes["syncPod"].change is Change.SAME
