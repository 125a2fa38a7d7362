"""The conditions of a pod, in the order in which a kubelet lists them, with the times of their last change.

Upstream: pkg/kubelet/status/generate.go, generateAPIPodStatus in pkg/kubelet/kubelet_pods.go.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from lightkube.models.core_v1 import Container, ContainerStatus, Pod, PodCondition, PodStatus

from kubeletsim.model.pod import init_containers, is_sidecar, metadata, regular_containers, spec
from kubeletsim.model.runtime import ObservedPod
from kubeletsim.pods.actions import sandbox_changed
from kubeletsim.pods.status.phase import Phase
from kubeletsim.pods.status.restarting import ALL_RESTARTING, is_cleaned_up, restarting_condition

DISRUPTION_TARGET = "DisruptionTarget"
READY_TO_START = "PodReadyToStartContainers"
INITIALIZED = "Initialized"
READY = "Ready"
CONTAINERS_READY = "ContainersReady"
SCHEDULED = "PodScheduled"
OWN_CONDITIONS = (
    "PodResizePending",
    "PodResizeInProgress",
    ALL_RESTARTING,
    READY_TO_START,
    INITIALIZED,
    READY,
    CONTAINERS_READY,
    SCHEDULED,
)
"""What a kubelet computes anew each time; everything else in the list is somebody else's and stays."""


def pod_conditions(
    pod: Pod,
    observed: ObservedPod,
    *,
    phase: Phase,
    init_statuses: Sequence[ContainerStatus],
    statuses: Sequence[ContainerStatus],
    old: PodStatus,
    restarting: bool | None,
    now: datetime,
) -> list[PodCondition]:
    """Return the pod's conditions; one whose status is as before keeps its time.

    `restarting` says whether all containers restart; None for a pod that cannot do so.
    """
    before = {condition.type: condition for condition in old.conditions or []}
    kept = [condition for condition in before.values() if condition.type not in OWN_CONDITIONS]
    known = {status.name: status for status in (*init_statuses, *statuses)}
    containers_ready = _containers_ready(pod, known, phase=phase)
    sandbox_needed, _, _ = sandbox_changed(pod, observed)
    computed = [
        PodCondition(type=READY_TO_START, status="False" if sandbox_needed else "True"),
        _initialized(pod, known, before, phase=phase),
        _ready(pod, containers_ready, before),
        containers_ready,
        PodCondition(type=SCHEDULED, status="True"),
    ]
    if restarting is not None:
        cleaned_up = is_cleaned_up(pod, observed)
        computed.append(restarting_condition(restarting=restarting, cleaned_up=cleaned_up, phase=phase))
    for condition in computed:
        _date(condition, before, now=now, generation=metadata(pod).generation)
    # The kubelet's own DisruptionTarget, set by whoever ends the pod, comes after those of others.
    kept.sort(key=lambda condition: condition.type == DISRUPTION_TARGET)
    return kept + computed


def readiness_conditions(pod: Pod, status: PodStatus, *, now: datetime) -> list[PodCondition]:
    """Return the pod's conditions with those about readiness computed anew from its container statuses."""
    before = {condition.type: condition for condition in status.conditions or []}
    known = {one.name: one for one in (*(status.initContainerStatuses or ()), *(status.containerStatuses or ()))}
    containers_ready = _containers_ready(pod, known, phase=status.phase)
    computed = {READY: _ready(pod, containers_ready, before), CONTAINERS_READY: containers_ready}
    for condition in computed.values():
        _date(condition, before, now=now, generation=metadata(pod).generation)
    return [computed.get(condition.type, condition) for condition in status.conditions or []]


def conditions_with_sandbox(pod: Pod, status: PodStatus, *, now: datetime) -> list[PodCondition]:
    """Return the pod's conditions with the word that containers can be started; it comes last where it is new."""
    before = {condition.type: condition for condition in status.conditions or []}
    ready = PodCondition(type=READY_TO_START, status="True")
    _date(ready, before, now=now, generation=metadata(pod).generation)
    return list({**before, READY_TO_START: ready}.values())


def _date(
    condition: PodCondition, before: Mapping[str, PodCondition], *, now: datetime, generation: int | None
) -> None:
    """Give a condition its time: that of the last one while its status stays."""
    last = before.get(condition.type)
    same = last is not None and last.status == condition.status
    condition.lastTransitionTime = last.lastTransitionTime if last is not None and same else now
    condition.observedGeneration = generation


def _initialized(
    pod: Pod, known: Mapping[str, ContainerStatus], before: Mapping[str, PodCondition], *, phase: Phase
) -> PodCondition:
    containers = init_containers(pod)
    if containers and not known:
        return PodCondition(type=INITIALIZED, status="False", reason="UnknownContainerStatuses")
    unknown = [container.name for container in containers if container.name not in known]
    incomplete = [c.name for c in containers if c.name in known and not _passed(c, known[c.name])]
    if phase == "Succeeded" and not unknown:
        return PodCondition(type=INITIALIZED, status="True", reason="PodCompleted")
    # Once a regular container has run, the init containers have done their work, whatever is left of them; and what has
    # been initialised stays so, even if all containers restart.
    begun = any(_has_run(known.get(container.name)) for container in regular_containers(pod))
    once = INITIALIZED in before and before[INITIALIZED].status == "True"
    if begun or once or not (unknown or incomplete):
        return PodCondition(type=INITIALIZED, status="True")
    message = _joined(("containers with unknown status", unknown), ("containers with incomplete status", incomplete))
    return PodCondition(type=INITIALIZED, status="False", reason="ContainersNotInitialized", message=message)


def _containers_ready(pod: Pod, known: Mapping[str, ContainerStatus], *, phase: str | None) -> PodCondition:
    containers = [*(c for c in init_containers(pod) if is_sidecar(c)), *regular_containers(pod)]
    if not known:
        return PodCondition(type=CONTAINERS_READY, status="False", reason="UnknownContainerStatuses")
    unknown = [container.name for container in containers if container.name not in known]
    unready = [c.name for c in containers if c.name in known and not known[c.name].ready]
    if phase == "Succeeded" and not unknown:
        return PodCondition(type=CONTAINERS_READY, status="False", reason="PodCompleted")
    if phase == "Failed":
        return PodCondition(type=CONTAINERS_READY, status="False", reason="PodFailed")
    if not (unknown or unready):
        return PodCondition(type=CONTAINERS_READY, status="True")
    message = _joined(("containers with unknown status", unknown), ("containers with unready status", unready))
    return PodCondition(type=CONTAINERS_READY, status="False", reason="ContainersNotReady", message=message)


def _ready(pod: Pod, containers_ready: PodCondition, before: Mapping[str, PodCondition]) -> PodCondition:
    if containers_ready.status != "True":
        return PodCondition(
            type=READY, status="False", reason=containers_ready.reason, message=containers_ready.message
        )
    complaints = []
    for gate in spec(pod).readinessGates or []:
        condition = before.get(gate.conditionType)
        if condition is None:
            complaints.append(f'corresponding condition of pod readiness gate "{gate.conditionType}" does not exist.')
        elif condition.status != "True":
            complaints.append(
                f'the status of pod readiness gate "{gate.conditionType}" is not "True", but {condition.status}'
            )
    if complaints:
        return PodCondition(type=READY, status="False", reason="ReadinessGatesNotReady", message=", ".join(complaints))
    return PodCondition(type=READY, status="True")


def _passed(container: Container, status: ContainerStatus) -> bool:
    return bool(status.started) if is_sidecar(container) else status.ready


def _has_run(status: ContainerStatus | None) -> bool:
    if status is None or status.state is None:
        return False
    return status.state.running is not None or status.state.terminated is not None


def _joined(*lists: tuple[str, Iterable[str]]) -> str:
    texts = [(what, list(names)) for what, names in lists]
    return ", ".join(f"{what}: [{' '.join(names)}]" for what, names in texts if names)
