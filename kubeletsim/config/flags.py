"""The flags of the kubelet: those bound to a configuration field, and the few that are not.

Every flag bound to a field overrides it, whatever files say; feature gates are merged gate by gate instead. The kind of
such a flag follows from its field, its help from the field's documentation.

Upstream: `cmd/kubelet/app/options/options.go`.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic.fields import FieldInfo

from kubeletsim.base.duration import Duration
from kubeletsim.base.suggestion import did_you_mean
from kubeletsim.config import flag_values as kinds
from kubeletsim.config.findings import Finding
from kubeletsim.config.flag_values import Kind
from kubeletsim.config.kubelet_flags import KubeletFlags
from kubeletsim.config.schema.kubelet import KubeletConfiguration
from kubeletsim.config.schema.replace import field_name, replaced
from kubeletsim.config.schema.types import Struct, struct_of
from kubeletsim.model.errors import ConfigError
from kubeletsim.model.quantity import Quantity


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag."""

    name: str
    """Without dashes."""
    kind: Kind
    path: str = ""
    """The configuration field it overrides; empty for one of KubeletFlags."""
    shorthand: str = ""
    deprecated: bool = False
    """Whether upstream wants it in the file instead; such flags work all the same."""

    @property
    def attribute(self) -> str:
        """Name in KubeletFlags of a flag without a field."""
        return self.name.replace("-", "_")


@dataclass(frozen=True, slots=True)
class ParsedFlags:
    """A command line, understood."""

    kubelet: KubeletFlags = field(default_factory=KubeletFlags)
    config: Mapping[str, object] = field(default_factory=dict)
    """Values by path of the field they override; what `load` takes."""


@dataclass(frozen=True, slots=True)
class FlagHelp:
    """What --help says about a flag."""

    name: str
    shorthand: str
    type: str
    default: str
    help: str
    deprecated: bool


_BOUND = """
    enable-server enableServer · pod-manifest-path staticPodPath · sync-frequency syncFrequency
    file-check-frequency fileCheckFrequency · http-check-frequency httpCheckFrequency · manifest-url staticPodURL
    manifest-url-header staticPodURLHeader · address address · port port · read-only-port readOnlyPort
    tls-cert-file tlsCertFile · tls-private-key-file tlsPrivateKeyFile · tls-cipher-suites tlsCipherSuites
    tls-min-version tlsMinVersion · rotate-certificates rotateCertificates
    rotate-server-certificates serverTLSBootstrap · client-ca-file authentication.x509.clientCAFile
    authentication-token-webhook authentication.webhook.enabled
    authentication-token-webhook-cache-ttl authentication.webhook.cacheTTL
    anonymous-auth authentication.anonymous.enabled · authorization-mode authorization.mode
    authorization-webhook-cache-authorized-ttl authorization.webhook.cacheAuthorizedTTL
    authorization-webhook-cache-unauthorized-ttl authorization.webhook.cacheUnauthorizedTTL
    registry-qps registryPullQPS · registry-burst registryBurst · event-qps eventRecordQPS · event-burst eventBurst
    enable-debugging-handlers enableDebuggingHandlers · contention-profiling enableContentionProfiling
    healthz-port healthzPort · healthz-bind-address healthzBindAddress · oom-score-adj oomScoreAdj
    cluster-domain clusterDomain · cluster-dns clusterDNS
    streaming-connection-idle-timeout streamingConnectionIdleTimeout
    node-status-update-frequency nodeStatusUpdateFrequency · minimum-image-ttl-duration imageMinimumGCAge
    image-gc-high-threshold imageGCHighThresholdPercent · image-gc-low-threshold imageGCLowThresholdPercent
    volume-stats-agg-period volumeStatsAggPeriod · kubelet-cgroups kubeletCgroups · system-cgroups systemCgroups
    cgroup-root cgroupRoot · cgroups-per-qos cgroupsPerQOS · cgroup-driver cgroupDriver
    cpu-manager-policy cpuManagerPolicy · cpu-manager-policy-options cpuManagerPolicyOptions
    cpu-manager-reconcile-period cpuManagerReconcilePeriod · memory-manager-policy memoryManagerPolicy
    topology-manager-policy topologyManagerPolicy · topology-manager-scope topologyManagerScope
    topology-manager-policy-options topologyManagerPolicyOptions · qos-reserved qosReserved
    runtime-request-timeout runtimeRequestTimeout · hairpin-mode hairpinMode · max-pods maxPods · pod-cidr podCIDR
    pod-max-pids podPidsLimit · resolv-conf resolvConf · runonce runOnce · cpu-cfs-quota cpuCFSQuota
    cpu-cfs-quota-period cpuCFSQuotaPeriod · node-status-max-images nodeStatusMaxImages
    max-open-files maxOpenFiles · kube-api-content-type contentType · kube-api-qps kubeAPIQPS
    kube-api-burst kubeAPIBurst · serialize-image-pulls serializeImagePulls · eviction-hard evictionHard
    eviction-soft evictionSoft · eviction-soft-grace-period evictionSoftGracePeriod
    eviction-pressure-transition-period evictionPressureTransitionPeriod
    eviction-max-pod-grace-period evictionMaxPodGracePeriod · eviction-minimum-reclaim evictionMinimumReclaim
    pods-per-core podsPerCore · enable-controller-attach-detach enableControllerAttachDetach
    protect-kernel-defaults protectKernelDefaults · make-iptables-util-chains makeIPTablesUtilChains
    feature-gates featureGates · fail-swap-on failSwapOn · container-log-max-size containerLogMaxSize
    container-log-max-files containerLogMaxFiles · system-reserved systemReserved · kube-reserved kubeReserved
    reserved-cpus reservedSystemCPUs · system-reserved-cgroup systemReservedCgroup
    kube-reserved-cgroup kubeReservedCgroup · enforce-node-allocatable enforceNodeAllocatable
    allowed-unsafe-sysctls allowedUnsafeSysctls · volume-plugin-dir volumePluginDir · provider-id providerID
    kernel-memcg-notification kernelMemcgNotification · logging-format logging.format
    log-flush-frequency logging.flushFrequency · v logging.verbosity · vmodule logging.vmodule
    log-text-split-stream logging.options.text.splitStream
    log-text-info-buffer-size logging.options.text.infoBufferSize
    log-json-split-stream logging.options.json.splitStream
    log-json-info-buffer-size logging.options.json.infoBufferSize · reserved-memory reservedMemory
    register-with-taints registerWithTaints · register-node registerNode
    local-storage-capacity-isolation localStorageCapacityIsolation
    container-runtime-endpoint containerRuntimeEndpoint · image-service-endpoint imageServiceEndpoint
    fail-cgroupv1 failCgroupV1
"""
"""Flag and field, in upstream's order."""
_NOT_DEPRECATED = ("v", "vmodule", "log-flush-frequency", "provider-id", "fail-cgroupv1")
_SPECIAL_KINDS = {
    "manifest-url-header": kinds.HEADERS,
    "address": kinds.IP,
    "healthz-bind-address": kinds.IP,
    "eviction-hard": kinds.THRESHOLDS,
    "eviction-soft": kinds.THRESHOLDS,
    "feature-gates": kinds.GATES,
    "v": kinds.VERBOSITY,
    "vmodule": kinds.VMODULE,
    "reserved-memory": kinds.RESERVED_MEMORY,
    "register-with-taints": kinds.TAINTS,
}
_OWN = (
    Flag("config", Kind("file", lambda texts: Path(texts[-1]))),
    Flag("config-dir", Kind("directory", lambda texts: Path(texts[-1]))),
    Flag("kubeconfig", Kind("file", lambda texts: Path(texts[-1]))),
    Flag("hostname-override", kinds.STRING),
    Flag("node-ip", kinds.IP_LIST),
    Flag("node-labels", kinds.MAP),
    Flag("root-dir", Kind("directory", lambda texts: Path(texts[-1]))),
    Flag("cert-dir", Kind("directory", lambda texts: Path(texts[-1]))),
    Flag("minimum-container-ttl-duration", kinds.DURATION, deprecated=True),
    Flag("maximum-dead-containers-per-container", kinds.INT32, deprecated=True),
    Flag("maximum-dead-containers", kinds.INT32, deprecated=True),
    Flag("seccomp-default", kinds.BOOL),
    Flag("image-credential-provider-config", Kind("file", lambda texts: Path(texts[-1]))),
    Flag("image-credential-provider-bin-dir", Kind("directory", lambda texts: Path(texts[-1]))),
)


def _flags() -> Iterator[Flag]:
    yield from _OWN
    words = iter(_BOUND.replace("·", " ").split())
    for name, path in zip(words, words, strict=True):
        shorthand = name if len(name) == 1 else ""
        kind = _SPECIAL_KINDS.get(name) or _kind_of(_field_at(path))
        yield Flag(name, kind, path, shorthand, deprecated=name not in _NOT_DEPRECATED)


def _field_at(path: str) -> FieldInfo:
    struct: type[Struct] = KubeletConfiguration
    *outer, last = path.split(".")
    for key in outer:
        struct = struct_of(struct.model_fields[field_name(struct, key)]) or struct
    return struct.model_fields[field_name(struct, last)]


def _kind_of(field_info: FieldInfo) -> Kind:
    """Return the kind of flag that fits a field."""
    annotation: Any = field_info.annotation
    if annotation is int:
        wide = any(getattr(mark, "le", 0) == 2**63 - 1 for mark in field_info.metadata)
        return kinds.INT64 if wide else kinds.INT32
    simple = {bool: kinds.BOOL, str: kinds.STRING, Duration: kinds.DURATION, Quantity: kinds.QUANTITY}
    if annotation in simple:
        return simple[annotation]
    return kinds.MAP if getattr(annotation, "__origin__", None) is dict else kinds.LIST


FLAGS: Mapping[str, Flag] = MappingProxyType({flag.name: flag for flag in _flags()})
"""Every flag by its name."""


def split_arguments(arguments: Iterable[str]) -> list[tuple[str, str]]:
    """Split a command line into flags and their texts: `--name=text`, `--name text`, `--switch`, `-v 2`, `-v2`.

    Raises:
        ConfigError: an argument is no flag, or a flag lacks its value.
    """
    pairs: list[tuple[str, str]] = []
    faults: list[Finding] = []
    rest = deque(arguments)
    while rest:
        argument = rest.popleft()
        name, equals, text = argument.partition("=")
        if argument[:1] == "-" and argument[1:2] not in ("", "-") and len(name) > 2:
            name, equals, text = argument[:2], "=", argument[2:]  # -v4
        flag = FLAGS.get(_normal(name))
        if not name.startswith("-") or not _normal(name):
            faults.append(Finding(argument, None, "no such argument; flags begin with --"))
        elif flag is None:
            faults.append(_unknown_flag(name))
            if not equals and rest and not rest[0].startswith("-"):
                rest.popleft()  # its value, most likely
        elif equals or flag.kind is kinds.BOOL:
            pairs.append((name, text if equals else "true"))
        elif rest:
            pairs.append((name, rest.popleft()))
        else:
            faults.append(Finding(name, None, "needs a value"))
    if faults:
        raise ConfigError(faults)
    return pairs


def parse_flags(pairs: Iterable[tuple[str, str]]) -> ParsedFlags:
    """Read flags given as pairs of name and text; names with or without dashes, `_` counts as `-`.

    Raises:
        ConfigError: every unknown flag and every bad value, named.
    """
    given: dict[str, list[str]] = {}
    faults = []
    for name, text in pairs:
        if _normal(name) in FLAGS:
            given.setdefault(_normal(name), []).append(text)
        else:
            faults.append(_unknown_flag(name))
    own: dict[str, Any] = {}
    config: dict[str, object] = {}
    for name, texts in given.items():
        flag = FLAGS[name]
        try:
            value = flag.kind.read(texts)
        except ValueError as error:
            faults.append(Finding(f"--{name}", texts[-1], str(error)))
        else:
            target, key = (config, flag.path) if flag.path else (own, flag.attribute)
            target[key] = value
    if faults:
        raise ConfigError(faults)
    return ParsedFlags(KubeletFlags(**own), config)


def _unknown_flag(name: str) -> Finding:
    written = f"--{_normal(name)}"
    return Finding(written, None, "no such flag" + did_you_mean(written, [f"--{known}" for known in FLAGS]))


def _normal(name: str) -> str:
    return name.lstrip("-").replace("_", "-")


def apply_flags(config: KubeletConfiguration, flags: Mapping[str, object]) -> KubeletConfiguration:
    """Return the configuration with values by path put in; gates not named by a flag keep what files say."""
    for path, value in flags.items():
        merged = {**config.featureGates, **value} if path == "featureGates" and isinstance(value, dict) else value
        config = replaced(config, path, merged)
    return config


def flag_of_path(path: str) -> str:
    """Return the flag that overrides a field."""
    return next(flag.name for flag in FLAGS.values() if flag.path == path)


def describe_flags(names: Sequence[str] | None = None) -> list[FlagHelp]:
    """Return what --help says, for all flags or those named; takes a moment, since it reads the fields' docs."""
    from kubeletsim.config.documentation import Documentation

    documentation = Documentation()
    by_field = documentation.of_fields(KubeletConfiguration)
    by_attribute = documentation.of_attributes(KubeletFlags)
    defaults = KubeletFlags()
    own_defaults = {item.name: getattr(defaults, item.name) for item in fields(KubeletFlags)}
    described = []
    for flag in FLAGS.values() if names is None else [FLAGS[name] for name in names]:
        default = (
            _field_at(flag.path).get_default(call_default_factory=True) if flag.path else own_defaults[flag.attribute]
        )
        text = by_field[flag.path] if flag.path else by_attribute[flag.attribute]
        described.append(FlagHelp(flag.name, flag.shorthand, flag.kind.name, _shown(default), text, flag.deprecated))
    return described


def _shown(default: object) -> str:
    """Show a default as it would be written; nothing for an empty one."""
    if isinstance(default, bool):
        return str(default).lower() if default else ""
    if isinstance(default, tuple):
        return ",".join(default)
    return "" if default is None or default == {} else str(default)
