"""The rules a configuration must keep before a kubelet starts with it, all of them checked in one go.

`validate` has what upstream checks while it validates the configuration, `check_startup` what it finds wrong a little
later, while it starts. Both are fatal there and here. `advise` has what upstream accepts but does not heed.

Facts about the machine are an argument: a simulator makes no cgroups and uses no swap, so its daemon passes neutral
ones and starts on every machine. Upstream: `pkg/kubelet/apis/config/validation`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kubeletsim.config.schema.gates import FeatureGates
from kubeletsim.config.schema.kubelet import KubeletConfiguration
from kubeletsim.config.schema.types import Stage
from kubeletsim.config.schema.validation.bounds import bound_faults
from kubeletsim.config.schema.validation.nested import nested_faults
from kubeletsim.config.schema.validation.relations import relation_faults
from kubeletsim.config.schema.validation.startup import startup_faults
from kubeletsim.model.errors import Fault

__all__ = ["HostFacts", "advise", "check_startup", "validate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What a kubelet looks up about its machine before it agrees to run there. The defaults refuse nothing."""

    cgroup_version: int = 2
    swap_enabled: bool = False


def validate(config: KubeletConfiguration, *, host: HostFacts) -> Iterator[Fault]:
    """Name everything that upstream's validation refuses."""
    gates = FeatureGates(config.featureGates)
    yield from gates.faults()
    yield from bound_faults(config, stage=Stage.VALIDATION, gates=gates)
    yield from relation_faults(config, gates)
    yield from nested_faults(config, gates)
    yield from _host_faults(config, host)


def check_startup(config: KubeletConfiguration, *, has_api_client: bool | None = None) -> Iterator[Fault]:
    """Name everything that a kubelet trips over while it starts.

    Args:
        config: a complete configuration.
        has_api_client: whether there is a --kubeconfig; None when that is not known, as for a check of the file alone.
    """
    gates = FeatureGates(config.featureGates)
    yield from bound_faults(config, stage=Stage.STARTUP, gates=gates)
    yield from startup_faults(config, gates)
    if has_api_client is False:
        if config.authentication.webhook.enabled:
            rule = "must be false without --kubeconfig: there is no API server to ask about tokens"
            yield Fault("authentication.webhook.enabled", True, rule)
        if config.authorization.mode == "Webhook":
            rule = "must be AlwaysAllow without --kubeconfig: there is no API server to ask for permission"
            yield Fault("authorization.mode", "Webhook", rule)


def advise(config: KubeletConfiguration) -> Iterator[Fault]:
    """Name values that nothing enforces although they cannot be meant."""
    yield from bound_faults(config, stage=Stage.NEVER, gates=FeatureGates(config.featureGates))


def _host_faults(config: KubeletConfiguration, host: HostFacts) -> Iterator[Fault]:
    if host.cgroup_version == 1:
        if config.failCgroupV1:
            yield Fault("failCgroupV1", True, "must be false on this machine, which has cgroup v1")
        if config.singleProcessOOMKill is False:
            yield Fault("singleProcessOOMKill", False, "must not be false on this machine, which has cgroup v1")
    if host.swap_enabled and config.failSwapOn:
        yield Fault("failSwapOn", True, "must be false on this machine, which has swap enabled")
