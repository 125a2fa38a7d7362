"""What a pod asks for and may use: totals over its containers, and the quality of service that follows.

Upstream: staging/src/k8s.io/component-helpers/resource/helpers.go, pkg/apis/core/v1/helper/qos/qos.go.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod.identity import AnyContainer, init_containers, is_sidecar, regular_containers, spec
from kubeletsim.model.quantity import Quantity

QOSClass = Literal["Guaranteed", "Burstable", "BestEffort"]
ResourceField = Literal["requests", "limits"]
Amounts = dict[str, Quantity]
"""By resource name."""

QOS_RESOURCES = ("cpu", "memory")


def is_pod_level_resource(name: str) -> bool:
    """Tell whether a resource can be asked for by the pod as a whole."""
    return name in QOS_RESOURCES or name.startswith("hugepages-")


def amounts(texts: Mapping[str, str] | None) -> Amounts:
    """Return a resource list as quantities; validation has seen to it that they are."""
    return {name: Quantity.parse(text) for name, text in (texts or {}).items()}


def container_amounts(container: AnyContainer, field: ResourceField) -> Amounts:
    """Return what one container requests, or its limits."""
    return amounts(getattr(container.resources, field) if container.resources is not None else None)


def pod_level_amounts(pod: Pod, field: ResourceField) -> Amounts:
    """Return what the pod as a whole requests, or its limits; empty where only containers say something."""
    resources = spec(pod).resources
    listed = amounts(getattr(resources, field) if resources is not None else None)
    return {name: amount for name, amount in listed.items() if is_pod_level_resource(name)}


def pod_amounts(pod: Pod, field: ResourceField, *, overhead: bool = False) -> Amounts:
    """Return what the pod needs at its peak: regular containers and sidecars together, or one init container's turn.

    An init container runs beside the sidecars that come before it. What the pod asks for as a whole replaces the sum.

    Args:
        pod: the pod, with defaults.
        field: whether requests or limits are added up.
        overhead: whether the sandbox's own overhead counts, as it does for admission but not for the sandbox itself.
    """
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in init_containers(pod):
        own = container_amounts(container, field)
        if is_sidecar(container):
            sidecars = _added(sidecars, own)
            peak = _greater(peak, sidecars)
        else:
            peak = _greater(peak, _added(sidecars, own))
    total = sidecars
    for container in regular_containers(pod):
        total = _added(total, container_amounts(container, field))
    total = _greater(total, peak) | pod_level_amounts(pod, field)
    return _added(total, amounts(spec(pod).overhead)) if overhead else total


def pod_level_request(pod: Pod, name: str) -> str | None:
    """Return the default of the pod's own request: the containers' total; None where no container asks."""
    total = pod_amounts(pod, "requests").get(name)
    return str(total) if total is not None else None


def qos_class(pod: Pod) -> QOSClass:
    """Return the pod's quality of service.

    Guaranteed: each container (or the pod as a whole) limits CPU and memory and requests just that. BestEffort: nobody
    asks for either. Burstable: the rest.
    """
    wholes = [(pod_level_amounts(pod, "requests"), pod_level_amounts(pod, "limits"))]
    if not any(wholes[0]):
        containers: Iterable[AnyContainer] = (*init_containers(pod), *regular_containers(pod))
        wholes = [(container_amounts(c, "requests"), container_amounts(c, "limits")) for c in containers]
    pairs = [(_compute(requests), _compute(limits)) for requests, limits in wholes]
    if not any(requests or limits for requests, limits in pairs):
        return "BestEffort"
    if all(len(limits) == len(QOS_RESOURCES) and requests == limits for requests, limits in pairs):
        return "Guaranteed"
    return "Burstable"


def _compute(listed: Amounts) -> Amounts:
    return {name: listed[name] for name in QOS_RESOURCES if listed.get(name)}


def _added(left: Amounts, right: Amounts) -> Amounts:
    return left | {name: left[name] + amount if name in left else amount for name, amount in right.items()}


def _greater(left: Amounts, right: Amounts) -> Amounts:
    return left | {name: max(left[name], amount) if name in left else amount for name, amount in right.items()}
