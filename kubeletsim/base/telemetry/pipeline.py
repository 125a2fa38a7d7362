"""The pipeline: ended spans on their way to the receiver, never in the way of those who end them.

Spans are encoded where they end, a lot at a time: that takes less time than a thread that encodes takes away from the
event loop by wanting the interpreter; and what waits are bytes, a tenth of a live span's memory, without any work for
the garbage collector.
A thread sends, because a call to a hanging receiver takes its whole deadline; it starts with the first span, so a node
that records nothing has none. The queue counts spans that wait and those under way; what does not fit is counted and
lost (the newest, as in Go's batch span processor).

Differs from the SDK's BatchSpanProcessor: losses are counted, complaints are rationed, shutdown keeps its bound.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.trace import TraceFlags

from kubeletsim.base.telemetry.counters import SpanCounters
from kubeletsim.base.telemetry.encoding import SpanBatch, SpanEncoder
from kubeletsim.base.telemetry.environment import BatchSettings
from kubeletsim.base.telemetry.exporter import SendResult

log = logging.getLogger("kubeletsim.base.telemetry")

_COMPLAINT_PERIOD_SECONDS = 60.0
# A collector's gRPC server takes 4 MiB by default; batches of unusually large spans are cut below that.
_LARGEST_BATCH_BYTES = 3 << 20
# Spans are encoded so many at a time: in a row each takes a third of what it takes between other work.
_LOT = 64


class Sender(Protocol):
    """What sends; the real one is `exporter.SpanSender`."""

    target: str

    def send(self, batch: SpanBatch, *, timeout_seconds: float, stopping: threading.Event) -> SendResult:
        """Send one request, with retries; never raises for a receiver's fault."""

    def close(self) -> None:
        """Break off what is under way, from any thread."""


class SpanPipeline(SpanProcessor):
    """A span processor with a bounded queue, for one provider."""

    def __init__(
        self,
        sender: Sender,
        *,
        settings: BatchSettings,
        timeout_seconds: float,
        counters: SpanCounters,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sender = sender
        self._settings = settings
        self._timeout_seconds = min(timeout_seconds, settings.export_timeout_seconds)
        self._counters = counters
        self._complaints = _Complaints(sender.target, monotonic=monotonic)
        self._monotonic = monotonic
        self._encode = SpanEncoder().encode
        self._changed = threading.Condition()  # guards everything below, and the counters
        self._ended: list[ReadableSpan] = []
        self._gathering = SpanBatch()
        self._batches: deque[SpanBatch] = deque()
        self._waiting_bytes = 0  # in batches and gathering
        self._flushing = 0
        self._closed = False  # no more spans are taken
        self._abandoned = False  # shutdown gave up: the thread's results count no more
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: a span counts once it ends."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take a sampled span, or count it as dropped; returns at once either way."""
        if span.context is None or not span.context.trace_flags & TraceFlags.SAMPLED:
            return
        with self._changed:
            counters = self._counters
            counters.ended += 1
            if self._closed or counters.pending > self._settings.max_queue_size:
                counters.dropped += 1
                return
            self._ended.append(span)
            if len(self._ended) == 1:
                self._begin_schedule()
            if len(self._ended) >= _LOT or len(self._ended) + self._gathering.spans >= self._settings.max_batch_size:
                self._encode_ended()

    def _begin_schedule(self) -> None:
        self._changed.notify_all()
        if self._thread is None:
            # A daemon: an interpreter that exits without a shutdown must not wait for a dead receiver.
            self._thread = threading.Thread(target=self._send_all, name="traces-send", daemon=True)
            self._thread.start()

    def _encode_ended(self) -> None:
        ended, self._ended = self._ended, []
        for span in ended:
            try:
                encoded = self._encode(span)
            except Exception:  # a bug, but not one for whoever ends a span
                log.exception("traces export: cannot encode the span %s", span.name)
                self._counters.dropped += 1
            else:
                self._take(span, encoded)

    def _take(self, span: ReadableSpan, encoded: bytes) -> None:
        # A span larger than the whole bound may still pass an empty queue.
        if self._waiting_bytes and self._waiting_bytes + len(encoded) > self._settings.max_queue_bytes:
            self._counters.dropped += 1
            return
        if self._gathering.spans and self._gathering.size + len(encoded) > _LARGEST_BATCH_BYTES:
            self._finish_batch()
        self._gathering.add(span, encoded)
        self._waiting_bytes += len(encoded)
        if self._gathering.spans >= self._settings.max_batch_size:
            self._finish_batch()

    def _finish_batch(self) -> None:
        self._batches.append(self._gathering)
        self._gathering = SpanBatch()
        self._changed.notify_all()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what has ended without waiting for the schedule; tell whether nothing is left in time."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: not self._counters.pending, timeout_millis / 1000)
            finally:
                self._flushing -= 1

    def shutdown(self, timeout_seconds: float = 5.0) -> None:
        """Send what is left, for at most `timeout_seconds`; drop and count the rest. Idempotent."""
        deadline = self._monotonic() + timeout_seconds
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(max(0.0, deadline - self._monotonic()))
        with self._changed:
            self._abandoned = True
            left = self._counters.pending
            self._counters.dropped += left
            self._clear()
        if left:
            log.warning("traces export: %s: no time left to send %d spans at shutdown", self._sender.target, left)
        self._sender.close()

    def _send_all(self) -> None:
        while (batch := self._next_batch()) is not None:
            result = self._sender.send(batch, timeout_seconds=self._timeout_seconds, stopping=self._stopping)
            self._complaints.tell(result)
            with self._changed:
                if self._abandoned:
                    return
                self._counters.exported += result.exported
                self._counters.rejected += result.rejected
                self._counters.failed += result.failed
                if result.failed and self._stopping.is_set():
                    # A receiver that failed now will not take the rest either.
                    self._counters.dropped += self._clear()
                self._changed.notify_all()

    def _next_batch(self) -> SpanBatch | None:
        """Wait for a full batch, or with a smaller one for the schedule, a flush or the end; None is the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._batches or self._gathering.spans or self._ended or self._closed)
            self._changed.wait_for(
                lambda: self._batches or self._closed or self._flushing, self._settings.schedule_delay_seconds
            )
            if not self._batches:
                self._encode_ended()
            if not self._batches and self._gathering.spans:
                self._finish_batch()
            if not self._batches:
                return None
            batch = self._batches.popleft()
            self._waiting_bytes -= batch.size
            return batch

    def _clear(self) -> int:
        """Let go of what waits, and return how many spans that were."""
        waiting = len(self._ended) + sum(batch.spans for batch in (*self._batches, self._gathering))
        self._batches.clear()
        self._ended, self._gathering, self._waiting_bytes = [], SpanBatch(), 0
        return waiting


class _Complaints:
    """Says what goes wrong with a receiver, once a minute at most, and when it is over. One thread's."""

    def __init__(self, target: str, *, monotonic: Callable[[], float]) -> None:
        self._target = target
        self._monotonic = monotonic
        self._last: float | None = None
        self._lost = 0
        self._failing = False

    def tell(self, result: SendResult) -> None:
        """Log a result if there is something to say and it is time."""
        now = self._monotonic()
        if not result.error:
            if self._failing:
                log.info("traces export: %s takes spans again", self._target)
            self._failing = False
            return
        self._failing = bool(result.failed)
        self._lost += result.failed + result.rejected
        if self._last is None or now - self._last >= _COMPLAINT_PERIOD_SECONDS:
            log.warning("traces export: %s: %s (%d spans lost)", self._target, result.error, self._lost)
            self._last, self._lost = now, 0
