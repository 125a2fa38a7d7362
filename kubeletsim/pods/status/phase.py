"""The phase of a pod: one word made of the statuses of all its containers.

Upstream: getPhase in pkg/kubelet/kubelet_pods.go.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from lightkube.models.core_v1 import Container, ContainerStateTerminated, ContainerStatus, Pod

from kubeletsim.model.pod import init_containers, is_sidecar, is_static, regular_containers, restarts_on_exit
from kubeletsim.pods.status.restarting import RESTARTING_REASON

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]
TERMINAL_PHASES: tuple[Phase, ...] = ("Succeeded", "Failed")


def pod_phase(
    pod: Pod, statuses: Sequence[ContainerStatus], *, terminal: bool, initialized: bool, started: Collection[str]
) -> Phase:
    """Return the pod's phase.

    Args:
        pod: the pod.
        statuses: of its init and regular containers.
        terminal: whether the pod's worker has decided that the pod ends.
        initialized: whether a regular container has been started in the present sandbox.
        started: init containers that the last status showed as started; upstream asks the probes only afterwards.
    """
    by_name = {status.name: status for status in statuses}
    init = [container for container in init_containers(pod) if not is_sidecar(container)]
    sidecars = [container for container in init_containers(pod) if is_sidecar(container)]
    if any(_failed_for_good(pod, container, by_name) for container in init):
        return "Failed"
    if any(_is_ahead(by_name.get(container.name)) for container in init):
        return "Pending"
    ahead = (_sidecar_is_ahead(by_name.get(one.name), started=one.name in started) for one in sidecars)
    if not initialized and any(ahead):
        return "Pending"
    return _phase_after_init(pod, sidecars, by_name, terminal=terminal)


def _phase_after_init(
    pod: Pod, sidecars: Sequence[Container], by_name: Mapping[str, ContainerStatus], *, terminal: bool
) -> Phase:
    regular = regular_containers(pod)
    if any(_waits_for_first_start(by_name.get(container.name)) for container in (*sidecars, *regular)):
        return "Pending"
    all_known = all(container.name in by_name for container in (*sidecars, *regular))
    if all_known and any(_runs(by_name.get(container.name)) for container in (*sidecars, *regular)):
        return "Running"
    ends = {container.name: _last_end(by_name.get(container.name)) for container in regular}
    if not all_known or not ends or any(end is None for end in ends.values()):
        return "Pending"
    # Whether a container shows its end or waits again after it makes no difference to a restart, but only an end that
    # still shows counts as success.
    succeeded = all(_ended_well(by_name[container.name]) for container in regular)
    done = not any(_comes_back(pod, c, end) for c in regular if (end := ends[c.name]))
    if not done and not (terminal and not is_static(pod)):
        return "Running"
    return "Succeeded" if succeeded else "Failed"


def _failed_for_good(pod: Pod, container: Container, by_name: Mapping[str, ContainerStatus]) -> bool:
    end = _last_end(by_name.get(container.name))
    return end is not None and end.exitCode != 0 and not _comes_back(pod, container, end)


def _comes_back(pod: Pod, container: Container, end: ContainerStateTerminated) -> bool:
    """Tell whether a container is started again after this end, or was only removed for the whole pod to restart."""
    return end.reason == RESTARTING_REASON or restarts_on_exit(pod, container, exit_code=end.exitCode)


def _is_ahead(status: ContainerStatus | None) -> bool:
    """Tell whether an init container still has to run, or runs."""
    return _last_end(status) is None


def _sidecar_is_ahead(status: ContainerStatus | None, *, started: bool) -> bool:
    """Tell whether a sidecar still has to start; one that has stopped does not hold the pod back."""
    if status is None:
        return False
    return not started if _runs(status) else _waits_for_first_start(status)


def _waits_for_first_start(status: ContainerStatus | None) -> bool:
    waits = status is not None and status.state is not None and status.state.waiting is not None
    return waits and _last_end(status) is None


def _runs(status: ContainerStatus | None) -> bool:
    return status is not None and status.state is not None and status.state.running is not None


def _ended_well(status: ContainerStatus) -> bool:
    end = status.state.terminated if status.state is not None else None
    return end is not None and end.exitCode == 0


def _last_end(status: ContainerStatus | None) -> ContainerStateTerminated | None:
    """Return how a stopped container ended: one that shows its end, or waits to be started again after one."""
    if status is None or status.state is None:
        return None
    if status.state.terminated is not None:
        return status.state.terminated
    return status.lastState.terminated if status.state.waiting is not None and status.lastState is not None else None
