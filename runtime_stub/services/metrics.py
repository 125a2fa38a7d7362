"""This module is the handlers of the metrics RPCs: descriptors, and samples of every ready pod.

Upstream: internal/cri/server/list_metric_descriptors.go, list_pod_sandbox_metrics.go.
"""

from collections.abc import Iterable

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.metrics import METRICS, Subject
from runtime_stub.machine import Machine
from runtime_stub.services.answers import Chunks
from runtime_stub.services.usages import container_usage, sandbox_usage
from runtime_stub.state.records import Container, ContainerState, Sandbox, SandboxState

METRICS_CHUNK = 500
"""Pods in one message of a stream; their samples are many."""

_DEFAULT_CPU_SHARES = 2
_DEFAULT_CPU_PERIOD = 100_000


class Metrics:
    """Handlers of the metrics RPCs."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def list_metric_descriptors(self, request: pb.ListMetricDescriptorsRequest) -> pb.ListMetricDescriptorsResponse:
        """Say which metrics there are."""
        del request
        return pb.ListMetricDescriptorsResponse(
            descriptors=[pb.MetricDescriptor(name=m.name, help=m.help, label_keys=m.label_keys) for m in METRICS]
        )

    def list_pod_sandbox_metrics(self, request: pb.ListPodSandboxMetricsRequest) -> pb.ListPodSandboxMetricsResponse:
        """Show a sample of each metric for every ready pod and its running containers."""
        del request
        return pb.ListPodSandboxMetricsResponse(pod_metrics=[self._pod(one) for one in self._ready()])

    def stream_pod_sandbox_metrics(
        self, request: pb.StreamPodSandboxMetricsRequest
    ) -> Chunks[pb.PodSandboxMetrics, pb.StreamPodSandboxMetricsResponse]:
        """Show the same in pieces."""
        del request
        return Chunks(
            (self._pod(one) for one in self._ready()),
            lambda items: pb.StreamPodSandboxMetricsResponse(pod_sandbox_metrics=items),
            size=METRICS_CHUNK,
        )

    def _ready(self) -> list[Sandbox]:
        return [one for one in self._machine.world.sandboxes() if one.state is SandboxState.READY]

    def _pod(self, sandbox: Sandbox) -> pb.PodSandboxMetrics:
        containers = [
            one
            for one in self._machine.world.containers_of(sandbox.id)
            if one.state is ContainerState.RUNNING or one.reason == "OOMKilled"
        ]
        return pb.PodSandboxMetrics(
            pod_sandbox_id=sandbox.id,
            metrics=self._samples(self._pod_subject(sandbox), self._labels(sandbox, None), of_pod=True),
            container_metrics=[
                pb.ContainerMetrics(
                    container_id=one.id,
                    metrics=self._samples(self._subject(one), self._labels(sandbox, one), of_pod=False),
                )
                for one in containers
            ],
        )

    def _samples(self, subject: Subject, labels: tuple[str, ...], *, of_pod: bool) -> Iterable[pb.Metric]:
        now = self._machine.now()
        for metric in METRICS:
            if metric.of_pod is of_pod:
                kind = pb.COUNTER if metric.counts else pb.GAUGE
                value = pb.UInt64Value(value=max(0, metric.value(subject)))
                for values in metric.series:
                    yield pb.Metric(
                        name=metric.name, timestamp=now, metric_type=kind, label_values=(*labels, *values), value=value
                    )

    def _labels(self, sandbox: Sandbox, container: Container | None) -> tuple[str, ...]:
        pod = sandbox.config.metadata
        if container is None:
            return (sandbox.id, sandbox.id, "", pod.namespace, pod.name, "POD")
        name = container.config.metadata.name
        return (container.id, container.id, container.image_name, pod.namespace, pod.name, name)

    def _pod_subject(self, sandbox: Sandbox) -> Subject:
        return Subject(
            usage=sandbox_usage(self._machine, sandbox),
            now_seconds=self._machine.now() // 1_000_000_000,
            started_at_seconds=sandbox.created_at // 1_000_000_000,
            processes=1,
            cpu_shares=_DEFAULT_CPU_SHARES,
            cpu_period=_DEFAULT_CPU_PERIOD,
            cpu_quota=0,
            memory_limit_bytes=0,
            memory_swap_limit_bytes=0,
            oom_events=0,
        )

    def _subject(self, container: Container) -> Subject:
        limits = container.resources
        return Subject(
            usage=container_usage(self._machine, container),
            now_seconds=self._machine.now() // 1_000_000_000,
            started_at_seconds=container.started_at // 1_000_000_000,
            processes=1,
            cpu_shares=limits.cpu_shares or _DEFAULT_CPU_SHARES,
            cpu_period=limits.cpu_period or _DEFAULT_CPU_PERIOD,
            cpu_quota=limits.cpu_quota,
            memory_limit_bytes=limits.memory_limit_in_bytes,
            memory_swap_limit_bytes=limits.memory_swap_limit_in_bytes,
            oom_events=int(container.reason == "OOMKilled"),
        )
