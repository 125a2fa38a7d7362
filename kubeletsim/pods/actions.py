"""The decision of what to do about a pod: `compute_pod_actions` compares its spec with what was observed.

The plan is a value; `pods/runtime_sync.py` carries it out. Containers are named by their names, which are unique in a
pod. Observed containers are newest first, so the first of a name is the one that counts, and older ones are history.

Upstream: computePodActions and computeInitContainerActions in pkg/kubelet/kuberuntime/kuberuntime_manager.go. In-place
resize is left out: without an API server a pod's resources change only with its manifest, which makes it another pod.
Sandbox changes are those of pkg/kubelet/kuberuntime/util.
"""

from dataclasses import dataclass, field
from enum import Enum

from lightkube.models.core_v1 import Container, Pod

from kubeletsim.model.labels import CONTAINER_HASH_ANNOTATION
from kubeletsim.model.pod import (
    AnyContainer,
    container_hash,
    container_restart_policy,
    ephemeral_containers,
    init_containers,
    is_sidecar,
    matching_restart_rule,
    metadata,
    pod_restart_policy,
    regular_containers,
    restarts_on_exit,
    uses_host_network,
)
from kubeletsim.model.runtime import ContainerID, ContainerState, ContainerStatus, ObservedPod, SandboxID, SandboxState


class KillReason(Enum):
    """Why a single container of a living pod is stopped."""

    UNKNOWN = "Unknown"
    RESTART_ALL = "RestartAllContainers"
    SPEC_CHANGED = "SpecChanged"
    LIVENESS_PROBE = "LivenessProbe"
    STARTUP_PROBE = "StartupProbe"
    POST_START_HOOK = "FailedPostStartHook"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerKill:
    """One container to stop while its pod lives on."""

    id: ContainerID
    name: str
    message: str
    """What the Killing event says."""
    reason: KillReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerReset:
    """One container to remove, so that its pod can begin from scratch; its logs stay."""

    id: ContainerID
    name: str
    kill: bool
    """It has to be killed first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PodActions:
    """What a sync will do, in this order: kills, resets, sandbox, ephemeral, init, regular containers."""

    kill_pod: bool = False
    """Stop every running container and every sandbox of the pod."""
    create_sandbox: bool = False
    """Start a new sandbox; implies `kill_pod`."""
    sandbox_id: SandboxID | None = None
    """The sandbox to keep, or the one that is given up; None when there is none or it only has the wrong network."""
    attempt: int = 0
    """The attempt number of the sandbox that is kept or created."""
    containers_to_kill: tuple[ContainerKill, ...] = ()
    containers_to_reset: tuple[ContainerReset, ...] = ()
    """All of them, when all have to restart; nothing is started before none is left."""
    ephemeral_containers_to_start: tuple[str, ...] = ()
    init_containers_to_start: tuple[str, ...] = ()
    containers_to_start: tuple[str, ...] = ()

    @property
    def is_noop(self) -> bool:
        """Whether the pod is as it should be."""
        return not (self.kill_pod or self.containers_to_kill or self.containers_to_reset or self.to_start)

    @property
    def to_start(self) -> tuple[str, ...]:
        """Every container to start, in order."""
        return self.ephemeral_containers_to_start + self.init_containers_to_start + self.containers_to_start


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResults:
    """What the probes of a pod's containers say now; a container in none of the sets has no result yet."""

    liveness_failed: frozenset[ContainerID] = frozenset()
    startup_failed: frozenset[ContainerID] = frozenset()
    startup_succeeded: frozenset[ContainerID] = frozenset()


def compute_pod_actions(
    pod: Pod, observed: ObservedPod, *, probes: ProbeResults | None = None, restart_all: bool = False
) -> PodActions:
    """Decide what a sync of the pod has to do.

    Args:
        pod: the spec to bring about.
        observed: the runtime's state of it, newest first.
        probes: results of its probes; None on a node that does not probe, where a startup probe holds nothing up.
        restart_all: whether all containers have to go before anything is started: the status' AllContainersRestarting.
    """
    changed, attempt, sandbox_id = sandbox_changed(pod, observed)
    if restart_all:
        return PodActions(
            kill_pod=changed,
            create_sandbox=changed,
            sandbox_id=sandbox_id,
            attempt=attempt,
            containers_to_reset=_resets(pod, observed),
        )
    if changed:
        return _in_a_new_sandbox(pod, observed, attempt=attempt, sandbox_id=sandbox_id)
    ephemeral = tuple(c.name for c in ephemeral_containers(pod) if latest(observed, c.name) is None)
    init = _InitWalk(pod, observed, probes)
    init.walk()
    plan = PodActions(
        kill_pod=init.failed,
        sandbox_id=sandbox_id,
        attempt=attempt,
        containers_to_kill=tuple(init.kill),
        ephemeral_containers_to_start=ephemeral,
        init_containers_to_start=() if init.failed else tuple(reversed(init.start)),
    )
    if init.failed or not init.done:
        return plan
    return _with_regular_containers(plan, pod, observed, probes)


def latest(observed: ObservedPod, name: str) -> ContainerStatus | None:
    """Return the newest instance of a container; None when the runtime knows none."""
    return next((status for status in observed.containers if status.name == name), None)


def sandbox_changed(pod: Pod, observed: ObservedPod) -> tuple[bool, int, SandboxID | None]:
    """Tell whether the pod needs a new sandbox, with which attempt number, and which sandbox that is about.

    Upstream: PodSandboxChanged in pkg/kubelet/kuberuntime/util/util.go.
    """
    if not observed.sandboxes:
        return True, 0, None
    newest = observed.sandboxes[0]
    ready = sum(sandbox.state is SandboxState.READY for sandbox in observed.sandboxes)
    if ready > 1 or newest.state is not SandboxState.READY:
        return True, newest.attempt + 1, newest.id
    if newest.host_network != uses_host_network(pod):
        return True, newest.attempt + 1, None
    if not newest.host_network and newest.has_network and not newest.ips:
        return True, newest.attempt + 1, newest.id
    return False, newest.attempt, newest.id


def should_start(pod: Pod, container: AnyContainer, status: ContainerStatus | None) -> bool:
    """Tell whether a container that does not run is to be started (ShouldContainerBeRestarted upstream)."""
    if metadata(pod).deletionTimestamp is not None:
        return False
    if status is None or status.state in (ContainerState.CREATED, ContainerState.UNKNOWN):
        return True
    if status.state is ContainerState.RUNNING:
        return False
    return restarts_on_exit(pod, container, exit_code=status.exit_code)


def asked_to_restart_all(container: AnyContainer, status: ContainerStatus | None) -> bool:
    """Tell whether an instance of a container ended with a code that restarts the whole pod."""
    if status is None or status.state is not ContainerState.EXITED:
        return False
    return matching_restart_rule(container, exit_code=status.exit_code) == "RestartAllContainers"


def _resets(pod: Pod, observed: ObservedPod) -> tuple[ContainerReset, ...]:
    """Return every instance of every container: what asked for the restart last, so that nobody forgets it before."""
    resets = [
        (
            asked_to_restart_all(container, status),
            ContainerReset(id=status.id, name=status.name, kill=status.state is not ContainerState.EXITED),
        )
        for container in (*regular_containers(pod), *init_containers(pod))
        for status in observed.containers
        if status.name == container.name
    ]
    return tuple(reset for _, reset in sorted(resets, key=lambda one: one[0]))


def _in_a_new_sandbox(pod: Pod, observed: ObservedPod, *, attempt: int, sandbox_id: SandboxID | None) -> PodActions:
    """Plan for a pod whose sandbox is missing or of no use: start over, unless its work is done."""
    kill_only = PodActions(kill_pod=True, sandbox_id=sandbox_id, attempt=attempt)
    if pod_restart_policy(pod) == "Never" and attempt != 0 and observed.containers:
        return kill_only
    regular = regular_containers(pod)
    to_start = [container.name for container in regular if not _is_done_for_good(pod, container, observed)]
    if not to_start and any(latest(observed, container.name) for container in regular):
        return kill_only
    init = init_containers(pod)
    return PodActions(
        kill_pod=True,
        create_sandbox=True,
        sandbox_id=sandbox_id,
        attempt=attempt,
        init_containers_to_start=(init[0].name,) if init else (),
        containers_to_start=() if init else tuple(to_start),
    )


def _is_done_for_good(pod: Pod, container: AnyContainer, observed: ObservedPod) -> bool:
    """Tell whether a container under OnFailure has succeeded, so that even a new sandbox does not bring it back."""
    status = latest(observed, container.name)
    succeeded = status is not None and status.state is ContainerState.EXITED and status.exit_code == 0
    return succeeded and container_restart_policy(pod, container) == "OnFailure"


@dataclass
class _InitWalk:
    """The walk over the init containers, from the last one back.

    Backwards, because finished init containers get removed: the last one that left a trace tells how far the pod has
    come, and all before it count as done. What is collected to start is therefore in reverse order.
    """

    pod: Pod
    observed: ObservedPod
    probes: ProbeResults | None
    start: list[str] = field(default_factory=list)
    kill: list[ContainerKill] = field(default_factory=list)
    done: bool = False
    """Regular containers may run."""
    failed: bool = False
    """An init container failed for good; the pod has to end."""

    def walk(self) -> None:
        """Look at each init container once."""
        containers = init_containers(self.pod)
        regular = (latest(self.observed, container.name) for container in regular_containers(self.pod))
        # A regular container of this sandbox proves that the pod was initialised, whatever is left of the init
        # containers. An exited one proves nothing: it may belong to an earlier sandbox.
        alive = (ContainerState.CREATED, ContainerState.RUNNING)
        self.done = not containers or any(status is not None and status.state in alive for status in regular)
        passed = self.done
        for index in range(len(containers) - 1, -1, -1):
            container = containers[index]
            status = latest(self.observed, container.name)
            if status is None:
                if passed and is_sidecar(container):
                    self.start.append(container.name)
                continue
            if passed and not is_sidecar(container):
                continue
            following = containers[index + 1].name if index + 1 < len(containers) else None
            self._look_at(container, status, following=following, passed=passed)
            if self.failed:
                return
            passed = True
        if not passed:
            self.start.append(containers[0].name)

    def _look_at(self, container: Container, status: ContainerStatus, *, following: str | None, passed: bool) -> None:
        match status.state:
            case ContainerState.CREATED:  # created and started are one step: the runtime failed in between
                self.start.append(container.name)
            case ContainerState.RUNNING:
                if is_sidecar(container):
                    self._look_at_running_sidecar(container, status, following=following, passed=passed)
            case ContainerState.EXITED if is_sidecar(container):
                self.start.append(container.name)
            case ContainerState.EXITED if status.exit_code == 0:
                self._go_on(following)
            case ContainerState.EXITED:
                self._again_or_fail(container, again=restarts_on_exit(self.pod, container, exit_code=status.exit_code))
            case ContainerState.UNKNOWN:
                self._again_or_fail(container, again=container_restart_policy(self.pod, container) != "Never")
                if not self.failed:
                    self._kill(status, _unknown_state(status, "Init container"), KillReason.UNKNOWN)

    def _look_at_running_sidecar(
        self, container: Container, status: ContainerStatus, *, following: str | None, passed: bool
    ) -> None:
        if container.startupProbe is not None and self.probes is not None:
            if status.id in self.probes.startup_failed:
                message = f"Init container {container.name} failed startup probe"
                self._kill(status, message, KillReason.STARTUP_PROBE)
                self.start.append(container.name)
                return
            if status.id not in self.probes.startup_succeeded:
                return
        if following is None or not passed:
            self._go_on(following)
        if _is_changed(container, status):
            self._kill(status, f"Init container {container.name} definition changed", KillReason.SPEC_CHANGED)
            self.start.append(container.name)
            return
        if self.probes is not None and status.id in self.probes.liveness_failed:
            message = f"Init container {container.name} failed liveness probe"
            self._kill(status, message, KillReason.LIVENESS_PROBE)
            self.start.append(container.name)

    def _go_on(self, following: str | None) -> None:
        """Start the next init container, or let the regular ones begin after the last."""
        if following is None:
            self.done = True
        else:
            self.start.append(following)

    def _again_or_fail(self, container: Container, *, again: bool) -> None:
        if again:
            self.start.append(container.name)
        else:
            self.failed = True

    def _kill(self, status: ContainerStatus, message: str, reason: KillReason) -> None:
        self.kill.append(ContainerKill(id=status.id, name=status.name, message=message, reason=reason))


def _with_regular_containers(
    plan: PodActions, pod: Pod, observed: ObservedPod, probes: ProbeResults | None
) -> PodActions:
    """Add what the regular containers need; a pod in which nothing is kept and nothing starts is killed."""
    kept = 0
    start: list[str] = []
    kill: list[ContainerKill] = []
    for container in regular_containers(pod):
        status = latest(observed, container.name)
        if status is None or status.state is not ContainerState.RUNNING:
            if should_start(pod, container, status):
                start.append(container.name)
                if status is not None and status.state is ContainerState.UNKNOWN:
                    message = _unknown_state(status, "Container")
                    kill.append(_kill_of(status, message, KillReason.UNKNOWN))
            continue
        trouble = _trouble_of(container, status, probes)
        if trouble is None:
            kept += 1
            continue
        message, reason = trouble
        if reason is KillReason.SPEC_CHANGED or container_restart_policy(pod, container) != "Never":
            message += ", will be restarted"
            start.append(container.name)
        kill.append(_kill_of(status, message, reason))
    ends = kept == 0 and not start
    return PodActions(
        kill_pod=ends,
        sandbox_id=plan.sandbox_id,
        attempt=plan.attempt,
        containers_to_kill=plan.containers_to_kill + tuple(kill),
        # Neither a sidecar nor somebody's debugging may keep a pod alive whose work is done.
        ephemeral_containers_to_start=() if ends else plan.ephemeral_containers_to_start,
        init_containers_to_start=() if ends else plan.init_containers_to_start,
        containers_to_start=tuple(start),
    )


def _trouble_of(
    container: AnyContainer, status: ContainerStatus, probes: ProbeResults | None
) -> tuple[str, KillReason] | None:
    """Say why a running container cannot stay; None when it can."""
    if _is_changed(container, status):
        return f"Container {container.name} definition changed", KillReason.SPEC_CHANGED
    if probes is not None and status.id in probes.liveness_failed:
        return f"Container {container.name} failed liveness probe", KillReason.LIVENESS_PROBE
    if probes is not None and status.id in probes.startup_failed:
        return f"Container {container.name} failed startup probe", KillReason.STARTUP_PROBE
    return None


def _is_changed(container: AnyContainer, status: ContainerStatus) -> bool:
    """Tell whether a container runs what its spec said before: another image, or another name of it."""
    # A container without the annotation was not made by a kubelet of this kind: nothing to compare with.
    recorded = status.annotations.get(CONTAINER_HASH_ANNOTATION)
    return recorded is not None and recorded != container_hash(container)


def _kill_of(status: ContainerStatus, message: str, reason: KillReason) -> ContainerKill:
    return ContainerKill(id=status.id, name=status.name, message=message, reason=reason)


def _unknown_state(status: ContainerStatus, what: str) -> str:
    return f'{what} is in "{status.state.name.lower()}" state, try killing it before restart'
