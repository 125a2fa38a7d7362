"""Resources: what a pod asks for, what the node's pods ask for already, and what is missing.

CPU is counted in thousandths, everything else in whole units, and a pod itself is one unit of `pods`.
Upstream: Fits in pkg/scheduler/framework/plugins/noderesources/fit.go.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import pod_amounts

PODS = "pods"
CPU = "cpu"
COMMON_RESOURCES = (CPU, "memory", "ephemeral-storage")
"""Checked first, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShape:
    """What admission knows of the node."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    os: str = "linux"
    allocatable: Mapping[str, int] = field(default_factory=dict)
    """What pods may have, by resource: CPU in thousandths, `pods` as a count, the rest in whole units."""
    supplemental_groups_policy: bool = True
    """Whether the runtime can give a process no other groups than the pod names."""
    apparmor: bool = True
    """Whether the machine's kernel enforces AppArmor profiles."""


@dataclass(frozen=True, slots=True)
class Shortage:
    """A resource of which too little is left."""

    resource: str
    requested: int
    used: int
    capacity: int

    @property
    def missing(self) -> int:
        """How much has to become free."""
        return self.requested - (self.capacity - self.used)

    def __str__(self) -> str:
        return (
            f"Node didn't have enough resource: {self.resource}, requested: {self.requested}, "
            f"used: {self.used}, capacity: {self.capacity}"
        )


def requests_of(pod: Pod) -> dict[str, int]:
    """Return what a pod asks for at its peak, overhead included; amounts of zero are left out."""
    amounts = pod_amounts(pod, "requests", overhead=True)
    units = {name: amount.milli_value() if name == CPU else amount.value() for name, amount in amounts.items()}
    return {name: amount for name, amount in units.items() if amount}


def request_of(pod: Pod, resource: str) -> int:
    """Return what a pod asks for of one resource; a pod takes one of `pods`."""
    return 1 if resource == PODS else requests_of(pod).get(resource, 0)


def shortages(pod: Pod, others: Sequence[Pod], *, node: NodeShape) -> list[Shortage]:
    """Return every resource of which the node has too little left, in upstream's order.

    Args:
        pod: who wants to come. Extended resources that the node does not have at all are not held against it: who
            placed the pod may have made them unlimited.
        others: who is here.
        node: what there is.
    """
    found = []
    most = node.allocatable.get(PODS, 0)
    if len(others) + 1 > most:
        found.append(Shortage(PODS, 1, len(others), most))
    wanted = requests_of(pod)
    taken = _total(others)
    names = [*COMMON_RESOURCES, *sorted(wanted.keys() - set(COMMON_RESOURCES))]
    for name in names:
        capacity, used = node.allocatable.get(name, 0), taken.get(name, 0)
        unknown = name not in node.allocatable and is_extended(name)
        if not unknown and wanted.get(name, 0) > max(0, capacity - used):
            found.append(Shortage(name, wanted[name], used, capacity))
    return found


def is_extended(resource: str) -> bool:
    """Tell whether a resource is somebody's own, such as `example.com/gpu` (IsExtendedResourceName upstream)."""
    return "/" in resource and "kubernetes.io/" not in resource and not resource.startswith("requests.")


def _total(pods: Iterable[Pod]) -> dict[str, int]:
    total: dict[str, int] = {}
    for pod in pods:
        for name, amount in requests_of(pod).items():
            total[name] = total.get(name, 0) + amount
    return total
