"""The work queue: when each pod is due for its next sync. The sync loop looks each second.

Upstream: pkg/kubelet/util/queue/work_queue.go.
"""

from kubeletsim.base.timing import Clock
from kubeletsim.model.runtime import PodUID


class WorkQueue:
    """Pods and the times they are due; a pod has one time, the last one given.

    Args:
        clock: its monotonic time.
    """

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[PodUID, float] = {}

    def enqueue(self, uid: PodUID, *, delay_seconds: float) -> None:
        """Have a pod come back after a delay, whatever was arranged for it before."""
        self._due[uid] = self._clock.monotonic() + delay_seconds

    def take_due(self) -> set[PodUID]:
        """Return the pods whose time has come, and forget them."""
        now = self._clock.monotonic()
        due = {uid for uid, time in self._due.items() if time <= now}
        for uid in due:
            del self._due[uid]
        return due

    def forget(self, uid: PodUID) -> None:
        """Drop a pod that will not come back."""
        self._due.pop(uid, None)
