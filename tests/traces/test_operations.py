"""Claims about the statistics: nothing is counted twice, and percentiles are durations that occurred."""

from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.traces.operations import operation_statistics, percentile
from kubeletsim.traces.span import Span
from tests.fakes.traces import recorded_trace
from tests.strategies import viewer_spans

SECOND = 10**9


@given(viewer_spans())
def test_every_span_is_counted_once(spans: list[Span]) -> None:
    made = operation_statistics(spans)

    assert sum(one.count for one in made) == len(spans)
    assert sum(one.errors for one in made) == sum(span.error for span in spans)
    assert sum(one.total_ns for one in made) == sum(span.duration_ns for span in spans)
    assert all(0 <= one.self_ns <= one.total_ns for one in made)
    assert all(one.p50_ns <= one.p90_ns <= one.p99_ns <= one.max_ns for one in made)


@given(st.lists(st.integers(0, 1000), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(numbers: list[int], percent: int) -> None:
    value = percentile(sorted(numbers), percent)

    assert value in numbers
    assert sum(number <= value for number in numbers) * 100 >= percent * len(numbers)
    assert sum(number < value for number in numbers) * 100 < percent * len(numbers)


def test_rates_count_over_the_whole_time_and_self_time_over_each_trace() -> None:
    spans = [
        *(Span(f"t{n}", "1", "", "sync", "kubelet", n * SECOND, (n + 1) * SECOND) for n in range(10)),
        *(Span(f"t{n}", "2", "1", "run", "runtime", n * SECOND, n * SECOND + SECOND // 4) for n in range(10)),
    ]
    sync, run = operation_statistics(spans)

    assert (sync.service, sync.name, sync.count, sync.rate_per_second) == ("kubelet", "sync", 10, 1.0)
    assert (sync.total_ns, sync.self_ns, run.self_ns) == (10 * SECOND, 7_500_000_000, 2_500_000_000)


def test_a_recorded_pod_start_is_told_by_its_operations() -> None:
    made = {(one.service, one.name): one for one in operation_statistics(recorded_trace("single"))}

    assert made["kubelet", "syncPod"].count == 1
    assert sum(one.self_ns for one in made.values()) == made["kubelet", "syncPod"].total_ns


def test_no_spans_have_no_statistics() -> None:
    assert operation_statistics([]) == []
    assert percentile([], 50) == 0


def test_durations_at_the_limit_of_otlp_are_counted() -> None:
    largest = 2**64 - 1
    spans = [Span("t", "1", "", "sync", "kubelet", 0, largest), Span("t", "2", "1", "run", "runtime", 0, largest)]

    assert [one.max_ns for one in operation_statistics(spans)] == [largest, largest]
