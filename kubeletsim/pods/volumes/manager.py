"""The volume manager: a pod's sandbox waits until its volumes are there, and longer each time one of them fails.

A kubelet mounts beside the sync that waits, and looks every 300 ms whether it is done: that is what the first sync of a
pod with volumes takes here as well. A volume that fails is tried again after 500 ms, then twice as long each time, each
with an event, and after 2m3s the sync gives up, to be done again after the delay of any other error. Once mounted, the
files of the downward API are brought up to date by each sync.

Differs from pkg/kubelet/volumemanager: nothing is tried between two syncs, and what takes place is files, not mounts.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from lightkube.models.core_v1 import Pod

from kubeletsim.base.timing import Backoff, Clock
from kubeletsim.model.errors import go_quote
from kubeletsim.model.events import EventRecorder
from kubeletsim.model.pod import describe, pod_uid
from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.failures import MountFailure
from kubeletsim.pods.pod_events import pod_event
from kubeletsim.pods.requests import NodeFacts, PlannedVolume, RequestError, plan_volumes
from kubeletsim.pods.volumes.set_up import set_up, tear_down

log = logging.getLogger(__name__)

POLL_SECONDS = 0.3
TIMEOUT_SECONDS = 123.0
FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 122.0


class VolumeManager:
    """Sets volumes up and takes them down.

    Args:
        node: where they go, and what the downward API tells.
        clock: its monotonic time ends the waiting, its wall time names versions of files.
        record: takes FailedMount.
    """

    def __init__(self, *, node: NodeFacts, clock: Clock, record: EventRecorder) -> None:
        self._node = node
        self._clock = clock
        self._record = record
        self._mounted: dict[PodUID, set[str]] = {}
        self._backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)

    async def wait_for_mounts(self, pod: Pod, *, pod_ips: Sequence[str], going_down: Callable[[], bool]) -> None:
        """Return once every volume of a pod is there.

        Raises:
            MountFailure: some are not there after 2m3s, or when the pod is to end, or it cannot be told what is to be
                in them.
        """
        try:
            volumes = plan_volumes(pod, node=self._node, pod_ips=pod_ips)
        except RequestError as error:
            self._tell(pod, str(error))
            raise MountFailure(str(error)) from error
        mounted = self._mounted.setdefault(pod_uid(pod), set()) if volumes else set()
        for volume in volumes:
            if volume.name in mounted and volume.has_files:
                self._try(pod, volume)
        waited_until = self._clock.monotonic() + TIMEOUT_SECONDS
        while missing := [volume for volume in volumes if volume.name not in mounted]:
            if self._clock.monotonic() >= waited_until:
                raise _not_mounted(missing, "context deadline exceeded")
            await asyncio.sleep(POLL_SECONDS)
            if going_down():
                raise _not_mounted(missing, "context canceled")
            mounted.update(volume.name for volume in missing if self._is_due(pod, volume) and self._try(pod, volume))

    async def unmount(self, pod: Pod) -> None:
        """Take a pod's volumes down, now that none of its containers runs. What cannot be removed is logged."""
        self._mounted.pop(pod_uid(pod), None)
        try:
            volumes = plan_volumes(pod, node=self._node)
        except RequestError:
            return  # it never had any
        for volume in volumes:
            self._backoff.reset(_key(pod, volume))
            try:
                await asyncio.to_thread(tear_down, volume)
            except OSError as error:
                log.warning("Failed to tear down volume %s of %s: %s", volume.name, describe(pod), error)

    def _is_due(self, pod: Pod, volume: PlannedVolume) -> bool:
        return self._backoff.remaining(_key(pod, volume), now=self._clock.monotonic()) <= 0

    def _try(self, pod: Pod, volume: PlannedVolume) -> bool:
        key = _key(pod, volume)
        try:
            set_up(volume, now=self._clock.now())
        except OSError as error:
            self._backoff.advance(key, now=self._clock.monotonic())
            self._tell(pod, f"MountVolume.SetUp failed for volume {go_quote(volume.name)} : {_text(error)}")
            return False
        self._backoff.reset(key)
        return True

    def _tell(self, pod: Pod, message: str) -> None:
        self._record(pod_event(pod, "FailedMount", message, warning=True))


def _not_mounted(missing: Sequence[PlannedVolume], why: str) -> MountFailure:
    names = " ".join(volume.name for volume in missing)
    return MountFailure(f"unmounted volumes=[{names}], unattached volumes=[], failed to process volumes=[]: {why}")


def _key(pod: Pod, volume: PlannedVolume) -> str:
    return f"{pod_uid(pod)}/{volume.name}"


def _text(error: OSError) -> str:
    """Return an error as Go words it: what, where and why."""
    if error.strerror is None or error.filename is None:
        return str(error)
    return f"{error.filename}: {error.strerror.lower()}"
