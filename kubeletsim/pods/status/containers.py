"""The statuses of a pod's containers, made of what the runtime reports, what was last said, and why starts failed.

Upstream: convertToAPIContainerStatuses in pkg/kubelet/kubelet_pods.go, UpdatePodStatus in pkg/kubelet/prober.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import msgspec
from lightkube.models.core_v1 import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    ContainerUser,
    LinuxContainerUser,
    Pod,
    PodStatus,
    VolumeMountStatus,
)

from kubeletsim.model.labels import RESTART_COUNT_ANNOTATION
from kubeletsim.model.pod import (
    AnyContainer,
    ephemeral_containers,
    init_containers,
    is_sidecar,
    metadata,
    regular_containers,
)
from kubeletsim.model.runtime import ContainerState as RuntimeState
from kubeletsim.model.runtime import ContainerStatus as RuntimeStatus
from kubeletsim.model.runtime import ObservedPod, newest_first
from kubeletsim.pods.actions import should_start
from kubeletsim.pods.status.restarting import REMOVED_MESSAGE, RESTARTING_REASON

UNKNOWN_EXIT_CODE = 137
UNKNOWN_REASON = "ContainerStatusUnknown"
MAX_POD_MESSAGE_BYTES = 12 * 1024
LOST_WHILE_RUNNING = "The container could not be located when the pod was deleted.  The container used to be Running"
LOST = "The container could not be located when the pod was terminated"
INFERRED = (
    "Unable to get init container status from container runtime and pod has been initialized, "
    "treat it as exited normally"
)

ContainerKind = Literal["init", "regular", "ephemeral"]


@dataclass(frozen=True, slots=True)
class WaitingReason:
    """Why the last start of a container failed, until a start succeeds."""

    reason: str
    """`CrashLoopBackOff`, `ErrImagePull`, `CreateContainerError`, …: section 10.3 of the behaviour reference."""
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeView:
    """What probes say of running containers, by name; one that is not mentioned has no probe of that kind."""

    started: Mapping[str, bool] = field(default_factory=dict)
    ready: Mapping[str, bool] = field(default_factory=dict)


def container_statuses(
    pod: Pod,
    kind: ContainerKind,
    *,
    observed: ObservedPod,
    old: PodStatus,
    waiting: Mapping[str, WaitingReason],
    probes: ProbeView,
    runtime_name: str,
    restarting: bool = False,
) -> list[ContainerStatus]:
    """Return a status for each container of a kind: regular ones by name, the others in the spec's order.

    `restarting` is whether all of them are being removed for the pod to begin from scratch.
    """
    containers, old_statuses = _of_kind(pod, old, kind)
    before = {status.name: status for status in old_statuses or []}
    regular = {container.name for container in regular_containers(pod)}
    begun = any(one.name in regular and one.state is not RuntimeState.UNKNOWN for one in observed.containers)
    statuses = []
    for container in containers:
        seen = newest_first(status for status in observed.containers if status.name == container.name)
        if seen:
            status = _from_runtime(
                container, seen, before.get(container.name), runtime_name=runtime_name, restarting=restarting
            )
        else:
            status = _unseen(pod, container, before.get(container.name), restarting=restarting)
        if kind != "ephemeral":
            newest = seen[0] if seen else None
            failure = waiting.get(container.name)
            status = _after_failed_start(pod, container, status, newest, failure, kind=kind, begun=begun)
            status = _with_probes(container, status, kind=kind, probes=probes)
        statuses.append(status)
    return sorted(statuses, key=lambda status: status.name) if kind == "regular" else statuses


def shorten_messages(statuses: Sequence[ContainerStatus]) -> None:
    """Cut the last words of a pod's containers so that together they stay within what a status may carry."""
    for status in statuses:
        for state in (status.state, status.lastState):
            end = state.terminated if state is not None else None
            if end is not None and end.message:
                cut = end.message.encode()[: MAX_POD_MESSAGE_BYTES // len(statuses)]
                end.message = cut.decode(errors="ignore")


def _of_kind(
    pod: Pod, old: PodStatus, kind: ContainerKind
) -> tuple[Sequence[AnyContainer], Sequence[ContainerStatus] | None]:
    if kind == "init":
        return init_containers(pod), old.initContainerStatuses
    if kind == "regular":
        return regular_containers(pod), old.containerStatuses
    return ephemeral_containers(pod), old.ephemeralContainerStatuses


def _api_time(nanos: int) -> datetime:
    """Return a runtime's time as the API shows it, in whole seconds; what has not happened was when 1970 began."""
    return datetime.fromtimestamp(nanos // 1_000_000_000, UTC)


def restart_count(status: RuntimeStatus) -> int:
    """Return how many instances of the container there were before this one."""
    text = status.annotations.get(RESTART_COUNT_ANNOTATION, "")
    return int(text) if text.isdecimal() else status.attempt


def _from_runtime(
    container: AnyContainer,
    seen: Sequence[RuntimeStatus],
    old: ContainerStatus | None,
    *,
    runtime_name: str,
    restarting: bool,
) -> ContainerStatus:
    """Return the status of a container the runtime knows; `seen` are its instances, newest first."""
    newest = seen[0]
    container_id = f"{runtime_name}://{newest.id}"
    was_running = old is not None and old.state is not None and old.state.running is not None
    state = _state(newest, was_running=was_running, runtime_name=runtime_name, restarting=restarting)
    last = _last_state(container_id, old)
    if len(seen) > 1:
        last = _state(seen[1], was_running=False, runtime_name=runtime_name)
    requests = container.resources.requests if container.resources is not None else None
    return ContainerStatus(
        name=container.name,
        image=newest.image or container.image or "",
        imageID=newest.image_ref,
        containerID=container_id,
        ready=False,
        restartCount=_count_restarts(newest, old, state=state),
        state=state,
        lastState=last,
        resources=container.resources,
        allocatedResources=requests or None,
        user=_user(newest),
        volumeMounts=_volume_mounts(container),
    )


def _user(status: RuntimeStatus) -> ContainerUser | None:
    """Return who the container's first process was started as; None where the runtime does not tell."""
    if (user := status.user) is None:
        return None
    groups = list(user.supplemental_groups) or None
    return ContainerUser(linux=LinuxContainerUser(uid=user.uid, gid=user.gid, supplementalGroups=groups))


def _last_state(container_id: str, old: ContainerStatus | None) -> ContainerState:
    """Return how the instance before ended, as far as it was shown: the runtime may know nothing of it any more."""
    if old is None:
        return ContainerState()
    if old.containerID != container_id and old.state is not None and old.state.terminated is not None:
        return ContainerState(terminated=old.state.terminated)
    return ContainerState(terminated=old.lastState.terminated if old.lastState is not None else None)


def _count_restarts(newest: RuntimeStatus, old: ContainerStatus | None, *, state: ContainerState) -> int:
    """Return how often the container was started again; what has been shown is never taken back."""
    count = restart_count(newest)
    if old is None:
        return count
    shown = old.restartCount or 0
    ended = old.state is not None and old.state.terminated is not None
    lost = newest.state is RuntimeState.UNKNOWN and state.terminated is not None
    if lost or (state.running is not None and ended and shown >= count):
        return shown + 1
    return max(count, shown)


def _state(status: RuntimeStatus, *, was_running: bool, runtime_name: str, restarting: bool = False) -> ContainerState:
    container_id = f"{runtime_name}://{status.id}"
    match status.state:
        case RuntimeState.RUNNING:
            return ContainerState(running=ContainerStateRunning(startedAt=_api_time(status.started_at)))
        case RuntimeState.EXITED:
            return ContainerState(
                terminated=ContainerStateTerminated(
                    exitCode=status.exit_code,
                    reason=status.reason or None,
                    message=status.message or None,
                    startedAt=_api_time(status.started_at),
                    finishedAt=_api_time(status.finished_at),
                    containerID=container_id,
                )
            )
        case RuntimeState.UNKNOWN if was_running:
            return _lost(LOST, reason=RESTARTING_REASON if restarting else UNKNOWN_REASON)
        case _:  # created but not running, or nobody knows: waiting, without a better word for it
            return ContainerState(waiting=ContainerStateWaiting())


def _unseen(pod: Pod, container: AnyContainer, old: ContainerStatus | None, *, restarting: bool) -> ContainerStatus:
    """Return the status of a container the runtime does not know: never started, cleaned up, or lost."""
    ended = old is not None and old.state is not None and old.state.terminated is not None
    if restarting and old is not None and (old.state is None or old.state.waiting is None):
        return _removed_to_restart(container, old)
    if old is not None and ended:
        return msgspec.structs.replace(old)  # what has ended may be removed at any time
    status = _waiting(container, old, reason="PodInitializing" if init_containers(pod) else "ContainerCreating")
    ran = old is not None and old.state is not None and old.state.running is not None
    if not ran or (status.lastState is not None and status.lastState.terminated is not None):
        return status
    # Waiting alone would throw the pod back to Pending although it has been running.
    status.lastState = _lost(LOST_WHILE_RUNNING, reason=UNKNOWN_REASON)
    if metadata(pod).deletionTimestamp is None:
        status.restartCount += 1
    return status


def _removed_to_restart(container: AnyContainer, old: ContainerStatus) -> ContainerStatus:
    """Return the status of a container that was removed for its pod to begin anew; one that had ended keeps its id."""
    ended = old.state is not None and old.state.terminated is not None
    status = msgspec.structs.replace(old) if ended else _waiting(container, old, reason=RESTARTING_REASON)
    status.restartCount = (old.restartCount or 0) + 1
    status.state = ContainerState(waiting=ContainerStateWaiting(reason=RESTARTING_REASON, message=REMOVED_MESSAGE))
    status.lastState = _lost(REMOVED_MESSAGE, reason=RESTARTING_REASON)
    return status


def _waiting(container: AnyContainer, old: ContainerStatus | None, *, reason: str) -> ContainerStatus:
    """Return the status of a container of which there is nothing, with what was last said of its past."""
    return ContainerStatus(
        name=container.name,
        image=container.image or "",
        imageID="",
        ready=False,
        restartCount=old.restartCount if old is not None else 0,
        state=ContainerState(waiting=ContainerStateWaiting(reason=reason)),
        lastState=(old.lastState if old is not None else None) or ContainerState(),
        volumeMounts=_volume_mounts(container),
    )


def _lost(message: str, *, reason: str) -> ContainerState:
    end = ContainerStateTerminated(exitCode=UNKNOWN_EXIT_CODE, reason=reason, message=message)
    return ContainerState(terminated=end)


def _after_failed_start(
    pod: Pod,
    container: AnyContainer,
    status: ContainerStatus,
    newest: RuntimeStatus | None,
    failure: WaitingReason | None,
    *,
    kind: ContainerKind,
    begun: bool,
) -> ContainerStatus:
    """Show a container that is due for a start as waiting, once a start of it has failed; before, as what it was.

    `begun` is whether the pod has a regular container: of an init container without a trace it tells that it is done.
    """
    if kind == "init" and not is_sidecar(container):
        if newest is not None and newest.state is RuntimeState.EXITED and newest.exit_code == 0:
            return status
        if newest is None and begun and status.state is not None and status.state.waiting is not None:
            done = ContainerStateTerminated(exitCode=0, reason="Completed", message=INFERRED)
            status.state = ContainerState(terminated=done)
            return status
    if failure is None or not should_start(pod, container, newest):
        return status
    if status.state is not None and status.state.terminated is not None:
        status.lastState = status.state
    status.state = ContainerState(waiting=ContainerStateWaiting(reason=failure.reason, message=failure.message or None))
    return status


def _with_probes(
    container: AnyContainer, status: ContainerStatus, *, kind: ContainerKind, probes: ProbeView
) -> ContainerStatus:
    """Fill in whether the container has started and is ready."""
    running = status.state is not None and status.state.running is not None
    status.started = running and probes.started.get(container.name, True)
    if kind == "init" and not is_sidecar(container):
        ended = status.state.terminated if status.state is not None else None
        status.ready = ended is not None and ended.exitCode == 0
    else:
        status.ready = status.started and probes.ready.get(container.name, True)
    return status


def _volume_mounts(container: AnyContainer) -> list[VolumeMountStatus] | None:
    mounts = [
        VolumeMountStatus(
            name=mount.name,
            mountPath=mount.mountPath,
            readOnly=mount.readOnly or None,
            recursiveReadOnly=_recursive(mount.recursiveReadOnly) if mount.readOnly else None,
        )
        for mount in container.volumeMounts or []
    ]
    return mounts or None


def _recursive(wanted: str | None) -> str:
    return "Enabled" if wanted == "Enabled" else "Disabled"
