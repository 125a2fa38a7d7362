"""The server's counts of requests: kubelet_http_requests_total and its two companions.

Refused requests are counted too; paths that do not exist share one label, so that nobody can fill the registry from
outside. Upstream: pkg/kubelet/server/metrics, ServeHTTP in pkg/kubelet/server/server.go.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from kubeletsim.base.timing import Clock

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE"})
LONG_RUNNING = frozenset({"exec", "attach", "portforward", "debug"})
LABELS = ("method", "path", "server_type", "long_running")
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

ServerType = Literal["readwrite", "readonly"]


class RequestMetrics:
    """The request metrics of one node; its two servers share them."""

    def __init__(self, registry: CollectorRegistry, *, clock: Clock) -> None:
        self._clock = clock
        self._total = Counter(
            "kubelet_http_requests",
            "Number of the http requests received since the server started",
            LABELS,
            registry=registry,
        )
        self._durations = Histogram(
            "kubelet_http_requests_duration_seconds",
            "Duration in seconds to serve http requests",
            LABELS,
            buckets=BUCKETS,
            registry=registry,
        )
        self._inflight = Gauge(
            "kubelet_http_inflight_requests", "Number of the inflight http requests", LABELS, registry=registry
        )

    @contextmanager
    def observe(self, method: str, *, bucket: str, server_type: ServerType) -> Iterator[None]:
        """Count one request and the time until its answer is ready."""
        labels = (
            method if method in METHODS else "other",
            bucket,
            server_type,
            "true" if bucket in LONG_RUNNING else "false",
        )
        inflight = self._inflight.labels(*labels)
        self._total.labels(*labels).inc()
        inflight.inc()
        began = self._clock.monotonic()
        try:
            yield
        finally:
            inflight.dec()
            self._durations.labels(*labels).observe(self._clock.monotonic() - began)
