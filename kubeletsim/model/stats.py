"""What containers and sandboxes use: CRI's stats and metrics, as values.

Times are Unix nanoseconds, sizes bytes. None means the runtime did not say, which is not the same as 0. Windows parts
are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from kubeletsim.model.ids import ContainerID, PodUID, SandboxID
from kubeletsim.model.runtime import FilesystemUsage


@dataclass(frozen=True, slots=True, kw_only=True)
class PressureData:
    """One line of a pressure file: how long tasks waited for a resource."""

    total: int = 0
    """Microseconds since the cgroup exists."""
    avg10: float = 0.0
    """Percent of the last 10 seconds; likewise below for 60 and 300."""
    avg60: float = 0.0
    avg300: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """CRI's PsiStats."""

    full: PressureData | None = None
    """All tasks waited at once."""
    some: PressureData | None = None
    """At least one task waited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CPUUsage:
    """CRI's CpuUsage."""

    timestamp: int
    usage_core_nano_seconds: int | None = None
    """CPU time consumed since the start."""
    usage_nano_cores: int | None = None
    """Rate over the runtime's last two samples; a whole core is 1e9."""
    psi: Pressure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryUsage:
    """CRI's MemoryUsage."""

    timestamp: int
    working_set_bytes: int | None = None
    """What cannot be reclaimed at once; eviction decides by it."""
    available_bytes: int | None = None
    usage_bytes: int | None = None
    rss_bytes: int | None = None
    page_faults: int | None = None
    major_page_faults: int | None = None
    psi: Pressure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapUsage:
    """CRI's SwapUsage."""

    timestamp: int
    swap_available_bytes: int | None = None
    swap_usage_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUsage:
    """What the whole machine uses."""

    timestamp: int
    cpu_seconds: float
    """CPU time of all its processors since it was started."""
    working_set_bytes: int
    swap_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IOUsage:
    """CRI's IoUsage: how hard it is to get at the disk."""

    timestamp: int
    psi: Pressure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInterfaceUsage:
    """Counters of one interface of a sandbox."""

    name: str
    rx_bytes: int | None = None
    rx_errors: int | None = None
    tx_bytes: int | None = None
    tx_errors: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkUsage:
    """CRI's NetworkUsage."""

    timestamp: int
    default_interface: NetworkInterfaceUsage | None = None
    interfaces: tuple[NetworkInterfaceUsage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessUsage:
    """CRI's ProcessUsage."""

    timestamp: int
    process_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStats:
    """Answer of ContainerStats: one container's consumption."""

    id: ContainerID
    name: str
    attempt: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    cpu: CPUUsage | None = None
    memory: MemoryUsage | None = None
    writable_layer: FilesystemUsage | None = None
    swap: SwapUsage | None = None
    io: IOUsage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStats:
    """Answer of PodSandboxStats: one pod's consumption and that of its containers."""

    id: SandboxID
    name: str
    namespace: str
    uid: PodUID
    attempt: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    cpu: CPUUsage | None = None
    memory: MemoryUsage | None = None
    network: NetworkUsage | None = None
    process: ProcessUsage | None = None
    io: IOUsage | None = None
    containers: tuple[ContainerStats, ...] = ()


class MetricType(Enum):
    """CRI's MetricType."""

    COUNTER = 0
    GAUGE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricDescriptor:
    """What a metric means; its values carry only the label values, in the order of these keys."""

    name: str
    help: str = ""
    label_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One value of a metric."""

    name: str
    timestamp: int = 0
    type: MetricType
    label_values: tuple[str, ...] = ()
    value: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerMetrics:
    """The metrics of one container."""

    container_id: ContainerID
    metrics: tuple[Metric, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxMetrics:
    """The metrics of one pod and of its containers."""

    sandbox_id: SandboxID
    metrics: tuple[Metric, ...] = ()
    containers: tuple[ContainerMetrics, ...] = ()
