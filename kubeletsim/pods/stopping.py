"""The stop of containers and pods: preStop hooks and StopContainer for all containers at once, then StopPodSandbox.

Sidecars wait for the regular containers, the last sidecar first, and the time they wait counts against their grace
period. A container or sandbox that is gone has been stopped. A failure is noted and the rest is stopped nevertheless.
A hook may take the whole grace period; one that takes longer goes on beside the stop, which ends its container.

Upstream: killContainer and killContainersWithSyncResult in pkg/kubelet/kuberuntime/kuberuntime_container.go.
"""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from lightkube.models.core_v1 import Container, Pod, PodSpec
from lightkube.models.meta_v1 import ObjectMeta

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import ActionFailure, CRIError, NotFound
from kubeletsim.model.events import EventRecorder
from kubeletsim.model.pod import (
    MINIMUM_GRACE_SECONDS,
    AnyContainer,
    find_container,
    init_containers,
    is_sidecar,
    metadata,
    pod_uid,
    regular_containers,
    termination_grace_seconds,
)
from kubeletsim.model.runtime import ContainerID, ContainerState, ObservedPod, RuntimePod, SandboxID
from kubeletsim.pods.actions import ContainerKill, KillReason
from kubeletsim.pods.pod_events import pod_event

HOOK_END_SECONDS = 1.0
"""How long after its container's end a hook that is still under way gets to end as well."""


class StoppingService(Protocol):
    """What this module needs of the runtime."""

    async def stop_container(self, container_id: ContainerID, *, timeout_seconds: int) -> None:
        """Stop a container: SIGTERM, and SIGKILL after the timeout."""

    async def stop_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        """Stop a sandbox and whatever runs in it."""


class PreStopHooks(Protocol):
    """What this module needs of `pods/hooks.py`."""

    async def pre_stop(self, pod: Pod, container: AnyContainer, container_id: ContainerID) -> None:
        """Run a container's preStop hook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningPod:
    """What of a pod has to be stopped."""

    containers: tuple[tuple[str, ContainerID], ...] = ()
    """Name and id of each container that runs."""
    sandboxes: tuple[SandboxID, ...] = ()
    """Every sandbox that is known, dead ones too."""

    @classmethod
    def observed(cls, pod: ObservedPod) -> "RunningPod":
        """Return what an observation shows (ConvertPodStatusToRunningPod upstream)."""
        running = tuple((one.name, one.id) for one in pod.containers if one.state is ContainerState.RUNNING)
        return cls(containers=running, sandboxes=tuple(sandbox.id for sandbox in pod.sandboxes))

    @classmethod
    def listed(cls, pod: RuntimePod) -> "RunningPod":
        """Return what the runtime's lists show."""
        running = tuple((one.name, one.id) for one in pod.containers if one.state is ContainerState.RUNNING)
        return cls(containers=running, sandboxes=tuple(sandbox.id for sandbox in pod.sandboxes))


class PodStopper:
    """Stops containers and pods.

    Args:
        cri: where they are.
        hooks: run before a container is stopped.
        clock: its monotonic time tells how long a hook or a sidecar's turn has taken.
        record: takes Killing.
    """

    def __init__(self, cri: StoppingService, *, hooks: PreStopHooks, clock: Clock, record: EventRecorder) -> None:
        self._cri = cri
        self._hooks = hooks
        self._clock = clock
        self._record = record

    async def stop_pod(self, pod: Pod, running: RunningPod, *, grace_seconds: int | None = None) -> list[ActionFailure]:
        """Stop everything of a pod and return what failed.

        Args:
            pod: whose spec gives grace periods and the order of sidecars.
            running: what is there to stop.
            grace_seconds: outranks every other grace period; None for the pod's own.
        """
        failures: list[ActionFailure] = []
        order = _Order.of(pod, running=[name for name, _ in running.containers])

        async def stop(name: str, container_id: ContainerID) -> None:
            kill = ContainerKill(id=container_id, name=name, message="", reason=KillReason.UNKNOWN)
            failure = await self._stop(pod, kill, grace_seconds=grace_seconds, order=order)
            failures.extend([failure] if failure is not None else [])

        async with asyncio.TaskGroup() as tasks:  # in the caller's context: these calls belong to its span
            for name, container_id in running.containers:
                tasks.create_task(stop(name, container_id), name=f"stop/{name}")
        for sandbox_id in running.sandboxes:
            try:
                await self._cri.stop_pod_sandbox(sandbox_id)
            except NotFound:
                continue
            except CRIError as error:
                failures.append(ActionFailure("KillPodSandbox", pod_uid(pod), "KillPodSandboxError", str(error)))
        return failures

    async def stop_container(
        self, pod: Pod, kill: ContainerKill, *, grace_seconds: int | None = None
    ) -> ActionFailure | None:
        """Stop one container of a pod that lives on; return what failed. With no grace at all it gets no hook, either.

        `grace_seconds` outranks every other grace period; None for the container's own.
        """
        return await self._stop(pod, kill, grace_seconds=grace_seconds, order=None)

    async def _stop(
        self, pod: Pod, kill: ContainerKill, *, grace_seconds: int | None, order: "_Order | None"
    ) -> ActionFailure | None:
        container = find_container(pod, kill.name)
        seconds = grace_seconds if grace_seconds is not None else _grace_seconds(pod, container, kill.reason)
        message = kill.message or f"Stopping container {kill.name}"
        self._record(pod_event(pod, "Killing", message, container=kill.name))
        try:
            async with asyncio.TaskGroup() as tasks:
                hook = None
                if seconds > 0 and container is not None and _has_pre_stop(container):
                    running = self._hooks.pre_stop(pod, container, kill.id)
                    hook = tasks.create_task(running, name=f"pre-stop/{kill.name}")
                    started = self._clock.monotonic()
                    await asyncio.wait({hook}, timeout=seconds)
                    seconds -= int(self._clock.monotonic() - started)
                if order is not None and seconds > 0:
                    started = self._clock.monotonic()
                    await order.wait_for_turn(kill.name, at_most_seconds=seconds)
                    seconds -= int(self._clock.monotonic() - started)
                failure = await self._stop_in_runtime(kill, timeout_seconds=max(seconds, MINIMUM_GRACE_SECONDS))
                if hook is not None:
                    await asyncio.wait({hook}, timeout=HOOK_END_SECONDS)
                    hook.cancel()
            return failure
        finally:
            if order is not None:
                order.stopped(kill.name)

    async def _stop_in_runtime(self, kill: ContainerKill, *, timeout_seconds: int) -> ActionFailure | None:
        try:
            await self._cri.stop_container(kill.id, timeout_seconds=timeout_seconds)
        except NotFound:
            return None
        except CRIError as error:
            return ActionFailure("KillContainer", kill.name, "KillContainerError", str(error))
        return None


@dataclass
class _Order:
    """Whose turn it is: each container of a pod with sidecars, and those that must have stopped before it."""

    before: Mapping[str, Collection[str]]
    done: dict[str, asyncio.Event] = field(default_factory=dict)

    @classmethod
    def of(cls, pod: Pod, *, running: Iterable[str]) -> "_Order":
        """Return the order among the containers that run."""
        live = set(running)
        sidecars = [container.name for container in init_containers(pod) if is_sidecar(container)]
        regular = {container.name for container in regular_containers(pod)}
        before = {
            name: live & (regular | set(sidecars[index + 1 :])) for index, name in enumerate(sidecars) if name in live
        }
        return cls(before, {name: asyncio.Event() for name in live})

    async def wait_for_turn(self, name: str, *, at_most_seconds: float) -> None:
        """Wait until all that come first have stopped, or the time is up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(at_most_seconds):
                for other in self.before.get(name, ()):
                    await self.done[other].wait()

    def stopped(self, name: str) -> None:
        """Note that a container needs no more waiting for, however its stop went."""
        if name in self.done:
            self.done[name].set()


def pod_of_runtime(pod: RuntimePod) -> Pod:
    """Return as much of a pod as the runtime's lists tell, for pods that no source knows (Pod.ToAPIPod upstream)."""
    return Pod(
        metadata=ObjectMeta(name=pod.name, namespace=pod.namespace, uid=pod.uid),
        spec=PodSpec(containers=[Container(name=one.name, image=one.image) for one in pod.containers]),
    )


def _has_pre_stop(container: AnyContainer) -> bool:
    return container.lifecycle is not None and container.lifecycle.preStop is not None


def _grace_seconds(pod: Pod, container: AnyContainer | None, reason: KillReason) -> int:
    """Return the grace period of one container: the deletion's, else the failed probe's own, else the pod's."""
    probes = (
        {}
        if container is None
        else {
            KillReason.LIVENESS_PROBE: container.livenessProbe,
            KillReason.STARTUP_PROBE: container.startupProbe,
        }
    )
    probe = probes.get(reason)
    own = probe.terminationGracePeriodSeconds if probe is not None else None
    if own is not None and metadata(pod).deletionGracePeriodSeconds is None:
        return own
    return termination_grace_seconds(pod)
