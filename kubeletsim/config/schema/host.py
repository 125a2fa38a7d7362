"""The fields about the host: reservations, logging, shutdown, taints, tracing, the runtime's socket."""

from typing import Annotated

from pydantic import Field

from kubeletsim.base.duration import Duration
from kubeletsim.config.schema.structs import (
    CrashLoopBackOffConfig,
    LoggingConfiguration,
    MemoryReservation,
    ShutdownGracePeriodByPodPriority,
    Taint,
    TracingConfiguration,
    UserNamespaces,
)
from kubeletsim.config.schema.types import GoDuration, ListOf, OneOf, OrDefault, Pointer, Range, Stage


class HostFields:
    """Reservations, logging, shutdown, registration, tracing, endpoints of the runtime."""

    configMapAndSecretChangeDetectionStrategy: Annotated[
        OrDefault[str], OneOf(("Get", "Cache", "Watch"), Stage.STARTUP)
    ] = "Watch"
    """How ConfigMaps and Secrets are fetched: each time, each time but cached for a while, or watched."""
    systemReserved: dict[str, str] = Field(default_factory=dict)
    """Resources kept from pods for the system, as quantities: cpu, memory, ephemeral-storage, pid."""
    kubeReserved: dict[str, str] = Field(default_factory=dict)
    """Resources kept from pods for Kubernetes' own daemons, as quantities: cpu, memory, ephemeral-storage, pid."""
    reservedSystemCPUs: str = ""
    """CPUs kept from pods, such as 0-1,4. Excludes both reserved cgroups."""
    showHiddenMetricsForVersion: str = ""
    """Show metrics that this release hides; the only value is the previous minor version."""
    systemReservedCgroup: str = ""
    """Cgroup on which `systemReserved` is enforced."""
    kubeReservedCgroup: str = ""
    """Cgroup on which `kubeReserved` is enforced."""
    enforceNodeAllocatable: ListOf[str] = ("pods",)
    """Which reservations are enforced: pods, system-reserved, kube-reserved, the latter two also with -compressible, or
    none alone. All but none need `cgroupsPerQOS`. An empty list enforces nothing, but does not outlive a merge with
    --config-dir; write [none] instead."""
    allowedUnsafeSysctls: ListOf[str] = ()
    """Sysctls pods may set although they are unsafe; a name may end in a star."""
    volumePluginDir: OrDefault[str] = "/usr/libexec/kubernetes/kubelet-plugins/volume/exec/"
    """Directory searched for flex volume plugins."""
    providerID: str = ""
    """How a cloud provider identifies the machine."""
    kernelMemcgNotification: bool = False
    """Let the kernel tell when memory thresholds are crossed, instead of only polling."""
    logging: LoggingConfiguration = Field(default_factory=LoggingConfiguration)
    """What is logged, and how."""
    enableSystemLogHandler: Pointer[bool] = True
    """Serve the host's log files under /logs/."""
    enableSystemLogQuery: Pointer[bool] = False
    """Allow queries of the system log on /logs/; needs `enableSystemLogHandler`."""
    shutdownGracePeriod: GoDuration = Duration()
    """How long the node delays a shutdown for its pods; 0s, or at least 1s."""
    shutdownGracePeriodCriticalPods: GoDuration = Duration()
    """Part of `shutdownGracePeriod`, at its end, kept for critical pods; 0s, or at least 1s."""
    shutdownGracePeriodByPodPriority: ListOf[ShutdownGracePeriodByPodPriority] = ()
    """Time at shutdown by pod priority; instead of the two fields above."""
    crashLoopBackOff: CrashLoopBackOffConfig = Field(default_factory=CrashLoopBackOffConfig)
    """Delays between restarts of a failing container."""
    reservedMemory: ListOf[MemoryReservation] = ()
    """Memory kept from pods on each NUMA node, for the Static memory policy."""
    enableProfilingHandler: Pointer[bool] = True
    """Serve /debug/pprof/."""
    enableDebugFlagsHandler: Pointer[bool] = True
    """Serve /debug/flags/v, which changes the log verbosity."""
    seccompDefault: Pointer[bool] = False
    """Give workloads that name no seccomp profile RuntimeDefault instead of Unconfined."""
    memoryThrottlingFactor: Annotated[Pointer[float | None], Range(above=0, maximum=1.0)] = 0.9
    """Share of a container's memory limit at which cgroup v2 begins to throttle it. Behind the gate MemoryQoS."""
    memoryReservationPolicy: Annotated[OrDefault[str], OneOf(("None", "TieredReservation"))] = "None"
    """TieredReservation protects requested memory with memory.min and memory.low. Behind the gate MemoryQoS."""
    registerWithTaints: ListOf[Taint] = ()
    """Taints that the node registers with."""
    registerNode: Pointer[bool] = True
    """Register the node with the API server."""
    tracing: Pointer[TracingConfiguration | None] = None
    """Where spans go and how many are kept. Null: no spans of its own; a caller's trace context is still passed on."""
    localStorageCapacityIsolation: Pointer[bool] = True
    """Account for local ephemeral storage and enforce its limits."""
    containerRuntimeEndpoint: OrDefault[str] = "unix:///run/containerd/containerd.sock"
    """Socket of the container runtime, as unix:///path."""
    imageServiceEndpoint: str = ""
    """Socket of the image service. Empty: the container runtime's."""
    failCgroupV1: Pointer[bool] = True
    """Refuse to start on a machine with cgroup v1. kubeletsim makes no cgroups itself and never looks."""
    userNamespaces: Pointer[UserNamespaces | None] = None
    """User namespaces of pods."""
