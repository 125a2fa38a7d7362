"""The recorder: takes events from every part of the node at once, and writes them down in its own time.

Every event is in the log, as it happened. What goes to the journal passes the correlator, and then no faster than
`eventRecordQPS` allows, with `eventBurst` at once; what has to wait waits here, and what does not fit is dropped.

Upstream: StartRecordingToSink in staging/src/k8s.io/client-go/tools/record/event.go; the limits are there those of the
client that sends events.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass

from kubeletsim.agent.events.correlator import EventCorrelator
from kubeletsim.agent.events.journal import EventJournal
from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import go_quote
from kubeletsim.model.events import Event

log = logging.getLogger(__name__)

QUEUE_LENGTH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSettings:
    """How fast events are written down."""

    qps: int = 50
    """eventRecordQPS; 0 sets no limit."""
    burst: int = 100
    """eventBurst; without effect when there is no limit."""


class Recorder:
    """The node's EventRecorder: call it with an event.

    Args:
        journal: where events are written.
        settings: how fast.
        clock: stamps events, and measures out the limit.
    """

    def __init__(self, journal: EventJournal, *, settings: RecordingSettings, clock: Clock) -> None:
        self._journal = journal
        self._settings = settings
        self._clock = clock
        self._correlator = EventCorrelator()
        self._waiting: deque[tuple[Event, float]] = deque()
        self._wake = asyncio.Event()
        self._full = False
        self._free_at = float("-inf")

    def __call__(self, event: Event) -> None:
        """Log an event and put it in line."""
        log_event(event)
        if len(self._waiting) >= QUEUE_LENGTH:
            if not self._full:
                log.warning("More than %d events wait to be written down; the next are in the log alone", QUEUE_LENGTH)
            self._full = True
            return
        self._waiting.append((event, self._clock.now()))
        self._wake.set()

    async def run(self) -> None:
        """Write events down as they come; never returns, and what waits when it is cancelled is written at once."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    if self._write_next():
                        await self._keep_to_limit()
                self._full = False
        finally:
            while self._waiting:
                self._write_next()

    def _write_next(self) -> bool:
        """Take the next event; tell whether it was written, for only that counts against the limit."""
        event, at = self._waiting.popleft()
        counted = self._correlator.correlate(event, now=at)
        if counted is not None:
            self._journal.write(counted)
        return counted is not None

    async def _keep_to_limit(self) -> None:
        """Sleep until the next event may be written.

        `_free_at` is when all that was written would be paid for at the steady rate; a burst may be owed.
        """
        if self._settings.qps <= 0:
            return
        now = self._clock.monotonic()
        self._free_at = max(self._free_at, now) + 1 / self._settings.qps
        owed_seconds = self._free_at - now - (self._settings.burst - 1) / self._settings.qps
        if owed_seconds > 0:
            await asyncio.sleep(owed_seconds)


def log_event(event: Event) -> None:
    """Log an event in the kubelet's words."""
    about = event.regarding
    told = {
        "object": f"{about.namespace}/{about.name}" if about.namespace else about.name,
        "fieldPath": about.field_path,
        "kind": about.kind,
        "apiVersion": "v1",
        "type": event.type,
        "reason": event.reason,
        "message": event.message,
    }
    log.info('"Event occurred" %s', " ".join(f"{key}={go_quote(value)}" for key, value in told.items()))
