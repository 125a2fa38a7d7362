"""This module is the measure of CRI calls: `kubelet_runtime_operations_*`, one label value an operation.

Upstream: pkg/kubelet/kuberuntime/instrumented_services.go and pkg/kubelet/metrics/metrics.go. An operation is counted
when it ends, whatever its end; an answer without a required field counts as an error, and so does a command that
ExecSync ran and that failed.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram

OPERATION_TYPES = {
    "Version": "version",
    "Status": "status",
    "RuntimeConfig": "runtime_config",
    "UpdateRuntimeConfig": "update_runtime_config",
    "RunPodSandbox": "run_podsandbox",
    "StopPodSandbox": "stop_podsandbox",
    "RemovePodSandbox": "remove_podsandbox",
    "PodSandboxStatus": "podsandbox_status",
    "ListPodSandbox": "list_podsandbox",
    "StreamPodSandboxes": "list_podsandbox",
    "UpdatePodSandboxResources": "update_podsandbox_resources",
    "CreateContainer": "create_container",
    "StartContainer": "start_container",
    "StopContainer": "stop_container",
    "RemoveContainer": "remove_container",
    "ContainerStatus": "container_status",
    "ListContainers": "list_containers",
    "StreamContainers": "list_containers",
    "UpdateContainerResources": "update_container",
    "ReopenContainerLog": "reopen_container_log",
    "CheckpointContainer": "checkpoint_container",
    "GetContainerEvents": "get_container_events",
    "ExecSync": "exec_sync",
    "Exec": "exec",
    "Attach": "attach",
    "PortForward": "port_forward",
    "ContainerStats": "container_stats",
    "ListContainerStats": "list_container_stats",
    "StreamContainerStats": "list_container_stats",
    "PodSandboxStats": "podsandbox_stats",
    "ListPodSandboxStats": "list_podsandbox_stats",
    "StreamPodSandboxStats": "list_podsandbox_stats",
    "ListMetricDescriptors": "list_metric_descriptors",
    "ListPodSandboxMetrics": "list_podsandbox_metrics",
    "StreamPodSandboxMetrics": "list_podsandbox_metrics",
    "ListImages": "list_images",
    "StreamImages": "list_images",
    "ImageStatus": "image_status",
    "PullImage": "pull_image",
    "RemoveImage": "remove_image",
    "ImageFsInfo": "image_fs_info",
}
"""RPC to operation_type; a streamed list counts as the list it replaces."""

DURATION_BUCKETS_SECONDS = tuple(0.005 * 2.5**n for n in range(14))


DEFAULT_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The Go client's, which the Python client's differ from."""


class Operations:
    """The three metrics of every operation, and the two of sandboxes, on the registry of one node."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ["operation_type"]
        self._total = Counter(
            "kubelet_runtime_operations",
            "Cumulative number of runtime operations by operation type.",
            labels,
            registry=registry,
        )
        self._errors = Counter(
            "kubelet_runtime_operations_errors",
            "Cumulative number of runtime operation errors by operation type.",
            labels,
            registry=registry,
        )
        self._duration = Histogram(
            "kubelet_runtime_operations_duration_seconds",
            "Duration in seconds of runtime operations. Broken down by operation type.",
            labels,
            buckets=DURATION_BUCKETS_SECONDS,
            registry=registry,
        )

        self._sandbox_duration = Histogram(
            "kubelet_run_podsandbox_duration_seconds",
            "Duration in seconds of the run_podsandbox operations. Broken down by RuntimeClass.Handler.",
            ["runtime_handler"],
            buckets=DEFAULT_BUCKETS_SECONDS,
            registry=registry,
        )
        self._sandbox_errors = Counter(
            "kubelet_run_podsandbox_errors",
            "Cumulative number of the run_podsandbox operation errors by RuntimeClass.Handler.",
            ["runtime_handler"],
            registry=registry,
        )

    @contextmanager
    def observe(self, rpc: str) -> Iterator[None]:
        """Count and time what happens in the block as one operation; an exception is an error of it."""
        operation, clock = OPERATION_TYPES[rpc], asyncio.get_running_loop().time
        begun = clock()
        try:
            yield
        except GeneratorExit:  # whoever reads a stream has read enough
            raise
        except BaseException:
            self.failed(rpc)
            raise
        finally:
            self._total.labels(operation).inc()
            self._duration.labels(operation).observe(clock() - begun)

    @contextmanager
    def observe_sandbox(self, runtime_handler: str) -> Iterator[None]:
        """Time the run of a sandbox; an exception is an error of it."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        try:
            with self._sandbox_errors.labels(runtime_handler).count_exceptions():
                yield
        finally:
            self._sandbox_duration.labels(runtime_handler).observe(clock() - begun)

    def failed(self, rpc: str) -> None:
        """Count an error of that RPC."""
        self._errors.labels(OPERATION_TYPES[rpc]).inc()
