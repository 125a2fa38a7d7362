"""The container sweeper: removes dead containers, then dead sandboxes, then the logs of pods that are gone.

One turn is one `Containers/GarbageCollect` span: at start, and one minute after the last turn's end. A removal that
fails is logged and tried again in the next turn; only what keeps a whole step from working makes the turn fail, with a
ContainerGCFailed event.

Upstream: pkg/kubelet/kuberuntime/kuberuntime_gc.go, StartGarbageCollection in pkg/kubelet/kubelet.go.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Protocol

from opentelemetry.context import Context
from opentelemetry.trace import Tracer

from kubeletsim.base.timing import Clock, every
from kubeletsim.model.errors import CRIError, NotFound
from kubeletsim.model.events import Event, EventRecorder, ObjectReference
from kubeletsim.model.labels import TERMINATION_GRACE_ANNOTATION
from kubeletsim.model.pod import MINIMUM_GRACE_SECONDS
from kubeletsim.model.runtime import (
    Container,
    ContainerID,
    ContainerState,
    ContainerStatus,
    Sandbox,
    SandboxID,
)
from kubeletsim.upkeep.container_logs import ContainerLogs
from kubeletsim.upkeep.container_removal import ContainerRemover
from kubeletsim.upkeep.gc import (
    ContainerGCPolicy,
    ContentShouldGo,
    plan_container_gc,
    plan_log_dir_gc,
    plan_sandbox_gc,
)

log = logging.getLogger(__name__)

SCOPE = "k8s.io/kubernetes/pkg/kubelet/kuberuntime"
PERIOD_SECONDS = 60.0


class ContainerRuntime(Protocol):
    """What this module needs of the runtime."""

    async def list_containers(self) -> list[Container]:
        """List containers."""

    async def list_pod_sandbox(self) -> list[Sandbox]:
        """List sandboxes."""

    async def container_status(self, container_id: ContainerID) -> ContainerStatus:
        """Return all that is known of a container."""

    async def stop_container(self, container_id: ContainerID, *, timeout_seconds: int) -> None:
        """Stop a container."""

    async def stop_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        """Stop a sandbox."""

    async def remove_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        """Remove a sandbox."""


class ContainerSweeper:
    """Keeps dead containers, sandboxes and logs within their limits.

    Args:
        cri: where the containers are.
        remover: removes one of them.
        logs: where their log files are.
        policy: how many dead containers may stay.
        content_should_go: the pod workers' word on pods of which nothing may stay.
        has_stopped: their word on pods of which nothing runs, of which a short disk may cost the remains.
        sources_ready: whether every pod source has reported once.
        tracer: of scope SCOPE.
        record: takes ContainerGCFailed.
        node: what that event is about.
    """

    def __init__(
        self,
        cri: ContainerRuntime,
        *,
        remover: ContainerRemover,
        logs: ContainerLogs,
        policy: ContainerGCPolicy,
        content_should_go: ContentShouldGo,
        has_stopped: ContentShouldGo | None = None,
        sources_ready: Callable[[], bool],
        tracer: Tracer,
        record: EventRecorder,
        node: ObjectReference,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._cri = cri
        self._remover = remover
        self._logs = logs
        self._policy = policy
        self._content_should_go = content_should_go
        self._has_stopped = has_stopped or content_should_go
        self._sources_ready = sources_ready
        self._tracer = tracer
        self._record = record
        self._node = node
        self._clock = clock
        self._rng = rng

    async def run(self) -> None:
        """Sweep now and then each minute; never returns."""
        await every(PERIOD_SECONDS, self.sweep, name="container garbage collection", rng=self._rng)

    async def sweep(self) -> None:
        """Take one turn in a trace of its own. What fails becomes a log line and an event, never an exception."""
        sources_ready = self._sources_ready()
        failures: list[str] = []
        with self._tracer.start_as_current_span("Containers/GarbageCollect", context=Context()):
            for step in (self._sweep_containers, self._sweep_sandboxes, self._sweep_logs):
                try:
                    await step(sources_ready)
                except (CRIError, OSError) as error:
                    failures.append(str(error))
        if failures:
            message = failures[0] if len(failures) == 1 else f"[{', '.join(failures)}]"
            log.error("Container garbage collection failed: %s", message)
            self._record(Event(regarding=self._node, type="Warning", reason="ContainerGCFailed", message=message))

    async def delete_unused(self) -> None:
        """Remove all containers of pods that have ended, for a disk that runs short; what fails becomes a log line."""
        sources_ready = self._sources_ready()
        try:
            await self._sweep_containers(sources_ready, content_should_go=self._has_stopped)
            await self._sweep_sandboxes(sources_ready)
        except CRIError as error:
            log.warning("Failed to delete unused containers: %s", error)

    async def _sweep_containers(self, sources_ready: bool, *, content_should_go: ContentShouldGo | None = None) -> None:
        plan = plan_container_gc(
            await self._cri.list_containers(),
            policy=self._policy,
            content_should_go=content_should_go or self._content_should_go,
            sources_ready=sources_ready,
            now=self._clock.now(),
        )
        for container in plan:
            try:
                if container.state is ContainerState.UNKNOWN:
                    await self._stop(container)
                await self._remover.remove(container.id)
            except (CRIError, OSError) as error:
                log.warning("Failed to remove container %s (%s): %s", container.id, container.name, error)

    async def _stop(self, container: Container) -> None:
        """Stop a container in a state that the runtime itself does not know: it may be alive."""
        status = await self._cri.container_status(container.id)
        grace = status.annotations.get(TERMINATION_GRACE_ANNOTATION, "")
        seconds = int(grace) if grace.isdecimal() else 0
        await self._cri.stop_container(container.id, timeout_seconds=max(seconds, MINIMUM_GRACE_SECONDS))

    async def _sweep_sandboxes(self, _sources_ready: bool) -> None:
        containers = await self._cri.list_containers()
        plan = plan_sandbox_gc(
            await self._cri.list_pod_sandbox(), containers, content_should_go=self._content_should_go
        )
        for sandbox in plan:
            try:
                # Stopped once more although it is dead: the first stop may have left the network behind.
                await self._cri.stop_pod_sandbox(sandbox.id)
                await self._cri.remove_pod_sandbox(sandbox.id)
            except NotFound:
                log.debug("Sandbox %s is gone already", sandbox.id)
            except CRIError as error:
                log.warning("Failed to remove sandbox %s of %s: %s", sandbox.id, sandbox.name, error)

    async def _sweep_logs(self, sources_ready: bool) -> None:
        if sources_ready:
            doomed = plan_log_dir_gc(self._logs.pod_directories(), content_should_go=self._content_should_go)
            for name in doomed:
                try:
                    await asyncio.to_thread(self._logs.delete_pod_directory, name)
                except OSError as error:
                    log.warning("Failed to remove pod log directory %s: %s", name, error)
        for link, container_id in self._logs.dangling_links():
            if container_id is None or await self._is_dead(container_id):
                link.unlink(missing_ok=True)

    async def _is_dead(self, container_id: ContainerID) -> bool:
        """Tell whether a link to a missing log may go: a live container's log is missing for a moment in rotation."""
        try:
            status = await self._cri.container_status(container_id)
        except CRIError as error:
            log.debug("No status of container %s: %s", container_id, error)
            return True
        return status.state is ContainerState.EXITED
