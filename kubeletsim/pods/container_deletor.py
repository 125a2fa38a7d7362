"""The container deletor: removes dead containers as soon as the PLEG reports a death, not at the next collection.

Of the container that died the newest dead instances are kept; of a pod of which nothing may stay, none. Deletions wait
in a queue and are made one after the other, in traces of their own. Two deaths in one pod ask for the same deletions
twice, so a ContainerStatus of a container that is gone belongs to the end of every pod with two containers.

Upstream: pkg/kubelet/pod_container_deletor.go.
"""

import asyncio
import logging

from opentelemetry.context import Context, attach, detach

from kubeletsim.model.errors import CRIError
from kubeletsim.model.runtime import ContainerID, ContainerState, ObservedPod, newest_first
from kubeletsim.pods.runtime_sync import RemoveContainer

log = logging.getLogger(__name__)

QUEUE_CAPACITY = 50


def containers_to_delete(observed: ObservedPod, *, exited_id: str | None, keep: int) -> list[ContainerID]:
    """Return which dead containers of a pod to delete, newest first.

    Args:
        observed: the pod's state.
        exited_id: only instances of this container's name; None for every container. Nothing is deleted for an id that
            is none of the pod's containers, such as a sandbox's.
        keep: how many of the newest stay.
    """
    name = None
    if exited_id is not None:
        name = next((status.name for status in observed.containers if status.id == exited_id), None)
        if name is None:
            return []
    dead = [
        status
        for status in observed.containers
        if status.state is ContainerState.EXITED and name in (None, status.name)
    ]
    return [status.id for status in newest_first(dead)[keep:]]


class ContainerDeletor:
    """Deletes dead containers.

    Args:
        remove_container: removes one, with its logs.
        max_per_pod_container: --maximum-dead-containers-per-container; at least one is kept.
    """

    def __init__(self, remove_container: RemoveContainer, *, max_per_pod_container: int) -> None:
        self._remove_container = remove_container
        self._keep = max(max_per_pod_container, 1)
        self._queue: asyncio.Queue[ContainerID] = asyncio.Queue(QUEUE_CAPACITY)

    async def run(self) -> None:
        """Delete what is in the queue, for ever."""
        token = attach(Context())  # each call is a root, whoever started the deletor
        try:
            while True:
                await self._delete(await self._queue.get())
        finally:
            detach(token)

    async def _delete(self, container_id: ContainerID) -> None:
        try:
            await self._remove_container(container_id)
        except (CRIError, OSError) as error:
            log.warning("Failed to remove container %s: %s", container_id, error)

    def delete_dead(self, observed: ObservedPod, *, exited_id: str) -> None:
        """Trim the instances of the container that died, as the limit says."""
        self._put(containers_to_delete(observed, exited_id=exited_id, keep=self._keep))

    def delete_all(self, observed: ObservedPod) -> None:
        """Delete every dead container of a pod of which nothing may stay."""
        self._put(containers_to_delete(observed, exited_id=None, keep=0))

    def _put(self, ids: list[ContainerID]) -> None:
        for container_id in ids:
            try:
                self._queue.put_nowait(container_id)
            except asyncio.QueueFull:
                log.warning("Failed to issue the request to remove container %s", container_id)
