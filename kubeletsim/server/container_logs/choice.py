"""Which instance of a container its logs are wanted of. Pure.

Upstream: validateContainerLogStatus in pkg/kubelet/kubelet_pods.go, whose texts these are.
"""

from lightkube.models.core_v1 import ContainerStateTerminated, ContainerStatus, PodStatus

from kubeletsim.model.errors import KubeletSimError, go_quote
from kubeletsim.model.runtime import ContainerID

PENDING = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}
"""What is said of the commonest reasons to wait, in place of the reason itself."""


class NoLogs(KubeletSimError):
    """There are no logs to show; the text says why."""


def choose_instance(status: PodStatus | None, *, pod: str, container: str, previous: bool) -> str:
    """Return the instance's id, with its runtime's name in front as statuses have it.

    Args:
        status: the pod's; None when it has none yet.
        pod: its name, for messages.
        container: the container's name.
        previous: the instance before the current one.

    Raises:
        NoLogs: there is no such instance.
    """
    where = f"container {go_quote(container)} in pod {go_quote(pod)}"
    shown = _find(status, container)
    if shown is None:
        raise NoLogs(f"{where} is not available")
    state, last = shown.state, _id(shown.lastState.terminated if shown.lastState is not None else None)
    if previous:
        if not last:
            raise NoLogs(f"previous terminated {where} not found")
        return last
    if state is not None and state.running is not None:
        return shown.containerID or ""
    terminated = state.terminated if state is not None else None
    ended = terminated is not None or (shown.lastState is not None and shown.lastState.terminated is not None)
    if ended:
        if found := _id(terminated) or last:
            return found
        raise NoLogs(f"{where} is terminated")
    waiting = state.waiting if state is not None else None
    if waiting is None:
        raise NoLogs(f"{where} is waiting to start - no logs yet")
    raise NoLogs(f"{where} is waiting to start: {PENDING.get(waiting.reason or '', waiting.reason or '')}")


def runtime_id(container_id: str) -> ContainerID:
    """Return a status's container id without the runtime's name."""
    return ContainerID(container_id.rpartition("://")[2])


def _find(status: PodStatus | None, container: str) -> ContainerStatus | None:
    if status is None:
        return None
    every = (
        *(status.containerStatuses or ()),
        *(status.initContainerStatuses or ()),
        *(status.ephemeralContainerStatuses or ()),
    )
    return next((shown for shown in every if shown.name == container), None)


def _id(terminated: ContainerStateTerminated | None) -> str:
    return (terminated.containerID or "") if terminated is not None else ""
