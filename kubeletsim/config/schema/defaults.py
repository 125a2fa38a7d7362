"""The defaults that depend on other fields, on gates, or on how a kubelet was started.

Static defaults stand at the fields themselves. Upstream: `pkg/kubelet/apis/config/v1beta1/defaults.go`,
`cmd/kubelet/app/options/options.go` (legacy defaults) and `pkg/kubelet/eviction/defaults_linux.go`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kubeletsim.config.schema.gates import FeatureGates
from kubeletsim.config.schema.kubelet import KubeletConfiguration
from kubeletsim.config.schema.replace import replaced

EVICTION_HARD: Mapping[str, str] = MappingProxyType(
    {
        "memory.available": "100Mi",
        "nodefs.available": "10%",
        "nodefs.inodesFree": "5%",
        "imagefs.available": "15%",
        "imagefs.inodesFree": "5%",
    }
)
FLAG_BASELINE: Mapping[str, object] = MappingProxyType(
    {
        "authentication.anonymous.enabled": True,
        "authentication.webhook.enabled": False,
        "authorization.mode": "AlwaysAllow",
        "readOnlyPort": 10255,
    }
)
"""Where a kubelet started without a configuration file differs from one started with an empty one."""


def with_dependent_defaults(decoded: KubeletConfiguration) -> KubeletConfiguration:
    """Complete a configuration just decoded; which fields its document gave decides."""
    given = decoded.model_fields_set
    gates = FeatureGates(decoded.featureGates)
    update: dict[str, Any] = {}
    if "nodeStatusUpdateFrequency" in given and "nodeStatusReportFrequency" not in given:
        # Whoever tuned the one before the other existed keeps the behaviour of that time.
        update["nodeStatusReportFrequency"] = decoded.nodeStatusUpdateFrequency
    if "serializeImagePulls" not in given:
        update["serializeImagePulls"] = (decoded.maxParallelImagePulls or 0) < 2
    if decoded.podPidsLimit < 0:
        update["podPidsLimit"] = -1
    if "imagePullCredentialsVerificationPolicy" not in given and not gates.enabled("KubeletEnsureSecretPulledImages"):
        update["imagePullCredentialsVerificationPolicy"] = ""
    backoff = decoded.crashLoopBackOff
    if not backoff.model_fields_set and not gates.enabled("KubeletCrashLoopBackOffMax"):
        update["crashLoopBackOff"] = backoff.model_copy(update={"maxContainerRestartPeriod": None})
    return decoded.model_copy(update=update)


def with_eviction_defaults(config: KubeletConfiguration) -> KubeletConfiguration:
    """Fill the hard eviction thresholds, which upstream does for the --config file only, before drop-ins are merged."""
    if config.evictionHard is None:
        return config.model_copy(update={"evictionHard": dict(EVICTION_HARD)})
    if config.mergeDefaultEvictionSettings:
        return config.model_copy(update={"evictionHard": {**EVICTION_HARD, **config.evictionHard}})
    return config


def flag_baseline() -> KubeletConfiguration:
    """Return what a kubelet starts from without --config: the behaviour of the time before configuration files."""
    config = with_dependent_defaults(KubeletConfiguration.model_validate({}))
    for path, value in FLAG_BASELINE.items():
        config = replaced(config, path, value)
    return config
