"""A pod's status after news that come between two looks at the runtime: a sync that lasts must not hide them.

Upstream: SetContainerReadiness and SetContainerStartup in pkg/kubelet/status/status_manager.go, OnPodSandboxReady in
pkg/kubelet/kubelet.go.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from lightkube.models.core_v1 import ContainerStatus, Pod, PodStatus

from kubeletsim.model.runtime import ContainerID
from kubeletsim.pods.status.conditions import conditions_with_sandbox, readiness_conditions


def with_started(status: PodStatus, container_id: ContainerID, *, started: bool) -> PodStatus:
    """Return the status with what the startup probe says of one container."""

    def change(shown: ContainerStatus) -> ContainerStatus:
        return msgspec.structs.replace(shown, started=started) if _is(shown, container_id) else shown

    return _with_containers(status, change)


def with_ready(pod: Pod, status: PodStatus, container_id: ContainerID, *, ready: bool, now: float) -> PodStatus:
    """Return the status with what the readiness probe says of one container, and what follows for the pod.

    Args:
        pod: its readiness gates count as well.
        status: what was known.
        container_id: the container; one that the status does not show changes nothing.
        ready: what the probe says.
        now: Unix seconds.
    """
    every = (*(status.initContainerStatuses or ()), *(status.containerStatuses or ()))
    if all(shown.ready == ready for shown in every if _is(shown, container_id)):
        return status

    def change(shown: ContainerStatus) -> ContainerStatus:
        return msgspec.structs.replace(shown, ready=ready) if _is(shown, container_id) else shown

    changed = _with_containers(status, change)
    time = datetime.fromtimestamp(int(now), UTC)
    return msgspec.structs.replace(changed, conditions=readiness_conditions(pod, changed, now=time))


def with_sandbox(pod: Pod, status: PodStatus, *, now: float) -> PodStatus:
    """Return the status with the word that the pod's new sandbox runs; `now` is in Unix seconds."""
    time = datetime.fromtimestamp(int(now), UTC)
    return msgspec.structs.replace(status, conditions=conditions_with_sandbox(pod, status, now=time))


def _with_containers(status: PodStatus, change: Callable[[ContainerStatus], ContainerStatus]) -> PodStatus:
    def changed(statuses: list[ContainerStatus] | None) -> list[ContainerStatus] | None:
        return [change(shown) for shown in statuses] if statuses is not None else None

    return msgspec.structs.replace(
        status,
        initContainerStatuses=changed(status.initContainerStatuses),
        containerStatuses=changed(status.containerStatuses),
    )


def _is(shown: ContainerStatus, container_id: ContainerID) -> bool:
    return (shown.containerID or "").rpartition("://")[2] == container_id
