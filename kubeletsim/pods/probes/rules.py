"""The rules of probing: what a result counts for, and what a probe worker does when its time has come. Pure.

A worker belongs to one container's probe of one kind and outlives the container's instances: results are kept by
container id, and a new id begins anew. Upstream: doProbe in pkg/kubelet/prober/worker.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from lightkube.models.core_v1 import ContainerStatus, Pod, PodStatus, Probe

from kubeletsim.model.pod import (
    AnyContainer,
    init_containers,
    is_sidecar,
    metadata,
    regular_containers,
    restarts_on_exit,
)
from kubeletsim.model.runtime import ContainerID
from kubeletsim.pods.status import TERMINAL_PHASES, is_marked_to_restart_all

RESTART_GRACE_SECONDS = 10.0
"""A container that started this long before the node's process was there before it, and has been judged before."""


class ProbeKind(Enum):
    """What a probe is for; the value is the word in events and metrics."""

    STARTUP = "Startup"
    LIVENESS = "Liveness"
    READINESS = "Readiness"


class ProbeResult(Enum):
    """What is held of a container."""

    SUCCESS = "success"
    FAILURE = "failure"
    UNKNOWN = "unknown"


START_VALUES: Mapping[ProbeKind, ProbeResult] = MappingProxyType(
    {
        ProbeKind.STARTUP: ProbeResult.UNKNOWN,
        ProbeKind.LIVENESS: ProbeResult.SUCCESS,
        ProbeKind.READINESS: ProbeResult.FAILURE,
    }
)
"""What is held of a container before its first probe."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a worker probes."""

    pod: Pod
    container: AnyContainer
    kind: ProbeKind
    probe: Probe


@dataclass(frozen=True, slots=True)
class Streak:
    """How often in a row a probe has had the same result."""

    result: ProbeResult | None = None
    length: int = 0

    def after(self, result: ProbeResult) -> "Streak":
        """Return the streak with one more result."""
        return Streak(result, self.length + 1 if result is self.result else 1)

    def counts(self, probe: Probe) -> bool:
        """Tell whether the streak is long enough to change what is held of the container."""
        needed = {
            ProbeResult.SUCCESS: probe.successThreshold or 1,
            ProbeResult.FAILURE: probe.failureThreshold or 3,
        }
        return self.result is not None and self.length >= needed.get(self.result, 1)


class Action(Enum):
    """What a worker does when its time has come."""

    WAIT = "wait"
    """Nothing now."""
    PROBE = "probe"
    END = "end"
    """It has nothing more to do, ever."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a worker does now."""

    action: Action
    container_id: ContainerID | None
    """The instance that results count for from now on; None before there was one."""
    results: tuple[ProbeResult, ...] = ()
    """What holds of it without a probe, one after the other."""


def targets(pod: Pod) -> list[Target]:
    """Return every probe of the pod's regular containers and sidecars, in upstream's order."""
    found = []
    for container in (*regular_containers(pod), *(one for one in init_containers(pod) if is_sidecar(one))):
        kinds = (
            (ProbeKind.STARTUP, container.startupProbe),
            (ProbeKind.READINESS, container.readinessProbe),
            (ProbeKind.LIVENESS, container.livenessProbe),
        )
        found += [Target(pod, container, kind, probe) for kind, probe in kinds if probe is not None]
    return found


def next_turn(
    target: Target,
    status: PodStatus | None,
    *,
    container_id: ContainerID | None,
    on_hold: bool,
    now: float,
    node_started: float,
) -> Turn:
    """Decide what a worker does now.

    Args:
        target: what it probes.
        status: the pod's newest status; None when there is none.
        container_id: the instance it has been dealing with; None before the first.
        on_hold: a liveness or startup probe of that instance has failed; another one is awaited.
        now: Unix seconds.
        node_started: when this node's process began to probe, in Unix seconds.
    """
    if status is None:
        return Turn(Action.WAIT, container_id)
    if status.phase in TERMINAL_PHASES:
        return Turn(Action.END, container_id)
    shown = _status_of(target.container, status)
    if shown is None or not shown.containerID:
        return Turn(Action.WAIT, container_id)
    shown_id = ContainerID(shown.containerID.rpartition("://")[2])
    is_new = shown_id != container_id
    results = _start_values(target, shown, node_started=node_started) if is_new else ()
    if on_hold and not is_new:
        return Turn(Action.WAIT, shown_id)
    action, more = _act(target, shown, restarting=is_marked_to_restart_all(status), now=now)
    return Turn(action, shown_id, results + more)


def _act(
    target: Target, shown: ContainerStatus, *, restarting: bool, now: float
) -> tuple[Action, tuple[ProbeResult, ...]]:
    """Return what to do about an instance that is not held, and what holds of it without a probe."""
    running = shown.state.running if shown.state is not None else None
    if running is None:
        return (Action.WAIT if _comes_back(target, shown, restarting=restarting) else Action.END), (
            ProbeResult.FAILURE,
        )
    if metadata(target.pod).deletionTimestamp is not None and target.kind is not ProbeKind.READINESS:
        return Action.END, (ProbeResult.SUCCESS,)  # so that nobody kills what is ending by itself
    started_at = running.startedAt.timestamp() if running.startedAt is not None else 0.0
    # Who started in the future has been there since before the clock was put back.
    if started_at <= now and int(now - started_at) < (target.probe.initialDelaySeconds or 0):
        return Action.WAIT, ()
    # Startup probes are for containers that have not started, the others for those that have.
    if bool(shown.started) == (target.kind is ProbeKind.STARTUP):
        return Action.WAIT, ()
    return Action.PROBE, ()


def _status_of(container: AnyContainer, status: PodStatus) -> ContainerStatus | None:
    every = (*(status.containerStatuses or ()), *(status.initContainerStatuses or ()))
    return next((shown for shown in every if shown.name == container.name), None)


def _start_values(target: Target, shown: ContainerStatus, *, node_started: float) -> tuple[ProbeResult, ...]:
    """Return what holds of a new instance at first; nothing of one that was there before the node's process."""
    running = shown.state.running if shown.state is not None else None
    started_at = running.startedAt if running is not None else None
    if started_at is not None and started_at.timestamp() < node_started - RESTART_GRACE_SECONDS:
        begun = target.kind is ProbeKind.STARTUP and _is_sidecar(target) and shown.started
        return (ProbeResult.SUCCESS,) if begun else ()
    return (START_VALUES[target.kind],)


def _comes_back(target: Target, shown: ContainerStatus, *, restarting: bool) -> bool:
    ended = shown.state.terminated if shown.state is not None else None
    if ended is None or restarting:
        return True
    return restarts_on_exit(target.pod, target.container, exit_code=ended.exitCode)


def _is_sidecar(target: Target) -> bool:
    return target.container.name in {one.name for one in init_containers(target.pod) if is_sidecar(one)}
