"""/metrics/resource: what the node, its pods and their containers use, which is what `kubectl top` goes by.

The figures of containers are the runtime's, those of a pod are their sum, and the node's come from the machine.
Upstream takes them from cgroups; its calls to the runtime are the same, and they are roots of traces of their own.

Upstream: pkg/kubelet/metrics/collectors/resource_metrics.go, ListPodCPUAndMemoryStats in
pkg/kubelet/stats/cri_stats_provider.go.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web
from opentelemetry.context import Context, attach, detach
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from kubeletsim.model.errors import CRIError
from kubeletsim.model.runtime import Container, Sandbox, SandboxID
from kubeletsim.model.stats import ContainerStats, NodeUsage
from kubeletsim.pods.node_object import VersionService, look_at_node
from kubeletsim.server.answers import Answer
from kubeletsim.server.exposition import Exposition

log = logging.getLogger(__name__)

CPU_HELP = "Cumulative cpu time consumed by the {} in core-seconds"
MEMORY_HELP = "Current working set of the {} in bytes"
SWAP_HELP = "Current amount of the {} swap {} in bytes. Reported only on non-windows systems"
FAMILIES = {
    "node_cpu_usage_seconds_total": CPU_HELP.format("node"),
    "node_memory_working_set_bytes": MEMORY_HELP.format("node"),
    "node_swap_usage_bytes": "Current swap usage of the node in bytes. Reported only on non-windows systems",
    "container_start_time_seconds": "Start time of the container since unix epoch in seconds",
    "container_cpu_usage_seconds_total": CPU_HELP.format("container"),
    "container_memory_working_set_bytes": MEMORY_HELP.format("container"),
    "container_swap_usage_bytes": SWAP_HELP.format("container", "usage"),
    "container_swap_limit_bytes": SWAP_HELP.format("container", "limit"),
    "pod_cpu_usage_seconds_total": CPU_HELP.format("pod"),
    "pod_memory_working_set_bytes": MEMORY_HELP.format("pod"),
    "pod_swap_usage_bytes": SWAP_HELP.format("pod", "usage"),
    "resource_scrape_error": "1 if there was an error while getting container metrics, 0 otherwise",
}
"""Every family, and its help."""


class StatsRuntime(Protocol):
    """What this module takes of the runtime."""

    async def list_containers(self) -> list[Container]:
        """List containers."""

    async def list_pod_sandbox(self) -> list[Sandbox]:
        """List sandboxes."""

    async def list_container_stats(self) -> list[ContainerStats]:
        """Return what containers use."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of somebody, and when it was taken."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    at_ns: int | None = None
    """Unix nanoseconds; None for what does not change."""


class ResourceMetrics:
    """Answers requests for what is used.

    Args:
        runtime: asked for its version, as for the Node.
        stats: the runtime without the counts of operations.
        node_usage: measures the machine.
    """

    def __init__(
        self, *, runtime: VersionService, stats: StatsRuntime, node_usage: Callable[[], NodeUsage | None]
    ) -> None:
        self._runtime = runtime
        self._stats = stats
        self._node_usage = node_usage

    async def handle(self, request: web.BaseRequest) -> Answer:
        """Answer a request; what the runtime does not tell is missing, and `resource_scrape_error` is 1."""
        token = attach(Context())  # the calls are nobody's children
        try:
            await look_at_node(self._runtime)
            containers = await self._stats.list_containers()
            sandboxes = await self._stats.list_pod_sandbox()
            figures = list(container_figures(await self._stats.list_container_stats(), containers, sandboxes))
        except CRIError as error:
            log.error("Error getting summary for resourceMetric prometheus endpoint: %s", error)  # noqa: TRY400
            return _answer([Figure("resource_scrape_error", (), 1)], request)
        finally:
            detach(token)
        node = node_figures(self._node_usage())
        return _answer([*node, *figures, *pod_figures(figures), Figure("resource_scrape_error", (), 0)], request)


def node_figures(usage: NodeUsage | None) -> Iterator[Figure]:
    """Yield the node's figures; none of a machine that cannot be measured."""
    if usage is not None:
        yield Figure("node_cpu_usage_seconds_total", (), usage.cpu_seconds, usage.timestamp)
        yield Figure("node_memory_working_set_bytes", (), usage.working_set_bytes, usage.timestamp)
        yield Figure("node_swap_usage_bytes", (), usage.swap_bytes, usage.timestamp)


def container_figures(
    stats: Iterable[ContainerStats], containers: Sequence[Container], sandboxes: Sequence[Sandbox]
) -> Iterator[Figure]:
    """Yield the figures of the containers whose pods are known."""
    listed = {container.id: container for container in containers}
    pods: dict[SandboxID, Sandbox] = {sandbox.id: sandbox for sandbox in sandboxes}
    for one in stats:
        container = listed.get(one.id)
        pod = pods.get(container.sandbox_id) if container is not None else None
        if container is None or pod is None:
            continue
        labels = (("container", one.name), ("namespace", pod.namespace), ("pod", pod.name))
        if container.created_at > 0:
            yield Figure("container_start_time_seconds", labels, container.created_at / 1e9)
        yield from _usage(one, labels)


def _usage(stats: ContainerStats, labels: tuple[tuple[str, str], ...]) -> Iterator[Figure]:
    if stats.cpu is not None and stats.cpu.usage_core_nano_seconds is not None:
        seconds = stats.cpu.usage_core_nano_seconds / 1e9
        yield Figure("container_cpu_usage_seconds_total", labels, seconds, stats.cpu.timestamp)
    if stats.memory is not None and stats.memory.working_set_bytes is not None:
        size = stats.memory.working_set_bytes
        yield Figure("container_memory_working_set_bytes", labels, size, stats.memory.timestamp)
    if stats.swap is not None:
        used, left = stats.swap.swap_usage_bytes, stats.swap.swap_available_bytes
        if used is not None:
            yield Figure("container_swap_usage_bytes", labels, used, stats.swap.timestamp)
        if left is not None:
            yield Figure("container_swap_limit_bytes", labels, left + (used or 0), stats.swap.timestamp)


def pod_figures(figures: Iterable[Figure]) -> list[Figure]:
    """Return the sums of containers' figures by pod, as new as the newest of them."""
    sums: dict[tuple[str, tuple[tuple[str, str], ...]], tuple[float, int]] = {}
    for figure in figures:
        name = figure.name.replace("container_", "pod_")
        if name in FAMILIES and figure.at_ns is not None:
            key = name, figure.labels[1:]
            value, at_ns = sums.get(key, (0.0, 0))
            sums[key] = value + figure.value, max(at_ns, figure.at_ns)
    return [Figure(name, labels, value, at_ns) for (name, labels), (value, at_ns) in sums.items()]


def _answer(figures: Iterable[Figure], request: web.BaseRequest) -> Answer:
    registry = CollectorRegistry()
    registry.register(_Figures(figures))
    return Exposition(registry).answer(request)


class _Figures(Collector):
    """Figures as families of metrics."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self._families: dict[str, Metric] = {}
        for figure in figures:
            kind = "counter" if figure.name.endswith("_total") else "gauge"
            name = figure.name.removesuffix("_total")
            family = self._families.setdefault(figure.name, Metric(name, FAMILIES[figure.name], kind))
            at_seconds = figure.at_ns / 1e9 if figure.at_ns is not None else None
            family.add_sample(figure.name, dict(figure.labels), figure.value, timestamp=at_seconds)

    def collect(self) -> list[Metric]:
        """Return the families that have figures."""
        return list(self._families.values())
