"""The Node object of a kubelet that has no API server to get it from: it builds one whenever it needs one.

Building it asks the runtime for its version, so each look is a `Version` in the trace of whoever looks: at admission,
for the mirror of a static pod, and for what the downward API tells a container of its node.

Upstream: getNodeAnyWay in pkg/kubelet/kubelet_getters.go, initialNode in pkg/kubelet/kubelet_node_status.go.
"""

import logging
from typing import Protocol

from kubeletsim.model.errors import CRIError
from kubeletsim.model.pod import AnyContainer
from kubeletsim.model.runtime import RuntimeVersion

log = logging.getLogger(__name__)


class VersionService(Protocol):
    """What this module needs of the runtime."""

    async def version(self, version: str = "") -> RuntimeVersion:
        """Return who the runtime is."""


async def look_at_node(cri: VersionService) -> None:
    """Do what it costs to have the Node; a runtime that does not tell its version is logged."""
    try:
        await cri.version()
    except CRIError as error:
        log.warning("Failed to set some node status fields: error getting container runtime version: %s", error)


def looks_at_node(container: AnyContainer) -> int:
    """Return how often a container's environment asks about the node: for its addresses, or what it has to give."""
    sources = [variable.valueFrom for variable in container.env or [] if variable.valueFrom is not None]
    fields = [source.fieldRef.fieldPath for source in sources if source.fieldRef is not None]
    of_node = sum(field in ("status.hostIP", "status.hostIPs") for field in fields)
    return of_node + sum(source.resourceFieldRef is not None for source in sources)
