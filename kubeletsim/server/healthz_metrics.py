"""The counts of health checks behind /metrics/slis: how each went last, and how often each way.

Upstream: staging/src/k8s.io/component-base/metrics/prometheus/slis.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge

from kubeletsim.server.exposition import Exposition

TYPE = "healthz"


class HealthMetrics:
    """The metrics of one node's health checks; they have a registry of their own, as they can be reset."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._last = Gauge(
            "kubernetes_healthcheck",
            "This metric records the result of a single healthcheck.",
            ["name", "type"],
            registry=registry,
        )
        self._total = Counter(
            "kubernetes_healthchecks_total",
            "This metric records the results of all healthcheck.",
            ["name", "type", "status"],
            registry=registry,
        )
        self.exposition = Exposition(registry)

    def note(self, name: str, passed: bool) -> None:
        """Count how a check went."""
        self._last.labels(name, TYPE).set(1 if passed else 0)
        self._total.labels(name, TYPE, "success" if passed else "error").inc()

    def reset(self) -> None:
        """Forget everything."""
        self._last.clear()
        self._total.clear()
