"""This module is the RPCs about what containers and sandboxes consume."""

from collections.abc import AsyncGenerator, Mapping

from kubeletsim.clients.cri.calls import Calls
from kubeletsim.clients.cri.sandboxes import ANY_LABELS
from kubeletsim.clients.cri_convert import requests, usage
from kubeletsim.model.errors import BadAnswer
from kubeletsim.model.runtime import ContainerID, SandboxID
from kubeletsim.model.stats import ContainerStats, MetricDescriptor, SandboxMetrics, SandboxStats
from kubeletsim.pb import cri_pb2 as pb


class UsageCalls:
    """Stats and metrics."""

    _calls: Calls

    async def container_stats(self, container_id: ContainerID) -> ContainerStats:
        """Ask what a running container consumes."""

        def read(answer: pb.ContainerStatsResponse) -> ContainerStats:
            if not answer.HasField("stats"):
                raise BadAnswer("ContainerStats: stats is not set", rpc="ContainerStats")
            return usage.container_stats(answer.stats)

        request = pb.ContainerStatsRequest(container_id=container_id)
        return await self._calls.one("ContainerStats", self._calls.runtime.ContainerStats, request, read)

    async def list_container_stats(
        self,
        *,
        container_id: ContainerID | None = None,
        sandbox_id: SandboxID | None = None,
        labels: Mapping[str, str] = ANY_LABELS,
    ) -> list[ContainerStats]:
        """Ask what the running containers consume that match every argument given."""
        return await self._calls.one(
            "ListContainerStats",
            self._calls.runtime.ListContainerStats,
            pb.ListContainerStatsRequest(
                filter=requests.container_stats_filter(container_id=container_id, sandbox_id=sandbox_id, labels=labels)
            ),
            lambda answer: [usage.container_stats(stats) for stats in answer.stats],
        )

    def stream_container_stats(
        self,
        *,
        container_id: ContainerID | None = None,
        sandbox_id: SandboxID | None = None,
        labels: Mapping[str, str] = ANY_LABELS,
    ) -> AsyncGenerator[ContainerStats, None]:
        """Give as `list_container_stats` does, without a limit on the size of the whole."""
        return self._calls.many(
            "StreamContainerStats",
            self._calls.runtime.StreamContainerStats,
            pb.StreamContainerStatsRequest(
                filter=requests.container_stats_filter(container_id=container_id, sandbox_id=sandbox_id, labels=labels)
            ),
            lambda answer: map(usage.container_stats, answer.container_stats),
        )

    async def pod_sandbox_stats(self, sandbox_id: SandboxID) -> SandboxStats:
        """Ask what a pod consumes."""

        def read(answer: pb.PodSandboxStatsResponse) -> SandboxStats:
            if not answer.HasField("stats"):
                raise BadAnswer("PodSandboxStats: stats is not set", rpc="PodSandboxStats")
            return usage.sandbox_stats(answer.stats)

        request = pb.PodSandboxStatsRequest(pod_sandbox_id=sandbox_id)
        return await self._calls.one("PodSandboxStats", self._calls.runtime.PodSandboxStats, request, read)

    async def list_pod_sandbox_stats(
        self, *, sandbox_id: SandboxID | None = None, labels: Mapping[str, str] = ANY_LABELS
    ) -> list[SandboxStats]:
        """Ask what the pods consume that match every argument given."""
        return await self._calls.one(
            "ListPodSandboxStats",
            self._calls.runtime.ListPodSandboxStats,
            pb.ListPodSandboxStatsRequest(filter=requests.sandbox_stats_filter(sandbox_id=sandbox_id, labels=labels)),
            lambda answer: [usage.sandbox_stats(stats) for stats in answer.stats],
        )

    def stream_pod_sandbox_stats(
        self, *, sandbox_id: SandboxID | None = None, labels: Mapping[str, str] = ANY_LABELS
    ) -> AsyncGenerator[SandboxStats, None]:
        """Give as `list_pod_sandbox_stats` does, without a limit on the size of the whole."""
        return self._calls.many(
            "StreamPodSandboxStats",
            self._calls.runtime.StreamPodSandboxStats,
            pb.StreamPodSandboxStatsRequest(filter=requests.sandbox_stats_filter(sandbox_id=sandbox_id, labels=labels)),
            lambda answer: map(usage.sandbox_stats, answer.pod_sandbox_stats),
        )

    async def list_metric_descriptors(self) -> list[MetricDescriptor]:
        """Ask which metrics the runtime has; they do not change while it runs."""
        return await self._calls.one(
            "ListMetricDescriptors",
            self._calls.runtime.ListMetricDescriptors,
            pb.ListMetricDescriptorsRequest(),
            lambda answer: [usage.metric_descriptor(each) for each in answer.descriptors],
        )

    async def list_pod_sandbox_metrics(self) -> list[SandboxMetrics]:
        """Ask for the metrics of all pods."""
        return await self._calls.one(
            "ListPodSandboxMetrics",
            self._calls.runtime.ListPodSandboxMetrics,
            pb.ListPodSandboxMetricsRequest(),
            lambda answer: [usage.sandbox_metrics(each) for each in answer.pod_metrics],
        )

    def stream_pod_sandbox_metrics(self) -> AsyncGenerator[SandboxMetrics, None]:
        """Give as `list_pod_sandbox_metrics` does, without a limit on the size of the whole."""
        return self._calls.many(
            "StreamPodSandboxMetrics",
            self._calls.runtime.StreamPodSandboxMetrics,
            pb.StreamPodSandboxMetricsRequest(),
            lambda answer: map(usage.sandbox_metrics, answer.pod_sandbox_metrics),
        )
