"""Whether a pod restarts all its containers, because one of them ended with a code that asks for that.

A rule `RestartAllContainers` works over two syncs. The first finds the exit, sets the condition AllContainersRestarting
and has every container killed and removed; the second finds none left, clears the condition and starts from scratch,
init containers included. In between the condition remembers: the exit that began it is removed with its container. The
sandbox, its address and the volumes stay.

Upstream: ShouldAllContainersRestart and AllContainersRestartCleanedUp in pkg/kubelet/container/helpers.go,
GenerateAllContainersRestartingCondition in pkg/kubelet/status/generate.go; gate RestartAllContainersOnContainerExits.
"""

from lightkube.models.core_v1 import ContainerStatus, Pod, PodCondition, PodStatus

from kubeletsim.model.pod import AnyContainer, init_containers, matching_restart_rule, regular_containers
from kubeletsim.model.runtime import ObservedPod
from kubeletsim.pods.actions import asked_to_restart_all, latest

ALL_RESTARTING = "AllContainersRestarting"
RESTARTING_REASON = "RestartingAllContainers"
REMOVED_MESSAGE = "The container is removed because RestartAllContainers in place"
CONDITION_MESSAGE = "container exited with restart policy rule"


def could_restart_all(pod: Pod) -> bool:
    """Tell whether a container of the pod has such a rule."""
    every = (*init_containers(pod), *regular_containers(pod))
    return any(rule.action == "RestartAllContainers" for one in every for rule in one.restartPolicyRules or [])


def is_marked_to_restart_all(status: PodStatus) -> bool:
    """Tell whether a pod's status says that all its containers have to go."""
    return any(one.type == ALL_RESTARTING and one.status == "True" for one in status.conditions or [])


def is_restarting_all(pod: Pod, observed: ObservedPod, old: PodStatus) -> bool:
    """Tell whether the pod is to begin from scratch, or is about to.

    Args:
        pod: whose rules.
        observed: its containers as the runtime shows them.
        old: the status computed last, which says whether it has begun.
    """
    every = (*init_containers(pod), *regular_containers(pod))
    shown = {one.name: one for one in (*(old.initContainerStatuses or ()), *(old.containerStatuses or ()))}
    return is_marked_to_restart_all(old) or any(
        asked_to_restart_all(container, latest(observed, container.name))
        or _showed_that_it_asked(container, shown.get(container.name))
        for container in every
    )


def _showed_that_it_asked(container: AnyContainer, status: ContainerStatus | None) -> bool:
    """Tell whether a container was last shown with such an exit: it counts also when the runtime has lost it."""
    end = status.state.terminated if status is not None and status.state is not None else None
    return end is not None and matching_restart_rule(container, exit_code=end.exitCode) == "RestartAllContainers"


def is_cleaned_up(pod: Pod, observed: ObservedPod) -> bool:
    """Tell whether no container of the pod is left, so that it can begin again."""
    return not any(latest(observed, one.name) for one in (*init_containers(pod), *regular_containers(pod)))


def restarting_condition(*, restarting: bool, cleaned_up: bool, phase: str) -> PodCondition:
    """Return the condition that a pod with such a rule has."""
    over = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase)
    if over is not None or not restarting or cleaned_up:
        return PodCondition(type=ALL_RESTARTING, status="False", reason=over)
    return PodCondition(
        type=ALL_RESTARTING, status="True", reason="RestartAllContainersStarted", message=CONDITION_MESSAGE
    )
