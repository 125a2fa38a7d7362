"""What runs, as the runtime says: the two lists that nearly every request about a container begins with.

Upstream: GetPods in pkg/kubelet/kuberuntime/kuberuntime_manager.go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from kubeletsim.model.runtime import Container, ContainerState, PodUID, Sandbox, SandboxState
from kubeletsim.server.targets import Target, find_running, running_uid

ANY_LABELS: Mapping[str, str] = MappingProxyType({})


class RunningRuntime(Protocol):
    """What this module takes of the runtime."""

    async def list_pod_sandbox(
        self, *, state: SandboxState | None = None, labels: Mapping[str, str] = ANY_LABELS
    ) -> list[Sandbox]:
        """List the sandboxes that match every argument given."""

    async def list_containers(self, *, state: ContainerState | None = None) -> list[Container]:
        """List containers in a state."""


@dataclass(frozen=True, slots=True)
class Running:
    """Sandboxes that are ready and containers that run."""

    sandboxes: list[Sandbox]
    containers: list[Container]

    @classmethod
    async def of(cls, runtime: RunningRuntime) -> "Running":
        """Ask the runtime.

        Raises:
            CRIError: it does not say.
        """
        sandboxes = await runtime.list_pod_sandbox(state=SandboxState.READY)
        return cls(sandboxes, await runtime.list_containers(state=ContainerState.RUNNING))

    def container(self, target: Target) -> Container | None:
        """Return the running container that a request is about."""
        return find_running(target, self.sandboxes, self.containers)

    def uid(self, target: Target) -> PodUID | None:
        """Return the UID of the pod that a request is about; None when nothing of it runs."""
        return running_uid(target, self.sandboxes, self.containers)
