"""What the workers need of others: the PLEG's cache, and somebody who does the work."""

from collections.abc import Callable
from typing import Protocol

from lightkube.models.core_v1 import Pod

from kubeletsim.model.runtime import ObservedPod, PodUID, RuntimePod
from kubeletsim.pods.sync import StatusFn, SyncOutcome, UpdateType


class ObservedPods(Protocol):
    """What this module needs of the PLEG's cache."""

    def stamp(self) -> float:
        """Return now, later than every stamp before."""

    async def get_newer_than(self, uid: PodUID, stamp: float) -> ObservedPod:
        """Return an observation that began after `stamp`; CRIError when it could not be made."""


class PodSyncer(Protocol):
    """What workers do; `pods/sync.py` says more."""

    async def sync_pod(
        self, pod: Pod, observed: ObservedPod, *, update_type: UpdateType, going_down: Callable[[], bool]
    ) -> SyncOutcome:
        """Bring the pod nearer to its spec."""

    async def sync_terminating_pod(
        self, pod: Pod, observed: ObservedPod, *, grace_seconds: int | None, status_fn: StatusFn | None = None
    ) -> None:
        """Stop everything of the pod."""

    async def sync_terminating_runtime_pod(self, running: RuntimePod) -> None:
        """Stop everything of a pod that only the runtime knows."""

    async def sync_terminated_pod(self, pod: Pod, observed: ObservedPod) -> None:
        """Clean up what the pod leaves."""
