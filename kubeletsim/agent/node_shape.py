"""What the node offers its pods: labels, capacity, and what of the capacity is allocatable.

Upstream: initialNode in pkg/kubelet/kubelet_node_status.go, MachineInfo in pkg/kubelet/nodestatus/setters.go,
getNodeAllocatableInternalAbsolute in pkg/kubelet/cm/node_container_manager_linux.go.
"""

import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING

from kubeletsim.config.kubelet_flags import KubeletFlags
from kubeletsim.config.schema.eviction import parse_threshold
from kubeletsim.model.quantity import Quantity
from kubeletsim.pods.admission import NodeShape
from kubeletsim.pods.requests import NodeFacts

if TYPE_CHECKING:
    from kubeletsim.config.schema.kubelet import KubeletConfiguration

GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
SIGNAL_OF_RESOURCE = {"memory": "memory.available", "ephemeral-storage": "nodefs.available"}


def node_shape(config: "KubeletConfiguration", flags: KubeletFlags, *, facts: NodeFacts) -> NodeShape:
    """Put together what admission has to know of the node."""
    machine = platform.machine()
    labels = {
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": GO_ARCHITECTURES.get(machine, machine),
        **flags.node_labels,
    }
    return NodeShape(
        name=facts.name,
        labels=labels,
        allocatable=allocatable(config, capacity(config, facts)),
        supplemental_groups_policy=facts.supplemental_groups_policy,
        apparmor=facts.apparmor_enabled,
    )


def capacity(config: "KubeletConfiguration", facts: NodeFacts) -> dict[str, int]:
    """Return what the node has, by resource; CPU in thousandths."""
    per_core = config.podsPerCore * (facts.cpu_capacity_milli // 1000)
    isolates = config.localStorageCapacityIsolation
    return {
        "cpu": facts.cpu_capacity_milli,
        "memory": facts.memory_capacity_bytes,
        **({"ephemeral-storage": facts.ephemeral_storage_capacity_bytes} if isolates else {}),
        "pods": min(config.maxPods, per_core) if per_core else config.maxPods,
    }


def allocatable(config: "KubeletConfiguration", has: Mapping[str, int]) -> dict[str, int]:
    """Return what pods may have: the capacity without both reservations and the hard eviction thresholds."""
    return {
        name: max(0, amount - sum(_reserved(config, name)) - _kept_by_eviction(config, name, amount))
        for name, amount in has.items()
    }


def _reserved(config: "KubeletConfiguration", name: str) -> list[int]:
    texts = (config.kubeReserved.get(name), config.systemReserved.get(name))
    amounts = [Quantity.parse(text) for text in texts if text]
    return [amount.milli_value() if name == "cpu" else amount.value() for amount in amounts]


def _kept_by_eviction(config: "KubeletConfiguration", name: str, capacity_: int) -> int:
    """Return what stays free because pods are evicted before they get at it (hardEvictionReservation upstream)."""
    text = (config.evictionHard or {}).get(SIGNAL_OF_RESOURCE.get(name, ""))
    threshold = parse_threshold(text) if text else None
    if threshold is None:
        return 0
    if threshold.part is not None:
        return int(capacity_ * threshold.part)
    return threshold.quantity.value() if threshold.quantity is not None else 0
