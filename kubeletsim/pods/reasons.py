"""The memory of why containers did not start: it outlives the sync that failed and ends with one that succeeds.

Upstream: pkg/kubelet/reason_cache.go.
"""

from collections import OrderedDict
from collections.abc import Mapping

from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.runtime_sync import SyncResult
from kubeletsim.pods.status import WaitingReason

CAPACITY = 1000
"""Entries; the one that was changed longest ago goes first."""


class ReasonCache:
    """Waiting reasons by pod and container."""

    def __init__(self) -> None:
        self._reasons: OrderedDict[tuple[PodUID, str], WaitingReason] = OrderedDict()

    def update(self, uid: PodUID, result: SyncResult) -> None:
        """Take note of what a sync of the pod started and failed to start."""
        for name in result.started:
            self._reasons.pop((uid, name), None)
        for failure in result.failures:
            if failure.action == "StartContainer":
                self._reasons.pop((uid, failure.target), None)
                self._reasons[uid, failure.target] = WaitingReason(failure.reason, failure.message)
        while len(self._reasons) > CAPACITY:
            self._reasons.popitem(last=False)

    def of(self, uid: PodUID) -> Mapping[str, WaitingReason]:
        """Return the pod's waiting reasons by container name."""
        return {name: reason for (owner, name), reason in self._reasons.items() if owner == uid}

    def forget(self, uid: PodUID) -> None:
        """Drop what is known of a pod that is no more."""
        for key in [key for key in self._reasons if key[0] == uid]:
            del self._reasons[key]
