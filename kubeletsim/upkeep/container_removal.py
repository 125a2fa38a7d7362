"""The removal of one dead container, with its logs: the same three calls, whoever wants it gone.

The sweeper removes what is old, the pod workers' trimming and init purge what they have replaced; they all get this as
one callable. Upstream: removeContainer in pkg/kubelet/kuberuntime/kuberuntime_container.go.
"""

import logging
from typing import Protocol

from kubeletsim.model.errors import NotFound
from kubeletsim.model.runtime import ContainerID, ContainerStatus
from kubeletsim.upkeep.container_logs import ContainerLogs

log = logging.getLogger(__name__)


class RemovalRuntime(Protocol):
    """What this module needs of the runtime."""

    async def container_status(self, container_id: ContainerID) -> ContainerStatus:
        """Return all that is known of a container."""

    async def remove_container(self, container_id: ContainerID) -> None:
        """Remove a container."""


class ContainerRemover:
    """Removes dead containers.

    Args:
        cri: where the containers are.
        logs: where their log files are.
    """

    def __init__(self, cri: RemovalRuntime, *, logs: ContainerLogs) -> None:
        self._cri = cri
        self._logs = logs

    async def remove(self, container_id: ContainerID) -> None:
        """Remove a dead container and its logs: ContainerStatus, ContainerStatus, RemoveContainer.

        Upstream asks for the status twice, once in the log manager for the files and once for the link, and so it is in
        every trace.

        Raises:
            CRIError: the runtime failed; a container that is gone is no failure.
            OSError: a log file cannot be deleted; the container stays, so that somebody finds it again.
        """
        try:
            status = await self._cri.container_status(container_id)
            self._logs.delete_files(status.log_path)
            status = await self._cri.container_status(container_id)
            self._logs.delete_link(container_id, labels=status.labels)
            await self._cri.remove_container(container_id)
        except NotFound:
            log.debug("Container %s is gone already", container_id)
