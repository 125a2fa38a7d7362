"""The count of containers that have ended, by how: kubelet_terminated_containers_total.

An end is seen where a pod's status is computed, and counts once: when it is in the status and was not in the last one.
What had ended before this kubelet began is not its to count.
"""

from collections.abc import Iterator

from lightkube.models.core_v1 import ContainerStateTerminated, ContainerStatus, PodStatus
from prometheus_client import CollectorRegistry, Counter


class Terminations:
    """Counts ends.

    Args:
        registry: gets kubelet_terminated_containers_total.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counter = Counter(
            "kubelet_terminated_containers",
            "Cumulative number of container terminations.",
            ["container_type", "exit_code", "reason"],
            registry=registry,
        )

    def note(self, status: PodStatus, *, last: PodStatus | None) -> None:
        """Count the ends that a status shows and the last one did not."""
        if last is None:
            return
        known = {end.containerID for _, end in _ends(last)}
        for kind, end in _ends(status):
            if end.containerID and end.containerID not in known:
                known.add(end.containerID)
                self._counter.labels(kind, end.exitCode, end.reason or "").inc()


def _ends(status: PodStatus) -> Iterator[tuple[str, ContainerStateTerminated]]:
    kinds: tuple[tuple[str, list[ContainerStatus] | None], ...] = (
        ("init_container", status.initContainerStatuses),
        ("container", status.containerStatuses),
        ("ephemeral_container", status.ephemeralContainerStatuses),
    )
    for kind, statuses in kinds:
        for one in statuses or []:
            for state in (one.state, one.lastState):
                if state is not None and state.terminated is not None:
                    yield kind, state.terminated
