"""Claims about the pipeline: it never waits, forgets nothing uncounted, and keeps its bounds."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags

from kubeletsim.base.telemetry.counters import SpanCounters
from kubeletsim.base.telemetry.encoding import SpanBatch
from kubeletsim.base.telemetry.environment import BatchSettings
from kubeletsim.base.telemetry.exporter import SendResult
from kubeletsim.base.telemetry.pipeline import SpanPipeline


@dataclass
class FakeSender:
    """Takes batches, or blocks, or fails, as told."""

    target: str = "fake:4317"
    sent: list[int] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    error: str = ""
    rejected: int = 0

    def __post_init__(self) -> None:
        self.open.set()

    def send(self, batch: SpanBatch, *, timeout_seconds: float, stopping: threading.Event) -> SendResult:
        self.open.wait(30)
        if self.error:
            return SendResult(failed=batch.spans, error=self.error)
        self.sent.append(batch.spans)
        return SendResult(
            exported=batch.spans - self.rejected, rejected=self.rejected, error="rejected" if self.rejected else ""
        )

    def close(self) -> None:
        self.open.set()


@contextmanager
def pipeline(
    sender: FakeSender, counters: SpanCounters, *, monotonic: list[float] | None = None, **settings: float
) -> Iterator[SpanPipeline]:
    defaults = {"max_batch_size": 10, "schedule_delay_seconds": 0.01} | settings
    made = SpanPipeline(
        sender,
        settings=BatchSettings(**defaults),  # type: ignore[arg-type]
        timeout_seconds=10,
        counters=counters,
        monotonic=time.monotonic if monotonic is None else lambda: monotonic[0],
    )
    try:
        yield made
    finally:
        sender.open.set()
        made.shutdown()
        if made._thread is not None:
            made._thread.join(10)


def end_spans(
    made: SpanPipeline, count: int, *, sampled: bool = True, size: int = 0, kind: SpanKind = SpanKind.INTERNAL
) -> None:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    span = ReadableSpan("x" * size, context=SpanContext(1, 2, False, flags), kind=kind)
    for _ in range(count):
        made.on_end(span)


def test_spans_leave_after_the_schedule_delay_without_a_full_batch() -> None:
    sender, counters = FakeSender(), SpanCounters()
    with pipeline(sender, counters) as made:
        end_spans(made, 3)
        assert made.force_flush()

    assert sum(sender.sent) == 3
    assert counters.exported == 3


def test_full_batches_do_not_wait_for_the_schedule() -> None:
    sender, counters = FakeSender(), SpanCounters()
    with pipeline(sender, counters, schedule_delay_seconds=3600) as made:
        end_spans(made, 25)
        assert made.force_flush(10_000)

    assert sender.sent == [10, 10, 5]


def test_an_unsampled_span_starts_no_thread_and_counts_for_nothing() -> None:
    sender, counters = FakeSender(), SpanCounters()
    with pipeline(sender, counters) as made:
        end_spans(made, 3, sampled=False)

        assert made._thread is None
    assert counters == SpanCounters()


def test_what_does_not_fit_is_dropped_and_counted_while_the_receiver_hangs() -> None:
    sender, counters = FakeSender(), SpanCounters()
    sender.open.clear()
    with pipeline(sender, counters, max_queue_size=50) as made:
        end_spans(made, 80)

        assert counters.dropped == 30
        assert counters.pending == 50
        sender.open.set()
        assert made.force_flush()
    assert (counters.ended, counters.exported, counters.dropped) == (80, 50, 30)


def test_the_queue_is_bounded_in_bytes_as_well() -> None:
    sender, counters = FakeSender(), SpanCounters()
    sender.open.clear()
    with pipeline(sender, counters, max_queue_bytes=2500, schedule_delay_seconds=3600, max_batch_size=1000) as made:
        end_spans(made, 128, size=100)  # two lots

        assert 0 < counters.pending <= 2500 // 100
        sender.open.set()
        assert made.force_flush()

    assert counters.exported + counters.dropped == 128


def test_a_span_larger_than_the_whole_bound_still_passes_an_empty_queue() -> None:
    sender, counters = FakeSender(), SpanCounters()
    with pipeline(sender, counters, max_queue_bytes=2500) as made:
        end_spans(made, 1, size=10_000)
        assert made.force_flush()

    assert counters.exported == 1


def test_batches_too_large_for_a_receiver_are_cut() -> None:
    sender, counters = FakeSender(), SpanCounters()
    with pipeline(sender, counters, max_batch_size=100, schedule_delay_seconds=3600) as made:
        end_spans(made, 20, size=600_000)
        assert made.force_flush()

    assert sender.sent == [5, 5, 5, 5]  # of 3 MiB at most
    assert counters.exported == 20


def test_a_flush_that_cannot_finish_says_so_after_its_time() -> None:
    sender, counters = FakeSender(), SpanCounters()
    sender.open.clear()
    with pipeline(sender, counters) as made:
        end_spans(made, 1)

        assert not made.force_flush(20)


def test_shutdown_gives_up_at_its_bound_and_counts_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    sender, counters = FakeSender(), SpanCounters()
    sender.open.clear()
    with pipeline(sender, counters) as made:
        end_spans(made, 35)
        made.shutdown(0.2)  # the sender never answers, so it comes back by its bound alone

        assert counters.dropped == 35
        assert counters.pending == 0
    assert (counters.ended, counters.exported, counters.dropped) == (35, 0, 35)  # late results count no more
    assert "traces export: fake:4317: no time left to send 35 spans at shutdown" in caplog.text


def test_spans_that_end_after_shutdown_are_dropped_and_counted() -> None:
    counters = SpanCounters()
    with pipeline(FakeSender(), counters) as made:
        made.shutdown()
        end_spans(made, 2)

    assert counters.dropped == 2


def test_shutdown_does_not_offer_batch_after_batch_to_a_receiver_that_fails() -> None:
    sender, counters = FakeSender(), SpanCounters()
    sender.open.clear()
    with pipeline(sender, counters) as made:
        end_spans(made, 100)
        sender.error = "UNAVAILABLE"
        threading.Timer(0.05, sender.open.set).start()
        made.shutdown()

    assert counters.failed + counters.dropped == 100
    assert counters.failed < 100


def test_rejected_spans_are_counted_apart() -> None:
    sender, counters = FakeSender(rejected=4), SpanCounters()
    with pipeline(sender, counters) as made:
        end_spans(made, 10)
        assert made.force_flush()

    assert (counters.exported, counters.rejected) == (6, 4)


def test_a_span_that_cannot_be_encoded_costs_itself_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    sender, counters = FakeSender(), SpanCounters()
    with pipeline(sender, counters) as made:
        end_spans(made, 2)
        end_spans(made, 1, kind="no kind", size=3)  # type: ignore[arg-type]
        end_spans(made, 2)
        assert made.force_flush()

    assert (counters.dropped, counters.exported) == (1, 4)
    assert "cannot encode the span xxx" in caplog.text


def test_a_failing_receiver_is_told_of_once_a_minute_and_its_return_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]
    sender = FakeSender(error="UNAVAILABLE: away")
    with pipeline(sender, SpanCounters(), monotonic=now) as made:
        for now[0] in (0.0, 10.0, 59.0, 61.0, 70.0):
            end_spans(made, 2)
            made.force_flush()
        sender.error = ""
        for _ in range(3):
            end_spans(made, 2)
            made.force_flush()

    assert [record.getMessage() for record in caplog.records] == [
        "traces export: fake:4317: UNAVAILABLE: away (2 spans lost)",
        "traces export: fake:4317: UNAVAILABLE: away (6 spans lost)",
        "traces export: fake:4317 takes spans again",
    ]
