"""The rules between top-level fields, and between fields and feature gates.

Upstream: `pkg/kubelet/apis/config/validation/validation.go`.
"""

import posixpath
import re
from collections.abc import Iterator

from kubeletsim.base.duration import Duration
from kubeletsim.config.schema.cpuset import parse_cpu_set
from kubeletsim.config.schema.gates import FeatureGates
from kubeletsim.config.schema.kubelet import KUBERNETES_VERSION, KubeletConfiguration
from kubeletsim.config.schema.types import Range
from kubeletsim.model.errors import Fault

CFS_PERIOD = Range(Duration.of(milliseconds=1), Duration.of(seconds=1))
RESTART_PERIOD = Range(Duration.of(seconds=1), Duration.of(seconds=300))
_DEFAULT_CFS_PERIOD = Duration.of(milliseconds=100)
_SECOND = Duration.of(seconds=1)
_ENFORCEMENTS = {
    "none": "",
    "pods": "",
    "system-reserved": "systemReservedCgroup",
    "system-reserved-compressible": "systemReservedCgroup",
    "kube-reserved": "kubeReservedCgroup",
    "kube-reserved-compressible": "kubeReservedCgroup",
}
"""What can be enforced on node allocatable, and the field that must then name a cgroup."""
_IMAGE_NAME = re.compile(r"[A-Za-z0-9._-]+(:[0-9]+)?(/[A-Za-z0-9._-]+)*")


def relation_faults(config: KubeletConfiguration, gates: FeatureGates) -> Iterator[Fault]:
    """Name every broken rule between fields."""
    yield from _image_faults(config, gates)
    yield from _runtime_faults(config, gates)
    yield from _shutdown_faults(config, gates)
    yield from _allocatable_faults(config)
    yield from _path_faults(config)
    yield from _gated_field_faults(config, gates)


def _image_faults(config: KubeletConfiguration, gates: FeatureGates) -> Iterator[Fault]:
    low, high = config.imageGCLowThresholdPercent, config.imageGCHighThresholdPercent
    if low >= high:
        yield Fault("imageGCLowThresholdPercent", low, f"must be below imageGCHighThresholdPercent, which is {high}")
    youngest, oldest = config.imageMinimumGCAge, config.imageMaximumGCAge
    if oldest.nanoseconds > 0 and oldest <= youngest:
        yield Fault("imageMaximumGCAge", str(oldest), f"must be 0s or exceed imageMinimumGCAge, which is {youngest}")
    if config.serializeImagePulls and (config.maxParallelImagePulls or 0) > 1:
        rule = "must be 1 or absent unless serializeImagePulls is false"
        yield Fault("maxParallelImagePulls", config.maxParallelImagePulls, rule)
    policy, allowlist = config.imagePullCredentialsVerificationPolicy, config.preloadedImagesVerificationAllowlist
    if not gates.enabled("KubeletEnsureSecretPulledImages"):
        rule = "must be absent without the feature gate KubeletEnsureSecretPulledImages"
        if policy:
            yield Fault("imagePullCredentialsVerificationPolicy", policy, rule)
        if allowlist:
            yield Fault("preloadedImagesVerificationAllowlist", list(allowlist), rule)
    elif allowlist and policy != "NeverVerifyAllowlistedImages":
        rule = "must be absent unless imagePullCredentialsVerificationPolicy is NeverVerifyAllowlistedImages"
        yield Fault("preloadedImagesVerificationAllowlist", list(allowlist), rule)
    else:
        for number, pattern in enumerate(allowlist):
            if not _IMAGE_NAME.fullmatch(pattern.removesuffix("/*")):
                rule = "must be an image name without tag or digest, or a prefix that ends in /*"
                yield Fault(f"preloadedImagesVerificationAllowlist[{number}]", pattern, rule)


def _runtime_faults(config: KubeletConfiguration, gates: FeatureGates) -> Iterator[Fault]:
    period = config.cpuCFSQuotaPeriod
    if gates.enabled("CustomCPUCFSQuotaPeriod"):
        if not CFS_PERIOD.allows(period):
            yield Fault("cpuCFSQuotaPeriod", str(period), str(CFS_PERIOD))
    elif period != _DEFAULT_CFS_PERIOD:
        yield Fault("cpuCFSQuotaPeriod", str(period), "must be 100ms without the feature gate CustomCPUCFSQuotaPeriod")
    restart = config.crashLoopBackOff.maxContainerRestartPeriod
    path = "crashLoopBackOff.maxContainerRestartPeriod"
    if not gates.enabled("KubeletCrashLoopBackOffMax"):
        if restart is not None:
            yield Fault(path, str(restart), "must be absent without the feature gate KubeletCrashLoopBackOffMax")
    elif restart is None:
        yield Fault(path, None, "must be given while the feature gate KubeletCrashLoopBackOffMax is on")
    elif not RESTART_PERIOD.allows(restart):
        yield Fault(path, str(restart), "must be between 1s and 300s")
    if config.runOnce:
        yield Fault("runOnce", True, "must be false: the mode was removed")
    if not config.containerRuntimeEndpoint:
        yield Fault("containerRuntimeEndpoint", "", "must not be empty")


def _shutdown_faults(config: KubeletConfiguration, gates: FeatureGates) -> Iterator[Fault]:
    total, critical = config.shutdownGracePeriod, config.shutdownGracePeriodCriticalPods
    periods = {"shutdownGracePeriod": total, "shutdownGracePeriodCriticalPods": critical}
    if gates.enabled("GracefulNodeShutdown"):
        if critical > total:
            rule = f"must not exceed shutdownGracePeriod, which is {total}"
            yield Fault("shutdownGracePeriodCriticalPods", str(critical), rule)
        for path, period in periods.items():
            if period and period < _SECOND:
                yield Fault(path, str(period), "must be 0s or at least 1s")
    else:
        for path, period in periods.items():
            if period.nanoseconds > 0:
                yield Fault(path, str(period), "must be 0s without the feature gate GracefulNodeShutdown")
    if config.shutdownGracePeriodByPodPriority:
        path = "shutdownGracePeriodByPodPriority"
        count = f"{len(config.shutdownGracePeriodByPodPriority)} entries"
        if not gates.enabled("GracefulNodeShutdownBasedOnPodPriority"):
            rule = "must be absent without the feature gate GracefulNodeShutdownBasedOnPodPriority"
            yield Fault(path, count, rule)
        elif any(period.nanoseconds > 0 for period in periods.values()):
            rule = "must be absent when shutdownGracePeriod or shutdownGracePeriodCriticalPods is given"
            yield Fault(path, count, rule)


def _allocatable_faults(config: KubeletConfiguration) -> Iterator[Fault]:
    path = "enforceNodeAllocatable"
    entries = config.enforceNodeAllocatable
    for number, entry in enumerate(entries):
        here = f"{path}[{number}]"
        if entry not in _ENFORCEMENTS:
            yield Fault(here, entry, f"must be one of {', '.join(_ENFORCEMENTS)}")
            continue
        if entry in entries[:number]:
            yield Fault(here, entry, "must not be given twice")
            continue
        if entry == "none":
            if len(entries) > 1:
                yield Fault(here, entry, "must stand alone")
            continue
        if entry.endswith("-compressible") and (plain := entry.removesuffix("-compressible")) in entries:
            yield Fault(here, entry, f"must not be given together with {plain}")
        cgroup = _ENFORCEMENTS[entry]
        if cgroup and not getattr(config, cgroup):
            yield Fault(here, entry, f"needs {cgroup}")
        if not config.cgroupsPerQOS:
            yield Fault(here, entry, "needs cgroupsPerQOS true; without it write [none]")


def _path_faults(config: KubeletConfiguration) -> Iterator[Fault]:
    logs = config.podLogsDir
    clean = "/" + posixpath.normpath(logs).lstrip("/")
    if not logs.startswith("/"):
        yield Fault("podLogsDir", logs, "must be an absolute path")
    elif logs != clean:
        yield Fault("podLogsDir", logs, f"must be written without detours, here {clean}")
    if not logs.isascii():
        yield Fault("podLogsDir", logs, "must be ASCII, since metrics show it")
    if config.systemCgroups and not config.cgroupRoot:
        yield Fault("systemCgroups", config.systemCgroups, "needs cgroupRoot")
    cpus = config.reservedSystemCPUs
    if cpus:
        if config.systemReservedCgroup or config.kubeReservedCgroup:
            rule = "must be absent when systemReservedCgroup or kubeReservedCgroup is given"
            yield Fault("reservedSystemCPUs", cpus, rule)
        try:
            parse_cpu_set(cpus)
        except ValueError as error:
            yield Fault("reservedSystemCPUs", cpus, f"must be a CPU list such as 0-1,4: {error}")


def _gated_field_faults(config: KubeletConfiguration, gates: FeatureGates) -> Iterator[Fault]:
    if config.serverTLSBootstrap and not gates.enabled("RotateKubeletServerCertificate"):
        rule = "must be false without the feature gate RotateKubeletServerCertificate"
        yield Fault("serverTLSBootstrap", True, rule)
    if config.memoryReservationPolicy == "TieredReservation" and not gates.enabled("MemoryQoS"):
        yield Fault("memoryReservationPolicy", "TieredReservation", "needs the feature gate MemoryQoS")
    if config.memoryThrottlingFactor is None and gates.enabled("MemoryQoS"):
        yield Fault("memoryThrottlingFactor", None, "must be given while the feature gate MemoryQoS is on")
    if config.enableSystemLogQuery and not config.enableSystemLogHandler:
        yield Fault("enableSystemLogQuery", True, "must be false unless enableSystemLogHandler is true")
    major, minor = KUBERNETES_VERSION
    shown, previous = config.showHiddenMetricsForVersion, f"{major}.{minor - 1}"
    if shown not in ("", previous):
        yield Fault("showHiddenMetricsForVersion", shown, f"must be {previous}, the previous minor version, or absent")
