"""Preemption: which pods have to go so that a critical one, such as every static pod, gets the resources it asks for.

The better a pod's quality of service, the later it is taken; within a class those are taken first that come nearest to
what is missing, so that little more than that is freed. Upstream: pkg/kubelet/preemption/preemption.go.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lightkube.models.core_v1 import Pod

from kubeletsim.model.errors import KubeletSimError
from kubeletsim.model.pod import is_critical, qos_class, spec
from kubeletsim.pods.admission.fit import CPU, Shortage, request_of


class CannotPreempt(KubeletSimError):
    """All the pods that may be taken together do not free enough."""


@dataclass(frozen=True, slots=True)
class Need:
    """An amount of one resource that has to become free."""

    resource: str
    quantity: int


def choose_victims(pod: Pod, active: Iterable[Pod], *, missing: Sequence[Shortage]) -> list[Pod]:
    """Return the pods to end, in the order of their going.

    Args:
        pod: the critical pod that wants to come.
        active: the node's pods.
        missing: of what there is too little.

    Raises:
        CannotPreempt: too few of them may be ended for this pod.
    """
    needs = [Need(shortage.resource, shortage.missing) for shortage in missing]
    preemptible = [other for other in active if other is not pod and may_preempt(pod, other)]
    best, burst, guaranteed = (
        [other for other in preemptible if qos_class(other) == wanted]
        for wanted in ("BestEffort", "Burstable", "Guaranteed")
    )
    if left := _less(needs, preemptible):
        raise _too_little(left)
    from_guaranteed = _nearest(guaranteed, _less(needs, [*best, *burst]))
    from_burstable = _nearest(burst, _less(needs, [*best, *from_guaranteed]))
    from_best_effort = _nearest(best, _less(needs, [*from_burstable, *from_guaranteed]))
    return [*from_best_effort, *from_burstable, *from_guaranteed]


def may_preempt(pod: Pod, other: Pod) -> bool:
    """Tell whether a pod outranks another: it is critical and the other is not, or both say so by priority."""
    if is_critical(pod) and not is_critical(other):
        return True
    ours, theirs = spec(pod).priority, spec(other).priority
    return ours is not None and theirs is not None and ours > theirs


def _nearest(pods: Sequence[Pod], needs: list[Need]) -> list[Pod]:
    """Take the pod that comes nearest to what is needed, again and again, until nothing is."""
    left, taken = list(pods), []
    while needs:
        if not left:
            raise _too_little(needs)
        best = min(left, key=lambda pod: (_distance(pod, needs), request_of(pod, "memory"), request_of(pod, CPU)))
        left.remove(best)
        taken.append(best)
        needs = _less(needs, [best])
    return taken


def _distance(pod: Pod, needs: Iterable[Need]) -> float:
    """Return how far the pod's end would leave us from what is needed: 0 is enough, 1 for each need is nothing."""
    parts = [max(0, need.quantity - request_of(pod, need.resource)) / need.quantity for need in needs]
    return sum(part**2 for part in parts)


def _less(needs: Iterable[Need], pods: Sequence[Pod]) -> list[Need]:
    """Return what is still needed once the pods are gone."""
    left = [Need(need.resource, need.quantity - sum(request_of(p, need.resource) for p in pods)) for need in needs]
    return [need for need in left if need.quantity > 0]


def _too_little(needs: Iterable[Need]) -> CannotPreempt:
    text = "".join(f"(res: {need.resource}, q: {need.quantity}), " for need in needs)
    return CannotPreempt(f"no set of running pods found to reclaim resources: [{text}]")
