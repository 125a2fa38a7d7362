"""The pods this node is told to run, by UID; what the sync loop has taken from the sources and not been told to drop.

Upstream: pkg/kubelet/pod/pod_manager.go. There are no mirror pods: the node is standalone.
"""

from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import pod_uid
from kubeletsim.model.runtime import PodUID


class PodManager:
    """The desired pods."""

    def __init__(self) -> None:
        self._pods: dict[PodUID, Pod] = {}
        self._rejected: set[PodUID] = set()

    def set(self, pod: Pod) -> None:
        """Add a pod, or replace it by its newer version."""
        self._pods[pod_uid(pod)] = pod

    def remove(self, pod: Pod) -> None:
        """Drop a pod."""
        self._pods.pop(pod_uid(pod), None)
        self._rejected.discard(pod_uid(pod))

    def reject(self, pod: Pod) -> None:
        """Note that the node does not take a pod; it stays in the list, for its status to be seen, until dropped."""
        self._rejected.add(pod_uid(pod))

    def is_rejected(self, uid: PodUID) -> bool:
        """Tell whether a pod was turned away; nobody works on it."""
        return uid in self._rejected

    def get(self, uid: PodUID) -> Pod | None:
        """Return a pod; None when this node is not to run it."""
        return self._pods.get(uid)

    def pods(self) -> list[Pod]:
        """Return every pod, in the order of arrival."""
        return list(self._pods.values())
