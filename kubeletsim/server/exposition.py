"""Metrics as a kubelet writes them: Prometheus' text format, families in order of their names, stability in front.

Upstream's registry adds the stability of a metric to its help, and leaves out families that have no series yet.
Counterpart: staging/src/k8s.io/component-base/metrics.
"""

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from kubeletsim.server.answers import Answer

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
PREFIXES = ("kubelet_", "prober_", "node_swap_", "container_swap_", "pod_swap_")
"""Beginnings of names that are upstream's; others are our own and have no stability."""
BETA = (
    "kubelet_image_volume_mounted_errors",
    "kubelet_image_volume_mounted_succeed",
    "kubelet_image_volume_requested",
    "prober_probe",
)
STABLE = (
    "container_cpu_usage_seconds",
    "container_memory_working_set_bytes",
    "container_start_time_seconds",
    "kubernetes_healthcheck",
    "kubernetes_healthchecks",
    "node_cpu_usage_seconds",
    "node_memory_working_set_bytes",
    "pod_cpu_usage_seconds",
    "pod_memory_working_set_bytes",
    "resource_scrape_error",
)
BARE_COUNTERS = (
    "kubelet_evented_pleg_connection_error_count",
    "kubelet_evented_pleg_connection_success_count",
    "kubelet_evictions",
    "kubelet_pleg_discard_events",
    "kubelet_preemptions",
)
"""Counters whose names do not end in `_total`: gauges to the Python client, which would add that."""


class Exposition:
    """What one endpoint shows of a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._families = _Families(registry)
        self._registry = registry

    def answer(self, request: web.BaseRequest) -> Answer:
        """Make an answer of the metrics as they are now."""
        headers = {"Content-Type": CONTENT_TYPE}
        if (started := self._registry.get_sample_value("process_start_time_seconds")) is not None:
            headers["Process-Start-Time-Unix"] = str(int(started))
        response = Answer(body=self.text(), headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            response.enable_compression(web.ContentCoding.gzip)
        return response

    def text(self) -> bytes:
        """Return the metrics as text."""
        text = generate_latest(self._families)
        for name in BARE_COUNTERS:
            text = text.replace(f"# TYPE {name} gauge\n".encode(), f"# TYPE {name} counter\n".encode())
        return text


class _Families(Collector):
    """A registry's families as upstream shows them; without the `_created` series that the Python client adds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> list[Metric]:
        """Return those that have series."""
        shown = []
        for family in self._registry.collect():
            samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            if samples:
                copy = Metric(family.name, _help(family), family.type, family.unit)
                copy.samples = samples
                shown.append(copy)
        return sorted(shown, key=lambda family: family.name + ("_total" if family.type == "counter" else ""))


def _help(family: Metric) -> str:
    if family.name in STABLE:
        return f"[STABLE] {family.documentation}"
    if not family.name.startswith(PREFIXES):
        return family.documentation
    return f"[{'BETA' if family.name in BETA else 'ALPHA'}] {family.documentation}"
