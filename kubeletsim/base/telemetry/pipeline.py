"""The pipeline: ended spans on their way to the receiver, never in the way of those who end them.

Ending a span appends it to a list under a lock and nothing more. One thread encodes what has gathered, because
an encoded span needs a tenth of the memory of a live one; a second thread sends, because a call to a hanging
receiver takes its whole deadline. Both start with the first span, so a node that records nothing has no threads.
The queue counts spans in either form and those under way; what does not fit is counted and lost (the newest, as
in Go's batch span processor).

Differs from the SDK's BatchSpanProcessor: losses are counted, complaints are rationed, shutdown keeps its bound.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from kubeletsim.base.telemetry.counters import SpanCounters
from kubeletsim.base.telemetry.environment import BatchSettings
from kubeletsim.base.telemetry.exporter import EncodedBatch, SendResult

log = logging.getLogger("kubeletsim.base.telemetry")

_COMPLAINT_PERIOD_SECONDS = 60.0


class Sender(Protocol):
    """What encodes and sends; the real one is `exporter.SpanSender`."""

    target: str

    def encode(self, spans: Sequence[ReadableSpan]) -> list[EncodedBatch]:
        """Turn spans into requests."""

    def send(self, batch: EncodedBatch, *, timeout_seconds: float, stopping: threading.Event) -> SendResult:
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
        self._changed = threading.Condition()  # guards everything below, and the counters
        self._spans: deque[ReadableSpan] = deque()
        self._batches: deque[EncodedBatch] = deque()
        self._batches_bytes = 0
        self._flushing = 0
        self._closed = False  # no more spans are taken
        self._encoded_all = False
        self._abandoned = False  # shutdown gave up: the threads' results count no more
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Do nothing: a span counts once it ends."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take a sampled span, or count it as dropped; returns at once either way."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._changed:
            counters = self._counters
            full = counters.pending >= self._settings.max_queue_size
            counters.ended += 1
            if full or self._closed:
                counters.dropped += 1
                return
            self._spans.append(span)
            if not self._threads:
                self._start()
            if len(self._spans) in (1, self._settings.max_batch_size):
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
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._monotonic()))
        with self._changed:
            self._abandoned = True
            left = self._counters.pending
            self._counters.dropped += left
            self._spans.clear()
            self._batches.clear()
        if left:
            log.warning("traces export: %s: no time left to send %d spans at shutdown", self._sender.target, left)
        self._sender.close()

    def _start(self) -> None:
        for name, work in (("encode", self._encode_all), ("send", self._send_all)):
            # Daemons: an interpreter that exits without a shutdown must not wait for a dead receiver.
            thread = threading.Thread(target=work, name=f"traces-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _encode_all(self) -> None:
        while spans := self._next_spans():
            try:
                batches = self._sender.encode(spans)
            except Exception:  # a span that cannot be encoded is a bug, but not one to lose the thread for
                log.exception("traces export: cannot encode %d spans", len(spans))
                batches = []
            self._put(batches, spans=len(spans))
        with self._changed:
            self._encoded_all = True
            self._changed.notify_all()

    def _next_spans(self) -> list[ReadableSpan]:
        """Wait for a full batch, the schedule, a flush or the end; an empty list is the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._spans or self._closed)
            self._changed.wait_for(
                lambda: len(self._spans) >= self._settings.max_batch_size or self._closed or self._flushing,
                self._settings.schedule_delay_seconds,
            )
            count = min(len(self._spans), self._settings.max_batch_size)
            return [self._spans.popleft() for _ in range(count)]

    def _put(self, batches: Sequence[EncodedBatch], *, spans: int) -> None:
        with self._changed:
            kept = 0
            for batch in batches:
                size = len(batch.data)
                # A batch larger than the whole bound may still pass an empty queue.
                if self._batches and self._batches_bytes + size > self._settings.max_queue_bytes:
                    continue
                self._batches.append(batch)
                self._batches_bytes += size
                kept += batch.spans
            if not self._abandoned:
                self._counters.dropped += spans - kept
            self._changed.notify_all()

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
                    self._drop_batches()  # a receiver that failed now will not take the rest either
                self._changed.notify_all()

    def _next_batch(self) -> EncodedBatch | None:
        with self._changed:
            self._changed.wait_for(lambda: self._batches or self._encoded_all or self._abandoned)
            if not self._batches:
                return None
            batch = self._batches.popleft()
            self._batches_bytes -= len(batch.data)
            return batch

    def _drop_batches(self) -> None:
        self._counters.dropped += sum(batch.spans for batch in self._batches)
        self._batches.clear()
        self._batches_bytes = 0


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
