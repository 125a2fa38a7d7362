"""This module is the way in for numbers: stats and metrics of sandboxes and containers."""

from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message

from kubeletsim.clients.cri_convert.answers import filesystem_usage
from kubeletsim.model.runtime import ContainerID, PodUID, SandboxID
from kubeletsim.model.stats import (
    ContainerMetrics,
    ContainerStats,
    CPUUsage,
    IOUsage,
    MemoryUsage,
    Metric,
    MetricDescriptor,
    MetricType,
    NetworkInterfaceUsage,
    NetworkUsage,
    Pressure,
    PressureData,
    ProcessUsage,
    SandboxMetrics,
    SandboxStats,
    SwapUsage,
)
from kubeletsim.pb import cri_pb2 as pb

M = TypeVar("M", bound=Message)
T = TypeVar("T")


def container_stats(stats: pb.ContainerStats) -> ContainerStats:
    """Read one container's consumption."""
    attributes = stats.attributes
    return ContainerStats(
        id=ContainerID(attributes.id),
        name=attributes.metadata.name,
        attempt=attributes.metadata.attempt,
        labels=dict(attributes.labels),
        annotations=dict(attributes.annotations),
        cpu=_part(stats, "cpu", _cpu_usage),
        memory=_part(stats, "memory", _memory_usage),
        writable_layer=_part(stats, "writable_layer", filesystem_usage),
        swap=_part(stats, "swap", _swap_usage),
        io=_part(stats, "io", _io_usage),
    )


def sandbox_stats(stats: pb.PodSandboxStats) -> SandboxStats:
    """Read one pod's consumption."""
    attributes, linux = stats.attributes, stats.linux
    return SandboxStats(
        id=SandboxID(attributes.id),
        name=attributes.metadata.name,
        namespace=attributes.metadata.namespace,
        uid=PodUID(attributes.metadata.uid),
        attempt=attributes.metadata.attempt,
        labels=dict(attributes.labels),
        annotations=dict(attributes.annotations),
        cpu=_part(linux, "cpu", _cpu_usage),
        memory=_part(linux, "memory", _memory_usage),
        network=_part(linux, "network", _network_usage),
        process=_part(linux, "process", _process_usage),
        io=_part(linux, "io", _io_usage),
        containers=tuple(container_stats(each) for each in linux.containers),
    )


def metric_descriptor(descriptor: pb.MetricDescriptor) -> MetricDescriptor:
    """Read what a metric means."""
    return MetricDescriptor(name=descriptor.name, help=descriptor.help, label_keys=tuple(descriptor.label_keys))


def sandbox_metrics(metrics: pb.PodSandboxMetrics) -> SandboxMetrics:
    """Read one pod's metrics."""
    return SandboxMetrics(
        sandbox_id=SandboxID(metrics.pod_sandbox_id),
        metrics=tuple(_metric(metric) for metric in metrics.metrics),
        containers=tuple(
            ContainerMetrics(
                container_id=ContainerID(each.container_id),
                metrics=tuple(_metric(metric) for metric in each.metrics),
            )
            for each in metrics.container_metrics
        ),
    )


def _metric(metric: pb.Metric) -> Metric:
    return Metric(
        name=metric.name,
        timestamp=metric.timestamp,
        type=MetricType.COUNTER if metric.metric_type == pb.COUNTER else MetricType.GAUGE,
        label_values=tuple(metric.label_values),
        value=_number(metric, "value"),
    )


def _cpu_usage(usage: pb.CpuUsage) -> CPUUsage:
    return CPUUsage(
        timestamp=usage.timestamp,
        usage_core_nano_seconds=_number(usage, "usage_core_nano_seconds"),
        usage_nano_cores=_number(usage, "usage_nano_cores"),
        psi=_part(usage, "psi", _pressure),
    )


def _memory_usage(usage: pb.MemoryUsage) -> MemoryUsage:
    return MemoryUsage(
        timestamp=usage.timestamp,
        working_set_bytes=_number(usage, "working_set_bytes"),
        available_bytes=_number(usage, "available_bytes"),
        usage_bytes=_number(usage, "usage_bytes"),
        rss_bytes=_number(usage, "rss_bytes"),
        page_faults=_number(usage, "page_faults"),
        major_page_faults=_number(usage, "major_page_faults"),
        psi=_part(usage, "psi", _pressure),
    )


def _swap_usage(usage: pb.SwapUsage) -> SwapUsage:
    return SwapUsage(
        timestamp=usage.timestamp,
        swap_available_bytes=_number(usage, "swap_available_bytes"),
        swap_usage_bytes=_number(usage, "swap_usage_bytes"),
    )


def _io_usage(usage: pb.IoUsage) -> IOUsage:
    return IOUsage(timestamp=usage.timestamp, psi=_part(usage, "psi", _pressure))


def _process_usage(usage: pb.ProcessUsage) -> ProcessUsage:
    return ProcessUsage(timestamp=usage.timestamp, process_count=_number(usage, "process_count"))


def _network_usage(usage: pb.NetworkUsage) -> NetworkUsage:
    return NetworkUsage(
        timestamp=usage.timestamp,
        default_interface=_part(usage, "default_interface", _interface_usage),
        interfaces=tuple(_interface_usage(interface) for interface in usage.interfaces),
    )


def _interface_usage(usage: pb.NetworkInterfaceUsage) -> NetworkInterfaceUsage:
    return NetworkInterfaceUsage(
        name=usage.name,
        rx_bytes=_number(usage, "rx_bytes"),
        rx_errors=_number(usage, "rx_errors"),
        tx_bytes=_number(usage, "tx_bytes"),
        tx_errors=_number(usage, "tx_errors"),
    )


def _pressure(psi: pb.PsiStats) -> Pressure:
    return Pressure(full=_part(psi, "Full", _pressure_data), some=_part(psi, "Some", _pressure_data))


def _pressure_data(data: pb.PsiData) -> PressureData:
    return PressureData(total=data.Total, avg10=data.Avg10, avg60=data.Avg60, avg300=data.Avg300)


def _part(message: Message, field: str, convert: Callable[[M], T]) -> T | None:
    """Convert a message inside a message, if it is there."""
    return convert(getattr(message, field)) if message.HasField(field) else None


def _number(message: Message, field: str) -> int | None:
    """Return a wrapped number, if it is there."""
    return getattr(message, field).value if message.HasField(field) else None
