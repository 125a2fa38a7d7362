"""The statuses of the node's pods: the newest of each, with a version that grows with every change.

In standalone use nobody is told; `/pods` reads them here. Upstream: pkg/kubelet/status/status_manager.go.
"""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec
from lightkube.models.core_v1 import Pod, PodStatus

from kubeletsim.model.pod import pod_uid
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.status import finished_status


@dataclass(frozen=True, slots=True)
class VersionedStatus:
    """A pod's status, and how often it has changed."""

    status: PodStatus
    version: int
    finished: bool = False
    """Nothing of the pod is left on the node."""


class StatusManager:
    """Keeps statuses."""

    def __init__(self) -> None:
        self._statuses: dict[PodUID, VersionedStatus] = {}

    def set(self, pod: Pod, status: PodStatus) -> None:
        """Store a pod's status; one that is equal to the last changes no version."""
        uid = pod_uid(pod)
        last = self._statuses.get(uid)
        if last is None:
            self._statuses[uid] = VersionedStatus(status, 1)
        elif last.status != status:
            self._statuses[uid] = VersionedStatus(status, last.version + 1, last.finished)

    def get(self, uid: PodUID) -> PodStatus | None:
        """Return a pod's newest status; None before its first sync."""
        kept = self._statuses.get(uid)
        return kept.status if kept is not None else None

    def versioned(self, uid: PodUID) -> VersionedStatus | None:
        """Return a pod's newest status with its version."""
        return self._statuses.get(uid)

    def finish(self, pod: Pod) -> None:
        """Note that nothing of the pod is left on the node: no container of it is shown alive any more."""
        uid = pod_uid(pod)
        last = self._statuses.get(uid)
        if last is not None:
            status = finished_status(pod, last.status)
            self._statuses[uid] = VersionedStatus(status, last.version + 1, finished=True)

    def keep_only(self, uids: Collection[PodUID]) -> None:
        """Drop the statuses of all other pods (RemoveOrphanedStatuses upstream)."""
        self._statuses = {uid: kept for uid, kept in self._statuses.items() if uid in uids}

    def shown(self, pod: Pod) -> Pod:
        """Return the pod with its newest status, as /pods shows it; the given pod stays as it is."""
        status = self.get(pod_uid(pod))
        return pod if status is None else msgspec.structs.replace(pod, status=status)
