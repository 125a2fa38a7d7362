"""The last status of a pod of which nothing is left on the node: what never said how it ended has ended badly.

Upstream: TerminatePod, hasPodInitialized and initializedContainers in pkg/kubelet/status/status_manager.go.
"""

from collections.abc import Sequence

import msgspec
from lightkube.models.core_v1 import ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodStatus

from kubeletsim.model.pod import init_containers, is_sidecar, is_static
from kubeletsim.pods.status.containers import LOST, UNKNOWN_EXIT_CODE, UNKNOWN_REASON
from kubeletsim.pods.status.phase import TERMINAL_PHASES


def finished_status(pod: Pod, status: PodStatus) -> PodStatus:
    """Return a pod's status with every container ended that may have been started.

    Args:
        pod: whose own status, the one that its source gave it, tells whether it was ever initialised.
        status: the status computed last.
    """
    regular, init = status.containerStatuses, status.initContainerStatuses
    if regular and _is_initialized(pod):
        regular = [_ended(one) for one in regular]
    if init:
        begun = _begun(init)
        init = [_ended(one) if number < begun else one for number, one in enumerate(init)]
    status = msgspec.structs.replace(status, containerStatuses=regular, initContainerStatuses=init)
    if not is_static(pod) and status.phase not in TERMINAL_PHASES:
        status.phase = "Failed"
    return status


def _is_initialized(pod: Pod) -> bool:
    """Tell whether the status that the source gave the pod shows it initialised; a manifest brings none."""
    init = init_containers(pod)
    if not init:
        return True
    shown = pod.status if pod.status is not None else PodStatus()
    if any(_has_started(one) for one in shown.containerStatuses or ()):
        return True
    if not shown.initContainerStatuses:
        return False
    last = shown.initContainerStatuses[-1]
    if is_sidecar(init[len(shown.initContainerStatuses) - 1]):
        return last.state is not None and last.state.running is not None and bool(last.started)
    ends = [state.terminated for state in (last.state, last.lastState) if state is not None]
    return any(end is not None and end.exitCode == 0 for end in ends)


def _begun(statuses: Sequence[ContainerStatus]) -> int:
    """Return how many init containers, from the first on, may have been started: one at least."""
    return max([number + 1 for number, one in enumerate(statuses) if _has_started(one)], default=1)


def _has_started(status: ContainerStatus) -> bool:
    waits = status.state is not None and status.state.waiting is not None
    return not waits or (status.lastState is not None and status.lastState.terminated is not None)


def _ended(status: ContainerStatus) -> ContainerStatus:
    if status.state is not None and status.state.terminated is not None:
        return status
    end = ContainerStateTerminated(exitCode=UNKNOWN_EXIT_CODE, reason=UNKNOWN_REASON, message=LOST)
    return msgspec.structs.replace(status, state=ContainerState(terminated=end))
