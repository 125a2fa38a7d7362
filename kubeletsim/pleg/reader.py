"""The reader of pods: makes pods out of the runtime's lists of sandboxes and containers, and reads their full state.

All calls go out in the caller's context: the PLEG's are roots, those at the end of syncTerminatingPod are its children.

Upstream: GetPods and GetPodStatus in pkg/kubelet/kuberuntime/kuberuntime_manager.go.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import NotFound
from kubeletsim.model.labels import POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL
from kubeletsim.model.runtime import (
    Container,
    ContainerID,
    ContainerState,
    ContainerStatus,
    ObservedPod,
    PodUID,
    RuntimePod,
    Sandbox,
    SandboxID,
    SandboxState,
    SandboxStatus,
    newest_first,
)
from kubeletsim.pleg.termination_messages import with_termination_message


class ListingRuntime(Protocol):
    """What this module needs of the runtime."""

    async def list_pod_sandbox(
        self,
        *,
        sandbox_id: SandboxID | None = None,
        state: SandboxState | None = None,
        labels: Mapping[str, str] = ...,
    ) -> list[Sandbox]:
        """List sandboxes."""

    async def list_containers(
        self,
        *,
        container_id: ContainerID | None = None,
        state: ContainerState | None = None,
        sandbox_id: SandboxID | None = None,
        labels: Mapping[str, str] = ...,
    ) -> list[Container]:
        """List containers."""

    async def pod_sandbox_status(self, sandbox_id: SandboxID, *, verbose: bool = False) -> SandboxStatus:
        """Return all that is known of a sandbox."""

    async def container_status(self, container_id: ContainerID, *, verbose: bool = False) -> ContainerStatus:
        """Return all that is known of a container."""


class RuntimeReader:
    """Reads pods from the runtime.

    Args:
        cri: where from.
        clock: stamps the observations with its monotonic time.
    """

    def __init__(self, cri: ListingRuntime, *, clock: Clock) -> None:
        self._cri = cri
        self._clock = clock

    async def list_pods(self, *, uid: PodUID | None = None, running_only: bool = False) -> dict[PodUID, RuntimePod]:
        """Return the runtime's pods by UID: ListPodSandbox, then ListContainers.

        Args:
            uid: only that pod.
            running_only: only ready sandboxes and running containers.

        Raises:
            CRIError: one of the two failed.
        """
        labels = {POD_UID_LABEL: uid} if uid is not None else {}
        sandboxes = await self._cri.list_pod_sandbox(state=SandboxState.READY if running_only else None, labels=labels)
        containers = await self._cri.list_containers(
            state=ContainerState.RUNNING if running_only else None, labels=labels
        )
        return group_pods(sandboxes, containers)

    async def observe(self, uid: PodUID) -> ObservedPod:
        """Return a pod's full state as of now: two lists, then a status call for each sandbox and each container.

        Raises:
            CRIError: a call failed other than by something having gone away in between.
        """
        pods = await self.list_pods(uid=uid)
        return await self.read_status(pods.get(uid, RuntimePod(uid=uid, name="", namespace="")))

    async def read_status(self, pod: RuntimePod) -> ObservedPod:
        """Return the full state of a pod that was listed just now; what has gone away since is left out.

        Raises:
            CRIError: a status call failed otherwise.
        """
        observed_at = self._clock.monotonic()
        sandboxes = []
        for sandbox in pod.sandboxes:
            try:
                sandboxes.append(await self._cri.pod_sandbox_status(sandbox.id))
            except NotFound:
                continue
        containers = []
        for container in pod.containers:
            try:
                containers.append(await self._cri.container_status(container.id))
            except NotFound:
                continue
        newest = sandboxes[0] if sandboxes else None
        return ObservedPod(
            uid=pod.uid,
            name=pod.name,
            namespace=pod.namespace,
            sandboxes=tuple(sandboxes),
            containers=newest_first(map(with_termination_message, containers)),
            ips=newest.ips if newest is not None and newest.state is SandboxState.READY else (),
            observed_at=observed_at,
        )


def group_pods(sandboxes: Iterable[Sandbox], containers: Iterable[Container]) -> dict[PodUID, RuntimePod]:
    """Return what belongs together by pod UID, newest first; containers without a kubelet's labels are left out."""
    names: dict[PodUID, tuple[str, str]] = {}
    own_sandboxes: dict[PodUID, list[Sandbox]] = {}
    own_containers: dict[PodUID, list[Container]] = {}
    for sandbox in sandboxes:
        names.setdefault(sandbox.uid, (sandbox.name, sandbox.namespace))
        own_sandboxes.setdefault(sandbox.uid, []).append(sandbox)
    for container in containers:
        uid = PodUID(container.labels.get(POD_UID_LABEL, ""))
        if uid:
            labels = container.labels
            names.setdefault(uid, (labels.get(POD_NAME_LABEL, ""), labels.get(POD_NAMESPACE_LABEL, "")))
            own_containers.setdefault(uid, []).append(container)
    return {
        uid: RuntimePod(
            uid=uid,
            name=name,
            namespace=namespace,
            sandboxes=newest_first(own_sandboxes.get(uid, ())),
            containers=newest_first(own_containers.get(uid, ())),
        )
        for uid, (name, namespace) in names.items()
    }
