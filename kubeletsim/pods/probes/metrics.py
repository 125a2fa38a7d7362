"""The metrics of /metrics/probes; a container's series go with its workers.

Upstream: pkg/kubelet/prober/prober_manager.go, kubelet-http-api.md §9.4.
"""

from prometheus_client import CollectorRegistry, Counter, Histogram

from kubeletsim.model.pod import pod_name, pod_namespace, pod_uid
from kubeletsim.pods.probes.rules import ProbeResult, Target
from kubeletsim.pods.sync import DEFAULT_BUCKETS

RESULT_LABELS = {
    ProbeResult.SUCCESS: "successful",
    ProbeResult.FAILURE: "failed",
    ProbeResult.UNKNOWN: "unknown",
}


class ProbeMetrics:
    """Counts probes.

    Args:
        registry: the one behind /metrics/probes.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._total = Counter(
            "prober_probe_total",
            "Cumulative number of a liveness, readiness or startup probe for a container by result.",
            ["probe_type", "result", "container", "pod", "namespace", "pod_uid"],
            registry=registry,
        )
        self._duration = Histogram(
            "prober_probe_duration_seconds",
            "Duration in seconds for a probe response.",
            ["probe_type", "container", "pod", "namespace"],
            buckets=DEFAULT_BUCKETS,
            registry=registry,
        )

    def count(self, target: Target, result: ProbeResult, *, seconds: float) -> None:
        """Count one probe; the duration of a failed one says nothing and is left out."""
        self._total.labels(*_total_labels(target, result)).inc()
        if result is not ProbeResult.FAILURE:
            self._duration.labels(*_duration_labels(target)).observe(seconds)

    def forget(self, target: Target) -> None:
        """Drop the series of a worker that has ended."""
        for result in ProbeResult:
            self._total.remove(*_total_labels(target, result))
        self._duration.remove(*_duration_labels(target))


def _total_labels(target: Target, result: ProbeResult) -> tuple[str, ...]:
    kind, container, name, namespace = _duration_labels(target)
    return kind, RESULT_LABELS[result], container, name, namespace, str(pod_uid(target.pod))


def _duration_labels(target: Target) -> tuple[str, str, str, str]:
    return target.kind.value, target.container.name, pod_name(target.pod), pod_namespace(target.pod)
