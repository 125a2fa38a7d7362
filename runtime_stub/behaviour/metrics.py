"""This module is the metrics of ListMetricDescriptors and ListPodSandboxMetrics, as one table.

Names and labels are cAdvisor's, which a kubelet serves below /metrics/cadvisor. Each row says how a value follows from
what a container uses (`usage`), from its limits, or from nothing at all. CRI values are whole numbers: seconds are cut.
Upstream: internal/cri/server/list_metric_descriptors_linux.go.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from runtime_stub.behaviour.usage import Usage

BASE_LABELS = ("id", "name", "image", "namespace", "pod", "container")
"""Labels that every metric has, before those of its own."""

_KIB = 1024
_FILESYSTEM_BYTES = 64 * _KIB**3
_FILESYSTEM_INODES = 4_194_304
_PACKET_BYTES = 700


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a value is computed from."""

    usage: Usage
    now_seconds: int
    started_at_seconds: int
    processes: int
    cpu_shares: int
    cpu_period: int
    cpu_quota: int
    memory_limit_bytes: int
    memory_swap_limit_bytes: int
    oom_events: int


Value = Callable[[Subject], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One row: a metric, its own labels with the values they have, and how it is computed."""

    name: str
    help: str
    value: Value
    counts: bool = False
    """It only grows."""
    labels: tuple[str, ...] = ()
    series: tuple[tuple[str, ...], ...] = ((),)
    """Values of `labels`, a tuple for each sample."""
    of_pod: bool = False
    """It belongs to the pod's network namespace rather than to a container."""

    @property
    def label_keys(self) -> tuple[str, ...]:
        """Every label, in the order of the values."""
        return (*BASE_LABELS, *self.labels)


def _cpu_seconds(subject: Subject) -> float:
    return subject.usage.cpu_core_nanoseconds / 1e9


def _periods(subject: Subject) -> int:
    return int(_cpu_seconds(subject) * 10) if subject.cpu_quota > 0 else 0


def _zero(subject: Subject) -> int:
    del subject
    return 0


def _constant(number: int) -> Value:
    return lambda _: number


def _cpu() -> Iterator[Metric]:
    for name, what, value in (
        ("usage", "CPU time used", _cpu_seconds),
        ("user", "CPU time used in user mode", lambda one: _cpu_seconds(one) * 0.7),
        ("system", "CPU time used by the kernel", lambda one: _cpu_seconds(one) * 0.3),
    ):
        labels, series = (("cpu",), (("total",),)) if name == "usage" else ((), ((),))
        yield Metric(
            name=f"container_cpu_{name}_seconds_total",
            help=f"{what}, in seconds",
            value=_whole(value),
            counts=True,
            labels=labels,
            series=series,
        )
    yield Metric(name="container_cpu_cfs_periods_total", help="Enforcement periods", value=_periods, counts=True)
    yield Metric(
        name="container_cpu_cfs_throttled_periods_total",
        help="Periods in which the container was throttled",
        value=lambda one: _periods(one) // 50,
        counts=True,
    )
    yield Metric(
        name="container_cpu_cfs_throttled_seconds_total",
        help="Time for which the container was throttled, in seconds",
        value=lambda one: _periods(one) // 1000,
        counts=True,
    )
    yield Metric(name="container_spec_cpu_period", help="CPU period, in microseconds", value=lambda o: o.cpu_period)
    yield Metric(name="container_spec_cpu_quota", help="CPU quota, in microseconds", value=lambda o: o.cpu_quota)
    yield Metric(name="container_spec_cpu_shares", help="CPU shares", value=lambda one: one.cpu_shares)


def _memory() -> Iterator[Metric]:
    for name, what, value in (
        ("cache", "Page cache, in bytes", lambda one: one.usage.usage_bytes - one.usage.rss_bytes),
        ("kernel_usage", "Kernel memory, in bytes", lambda one: one.usage.rss_bytes // 40),
        ("mapped_file", "Memory-mapped files, in bytes", lambda one: one.usage.rss_bytes // 10),
        ("max_usage_bytes", "Highest usage so far, in bytes", lambda one: one.usage.usage_bytes * 6 // 5),
        ("rss", "Resident set, in bytes", lambda one: one.usage.rss_bytes),
        ("swap", "Swap, in bytes", _zero),
        ("usage_bytes", "Usage, in bytes", lambda one: one.usage.usage_bytes),
        ("working_set_bytes", "Working set, in bytes", lambda one: one.usage.working_set_bytes),
    ):
        yield Metric(name=f"container_memory_{name}", help=what, value=value)
    yield Metric(
        name="container_memory_failcnt", help="Times the limit was hit", value=lambda one: one.oom_events, counts=True
    )
    yield Metric(
        name="container_memory_failures_total",
        help="Page faults",
        value=lambda one: one.usage.page_faults,
        counts=True,
        labels=("failure_type", "scope"),
        series=(("pgfault", "container"), ("pgmajfault", "container")),
    )
    yield Metric(
        name="container_spec_memory_limit_bytes", help="Memory limit, in bytes", value=lambda o: o.memory_limit_bytes
    )
    yield Metric(name="container_spec_memory_reservation_limit_bytes", help="Memory reservation, in bytes", value=_zero)
    yield Metric(
        name="container_spec_memory_swap_limit_bytes",
        help="Limit of memory and swap, in bytes",
        value=lambda one: one.memory_swap_limit_bytes,
    )
    yield Metric(
        name="container_oom_events_total",
        help="Out of memory events",
        value=lambda one: one.oom_events,
        counts=True,
    )
    for name, what in (("max_usage", "Highest use of huge pages"), ("usage", "Use of huge pages")):
        yield Metric(
            name=f"container_hugetlb_{name}_bytes",
            help=f"{what}, in bytes",
            value=_zero,
            labels=("pagesize",),
            series=(("2MB",),),
        )


def _disk() -> Iterator[Metric]:
    for name, what, value, counts in (
        ("inodes_free", "Free inodes", lambda one: _FILESYSTEM_INODES - one.usage.inodes, False),
        ("inodes_total", "Inodes", _constant(_FILESYSTEM_INODES), False),
        ("limit_bytes", "Size of the file system, in bytes", _constant(_FILESYSTEM_BYTES), False),
        ("usage_bytes", "Bytes used", lambda one: one.usage.written_bytes, False),
        ("reads_bytes_total", "Bytes read", lambda one: one.usage.major_page_faults * 4 * _KIB, True),
        ("reads_total", "Reads", lambda one: one.usage.major_page_faults, True),
        ("writes_bytes_total", "Bytes written", lambda one: one.usage.written_bytes, True),
        ("writes_total", "Writes", lambda one: one.usage.written_bytes // (4 * _KIB), True),
    ):
        yield Metric(
            name=f"container_fs_{name}",
            help=what,
            value=value,
            counts=counts,
            labels=("device",),
            series=(("/dev/vda1",),),
        )
    yield Metric(
        name="container_blkio_device_usage_total",
        help="Bytes moved by block devices",
        value=lambda one: one.usage.written_bytes,
        counts=True,
        labels=("device", "major", "minor", "operation"),
        series=(("/dev/vda", "254", "0", "Read"), ("/dev/vda", "254", "0", "Write")),
    )


def _network() -> Iterator[Metric]:
    for direction, value in (
        ("receive", lambda one: one.usage.received_bytes),
        ("transmit", lambda one: one.usage.sent_bytes),
    ):
        for name, what, number in (
            ("bytes", "bytes", value),
            ("errors", "errors", _zero),
            ("packets_dropped", "packets dropped", _zero),
            ("packets", "packets", _packets(value)),
        ):
            yield Metric(
                name=f"container_network_{direction}_{name}_total",
                help=f"Network {direction}: {what}",
                value=number,
                counts=True,
                labels=("interface",),
                series=(("eth0",),),
                of_pod=True,
            )


def _process() -> Iterator[Metric]:
    for name, what, value in (
        ("file_descriptors", "Open file descriptors", lambda one: 4 + 3 * one.processes),
        ("last_seen", "When the container was last seen, Unix seconds", lambda one: one.now_seconds),
        ("processes", "Processes", lambda one: one.processes),
        ("sockets", "Open sockets", lambda one: one.processes - 1),
        ("start_time_seconds", "When the container was started, Unix seconds", lambda one: one.started_at_seconds),
        ("threads", "Threads", lambda one: one.processes),
        ("threads_max", "Most threads that are allowed", _constant(32_768)),
    ):
        yield Metric(name=f"container_{name}", help=what, value=value)
    yield Metric(
        name="container_ulimits_soft",
        help="Soft limits of the first process",
        value=_constant(1_048_576),
        labels=("ulimit",),
        series=(("max_open_files",),),
    )
    for resource in ("cpu", "io", "memory"):
        for kind in ("stalled", "waiting"):
            yield Metric(
                name=f"container_pressure_{resource}_{kind}_seconds_total",
                help=f"Time for which tasks were {kind} for {resource}, in seconds",
                value=_zero,
                counts=True,
            )


def _whole(value: Callable[[Subject], float]) -> Value:
    return lambda subject: int(value(subject))


def _packets(value: Value) -> Value:
    return lambda subject: value(subject) // _PACKET_BYTES


METRICS: tuple[Metric, ...] = (*_cpu(), *_memory(), *_disk(), *_network(), *_process())
"""Every metric; constant over the runtime's life, as the CRI demands."""
