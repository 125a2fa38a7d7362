"""What became of the spans: counts kept by the pipeline, shown on /metrics by whoever has a registry.

Upstream has no such metric (its batch processor drops in silence); the names are therefore ours:

    kubeletsim_trace_spans_total{outcome="exported"}  acknowledged by the receiver
    kubeletsim_trace_spans_total{outcome="rejected"}  refused by the receiver in an otherwise accepted request
    kubeletsim_trace_spans_total{outcome="failed"}    sent in vain: no acknowledgement within the export timeout
    kubeletsim_trace_spans_total{outcome="dropped"}   never sent: queue full, or no time left at shutdown
    kubeletsim_trace_spans_pending                    ended, with none of these outcomes yet
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric


@dataclass(slots=True)
class SpanCounters:
    """How many sampled spans ended, and what became of them; each count only ever grows."""

    ended: int = 0
    exported: int = 0
    rejected: int = 0
    failed: int = 0
    dropped: int = 0

    @property
    def pending(self) -> int:
        """Return how many ended spans wait in the queue or are on their way."""
        return self.ended - self.exported - self.rejected - self.failed - self.dropped

    def snapshot(self) -> "SpanCounters":
        """Return a copy that stays as it is."""
        return SpanCounters(**{f.name: getattr(self, f.name) for f in fields(self)})

    def register(self, registry: "CollectorRegistry") -> None:
        """Show the counts on a registry; they are read when it is scraped."""
        registry.register(_SpanCollector(self))


class _SpanCollector:
    """Turns the counts into metric families at each scrape."""

    def __init__(self, counters: SpanCounters) -> None:
        self._counters = counters

    def collect(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily  # only who scrapes pays

        now = self._counters.snapshot()
        spans = CounterMetricFamily("kubeletsim_trace_spans", "Ended spans by what became of them.", labels=["outcome"])
        for outcome in ("exported", "rejected", "failed", "dropped"):
            spans.add_metric([outcome], getattr(now, outcome))
        yield spans
        yield GaugeMetricFamily("kubeletsim_trace_spans_pending", "Ended spans waiting to be sent.", value=now.pending)
