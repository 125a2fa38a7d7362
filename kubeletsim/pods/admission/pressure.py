"""Who may come to a node that is short of something: critical pods always, others hardly.

Static pods are critical. Upstream: Admit in pkg/kubelet/eviction/eviction_manager.go.
"""

from collections.abc import Collection

from lightkube.models.core_v1 import Pod, Toleration

from kubeletsim.model.pod import is_critical, qos_class, spec
from kubeletsim.model.pressure import MEMORY_PRESSURE
from kubeletsim.pods.admission.decide import Rejection

MEMORY_TAINT = "node.kubernetes.io/memory-pressure"


def check_pressure(pod: Pod, conditions: Collection[str]) -> Rejection | None:
    """Return why a node under these conditions does not take a pod; None when it does.

    Short of memory alone it takes pods that ask for some, and those that tolerate that it is short.
    """
    if not conditions or is_critical(pod):
        return None
    short_of_memory_alone = set(conditions) == {MEMORY_PRESSURE}
    if short_of_memory_alone and (qos_class(pod) != "BestEffort" or _tolerates_memory_pressure(pod)):
        return None
    return Rejection("Evicted", f"The node had condition: [{' '.join(sorted(conditions))}]. ")


def _tolerates_memory_pressure(pod: Pod) -> bool:
    return any(_tolerates(one) for one in spec(pod).tolerations or [])


def _tolerates(toleration: Toleration) -> bool:
    """Tell whether a toleration covers the taint, which has no value and keeps pods from being scheduled."""
    if toleration.effect not in (None, "", "NoSchedule"):
        return False
    exists = toleration.operator == "Exists"
    if not toleration.key:
        return exists
    return toleration.key == MEMORY_TAINT and (exists or not toleration.value)
