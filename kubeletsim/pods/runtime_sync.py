"""The runtime's part of a sync: carries out `PodActions`, one CRI call after another, in upstream's order.

    kills · resets · sandbox (RunPodSandbox, PodSandboxStatus) · ephemeral, init and regular containers

What fails is collected, not raised: a regular container that does not start does not keep the next from starting.
Upstream: SyncPod in pkg/kubelet/kuberuntime/kuberuntime_manager.go.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Counter

from kubeletsim.model.errors import ActionFailure, CRIError, NotFound, SyncError, go_quote
from kubeletsim.model.events import Event, EventRecorder, ObjectReference
from kubeletsim.model.pod import (
    AnyContainer,
    describe,
    ephemeral_containers,
    init_containers,
    is_sidecar,
    pod_uid,
    regular_containers,
    spec,
    uses_host_network,
)
from kubeletsim.model.requests import SandboxConfig
from kubeletsim.model.runtime import (
    ContainerID,
    ContainerState,
    ObservedPod,
    PodUID,
    SandboxID,
    SandboxStatus,
)
from kubeletsim.pods.actions import (
    ContainerKill,
    ContainerReset,
    KillReason,
    PodActions,
    ProbeResults,
    compute_pod_actions,
)
from kubeletsim.pods.containers import ContainerStarter
from kubeletsim.pods.failures import StartFailure, SyncFailure
from kubeletsim.pods.pod_events import pod_event
from kubeletsim.pods.requests import NodeFacts, RequestError, dns_warnings, sandbox_config
from kubeletsim.pods.stopping import PodStopper, RunningPod
from kubeletsim.pods.user_namespaces import UserNamespaces

log = logging.getLogger(__name__)

RemoveContainer = Callable[[ContainerID], Awaitable[None]]
"""Removes a dead container and its logs: ContainerStatus, ContainerStatus, RemoveContainer.

Raises CRIError and OSError; a container that is gone is no error."""


class SandboxService(Protocol):
    """What this module needs of the runtime."""

    async def run_pod_sandbox(self, config: SandboxConfig, *, runtime_handler: str = "") -> SandboxID:
        """Create and start a sandbox."""

    async def remove_container(self, container_id: ContainerID) -> None:
        """Remove a container."""

    async def pod_sandbox_status(self, sandbox_id: SandboxID, *, verbose: bool = False) -> SandboxStatus:
        """Return all that is known of a sandbox."""


@dataclass
class SyncResult:
    """What a sync did."""

    acted: bool = False
    """Something was started or stopped, or at least tried."""
    started: list[str] = field(default_factory=list)
    """Containers that were started, by name."""
    reset: bool = False
    """Every container was removed; the pod can begin from scratch."""
    failures: list[ActionFailure] = field(default_factory=list)

    def error(self) -> SyncError | None:
        """Return the failures as one error; None when there were none."""
        return SyncError(self.failures) if self.failures else None


class RuntimeSync:
    """Makes the runtime run what a pod's spec says.

    Args:
        cri: the runtime.
        starter: starts containers.
        stopper: stops them.
        remove_container: removes dead ones.
        user_namespaces: gives pods their ranges of user ids.
        node: the facts of this node that go into a sandbox's configuration.
        probes: results of the node's probes for a pod; None on a node that does not probe.
        record: takes SandboxChanged, FailedCreatePodSandBox, FailedPodSandBoxStatus and warnings about DNS.
        registry: gets kubelet_started_pods_total, kubelet_started_pods_errors_total and the same of those with users of
            their own.
    """

    def __init__(
        self,
        cri: SandboxService,
        *,
        starter: ContainerStarter,
        stopper: PodStopper,
        remove_container: RemoveContainer,
        user_namespaces: UserNamespaces,
        node: NodeFacts,
        record: EventRecorder,
        registry: CollectorRegistry,
        probes: Callable[[PodUID], ProbeResults] | None = None,
    ) -> None:
        self._cri = cri
        self._starter = starter
        self._stopper = stopper
        self._remove_container = remove_container
        self._user_namespaces = user_namespaces
        self._node = node
        self._record = record
        self._probes = probes
        self._started = Counter("kubelet_started_pods_total", "Cumulative number of pods started", registry=registry)
        self._failed = Counter(
            "kubelet_started_pods_errors_total",
            "Cumulative number of errors when starting pods",
            registry=registry,
        )
        self._userns_started = Counter(
            "kubelet_started_user_namespaced_pods_total",
            "Cumulative number of pods with user namespaces started. This metric will only be collected on Linux.",
            registry=registry,
        )
        self._userns_failed = Counter(
            "kubelet_started_user_namespaced_pods_errors_total",
            "Cumulative number of errors when starting pods with user namespaces. "
            "This metric will only be collected on Linux.",
            registry=registry,
        )

    async def sync(
        self,
        pod: Pod,
        observed: ObservedPod,
        *,
        going_down: Callable[[], bool],
        sandbox_ready: Callable[[Pod], None],
        restart_all: bool = False,
    ) -> SyncResult:
        """Do what has to be done about a pod.

        Args:
            pod: the spec to bring about.
            observed: the runtime's state of it.
            going_down: whether the pod is to end by now; a sandbox that fails then is no failure.
            sandbox_ready: told when a new sandbox runs, before images are pulled.
            restart_all: whether all its containers have to go, so that it can begin from scratch.
        """
        probes = self._probes(pod_uid(pod)) if self._probes else None
        actions = compute_pod_actions(pod, observed, probes=probes, restart_all=restart_all)
        result = SyncResult(acted=not actions.is_noop)
        if actions.create_sandbox and actions.sandbox_id is not None:
            self._record(pod_event(pod, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."))
        await self._kill(pod, observed, actions, result)
        if result.failures:
            return result
        await self._prune_init_containers(pod, observed, keep=1)
        sandbox_id, pod_ips = actions.sandbox_id, observed.ips
        if actions.create_sandbox:
            made = await self._create_sandbox(pod, actions.attempt, result, going_down=going_down)
            if made is None:
                self._note_user_namespace(pod, actions, result)
                return result
            sandbox_id, pod_ips = made
            sandbox_ready(pod)
        if sandbox_id is not None:
            await self._start_containers(
                pod, actions, result, observed=observed, sandbox_id=sandbox_id, pod_ips=pod_ips
            )
        self._note_user_namespace(pod, actions, result)
        return result

    def _note_user_namespace(self, pod: Pod, actions: PodActions, result: SyncResult) -> None:
        """Count a new sandbox with users of its own, and whether anything of its sync has failed."""
        if actions.create_sandbox and spec(pod).hostUsers is False:
            self._userns_started.inc()
            self._userns_failed.inc(1 if result.failures else 0)

    async def _kill(self, pod: Pod, observed: ObservedPod, actions: PodActions, result: SyncResult) -> None:
        if actions.kill_pod:
            result.failures += await self._stopper.stop_pod(pod, RunningPod.observed(observed))
            if actions.create_sandbox and not result.failures:
                await self._prune_init_containers(pod, observed, keep=0)
            return
        for kill in actions.containers_to_kill:
            failure = await self._stopper.stop_container(pod, kill)
            if failure is not None:
                result.failures.append(failure)
                return
        for reset in actions.containers_to_reset:
            failure = await self._reset(pod, reset)
            if failure is not None:
                result.failures.append(failure)
                return
        result.reset = bool(actions.containers_to_reset)

    async def _reset(self, pod: Pod, reset: ContainerReset) -> ActionFailure | None:
        """Remove a container whose pod begins from scratch, killed without delay if need be; its logs stay."""
        if reset.kill:
            kill = ContainerKill(id=reset.id, name=reset.name, message="killing", reason=KillReason.RESTART_ALL)
            failure = await self._stopper.stop_container(pod, kill, grace_seconds=0)
            if failure is not None:
                return failure
        try:
            await self._cri.remove_container(reset.id)
        except NotFound:
            return None
        except CRIError as error:
            return ActionFailure("RemoveContainer", reset.name, "RemoveContainerError", str(error))
        return None

    async def _prune_init_containers(self, pod: Pod, observed: ObservedPod, *, keep: int) -> None:
        """Remove dead init containers but for the newest of each name, all with a new sandbox; a failure is logged."""
        for init in init_containers(pod):
            dead = [
                status
                for status in observed.containers
                if status.name == init.name
                and (keep == 0 or status.state in (ContainerState.EXITED, ContainerState.UNKNOWN))
            ]
            for status in dead[keep:]:
                try:
                    await self._remove_container(status.id)
                except (CRIError, OSError) as error:
                    log.warning("Failed to remove init container %s of %s: %s", status.name, describe(pod), error)

    async def _create_sandbox(
        self, pod: Pod, attempt: int, result: SyncResult, *, going_down: Callable[[], bool]
    ) -> tuple[SandboxID, tuple[str, ...]] | None:
        """Run a new sandbox; return its id and addresses, or note why there is none."""
        self._started.inc()
        try:
            config = self._sandbox_config(pod, attempt=attempt)
            sandbox_id = await self._cri.run_pod_sandbox(config)
        except RequestError as error:
            self._note_sandbox_failure(pod, "Failed to generate sandbox config for pod", error, result)
            return None
        except CRIError as error:
            if going_down():
                log.debug("Pod %s is to end, and its sandbox failed: %s", describe(pod), error)
            else:
                self._note_sandbox_failure(pod, "Failed to create sandbox for pod", error, result)
            return None
        try:
            status = await self._cri.pod_sandbox_status(sandbox_id)
        except CRIError as error:
            self._record(
                pod_event(pod, "FailedPodSandBoxStatus", f"Unable to get pod sandbox status: {error}", warning=True)
            )
            result.failures.append(SyncFailure(str(error)))
            return None
        return sandbox_id, () if uses_host_network(pod) else status.ips

    def _sandbox_config(self, pod: Pod, *, attempt: int) -> SandboxConfig:
        """Return the pod's sandbox configuration; what is wrong with its resolver settings is told each time."""
        userns = self._user_namespaces.of(pod)
        config = sandbox_config(pod, attempt=attempt, node=self._node, userns=userns)
        for warning in dns_warnings(pod, node=self._node):
            if warning.about_node:
                about = ObjectReference(kind="Node", name=self._node.name)
                event = Event(regarding=about, type="Warning", reason=warning.reason, message=warning.message)
            else:
                event = pod_event(pod, warning.reason, warning.message, warning=True)
            self._record(event)
        return config

    def _note_sandbox_failure(self, pod: Pod, what: str, error: Exception, result: SyncResult) -> None:
        self._failed.inc()
        text = f"Failed to create pod sandbox: {error}"
        self._record(pod_event(pod, "FailedCreatePodSandBox", text, warning=True))
        message = f"{what} {go_quote(describe(pod))}: {error}"
        result.failures.append(ActionFailure("CreatePodSandbox", describe(pod), "CreatePodSandboxError", message))

    async def _start_containers(
        self,
        pod: Pod,
        actions: PodActions,
        result: SyncResult,
        *,
        observed: ObservedPod,
        sandbox_id: SandboxID,
        pod_ips: Sequence[str],
    ) -> None:
        try:
            config = self._sandbox_config(pod, attempt=actions.attempt)
        except RequestError as error:
            message = f"GeneratePodSandboxConfig for pod {go_quote(describe(pod))} failed: {error}"
            result.failures.append(SyncFailure(message))
            return

        image_volumes = await self._starter.image_volumes(pod, sandbox_config=config)

        async def start(container: AnyContainer) -> bool:
            try:
                await self._starter.start(
                    pod,
                    container,
                    observed=observed,
                    sandbox_id=sandbox_id,
                    sandbox_config=config,
                    pod_ips=pod_ips,
                    image_volumes=image_volumes,
                )
            except StartFailure as failure:
                result.failures.append(failure.of(container))
                return False
            result.started.append(container.name)
            return True

        for container in _named(ephemeral_containers(pod), actions.ephemeral_containers_to_start):
            await start(container)
        for container in _named(init_containers(pod), actions.init_containers_to_start):
            if not await start(container) and not is_sidecar(container):
                return
        for container in _named(regular_containers(pod), actions.containers_to_start):
            await start(container)


def _named(containers: Sequence[AnyContainer], names: Sequence[str]) -> list[AnyContainer]:
    return [container for container in containers if container.name in names]
