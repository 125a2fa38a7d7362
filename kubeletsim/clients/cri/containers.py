"""This module is the RPCs about containers."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

from kubeletsim.clients.cri.calls import Calls
from kubeletsim.clients.cri.required import required_container_status, required_text
from kubeletsim.clients.cri.sandboxes import ANY_LABELS
from kubeletsim.clients.cri_convert import answers, requests
from kubeletsim.model.requests import ContainerConfig, LinuxResources, SandboxConfig
from kubeletsim.model.runtime import (
    Container,
    ContainerEvent,
    ContainerID,
    ContainerState,
    ContainerStatus,
    ExecResult,
    SandboxID,
)
from kubeletsim.pb import cri_pb2 as pb


class ContainerCalls:
    """The life of containers, and the doors into them."""

    _calls: Calls

    async def create_container(
        self, sandbox_id: SandboxID, config: ContainerConfig, sandbox_config: SandboxConfig
    ) -> ContainerID:
        """Create a container in a sandbox; `sandbox_config` is what the sandbox was run with."""
        return await self._calls.one(
            "CreateContainer",
            self._calls.runtime.CreateContainer,
            pb.CreateContainerRequest(
                pod_sandbox_id=sandbox_id,
                config=requests.container_config(config),
                sandbox_config=requests.sandbox_config(sandbox_config),
            ),
            lambda answer: ContainerID(required_text(answer.container_id, rpc="CreateContainer", field="container_id")),
        )

    async def start_container(self, container_id: ContainerID) -> None:
        """Start a created container."""
        await self._calls.one(
            "StartContainer",
            self._calls.runtime.StartContainer,
            pb.StartContainerRequest(container_id=container_id),
            lambda _: None,
        )

    async def stop_container(self, container_id: ContainerID, *, timeout_seconds: int) -> None:
        """Stop a container, by force after `timeout_seconds`, which the call's deadline grants on top."""
        await self._calls.one(
            "StopContainer",
            self._calls.runtime.StopContainer,
            pb.StopContainerRequest(container_id=container_id, timeout=timeout_seconds),
            lambda _: None,
            within=self._calls.timeout_seconds + timeout_seconds,
        )

    async def remove_container(self, container_id: ContainerID) -> None:
        """Remove a container, by force where it runs; gone already is success."""
        await self._calls.one(
            "RemoveContainer",
            self._calls.runtime.RemoveContainer,
            pb.RemoveContainerRequest(container_id=container_id),
            lambda _: None,
        )

    async def list_containers(
        self,
        *,
        container_id: ContainerID | None = None,
        state: ContainerState | None = None,
        sandbox_id: SandboxID | None = None,
        labels: Mapping[str, str] = ANY_LABELS,
    ) -> list[Container]:
        """List the containers that match every argument given."""
        return await self._calls.one(
            "ListContainers",
            self._calls.runtime.ListContainers,
            pb.ListContainersRequest(
                filter=requests.container_filter(
                    container_id=container_id, state=state, sandbox_id=sandbox_id, labels=labels
                )
            ),
            lambda answer: [answers.container(item) for item in answer.containers],
        )

    def stream_containers(
        self,
        *,
        container_id: ContainerID | None = None,
        state: ContainerState | None = None,
        sandbox_id: SandboxID | None = None,
        labels: Mapping[str, str] = ANY_LABELS,
    ) -> AsyncGenerator[Container, None]:
        """List as `list_containers` does, without a limit on the size of the whole."""
        return self._calls.many(
            "StreamContainers",
            self._calls.runtime.StreamContainers,
            pb.StreamContainersRequest(
                filter=requests.container_filter(
                    container_id=container_id, state=state, sandbox_id=sandbox_id, labels=labels
                )
            ),
            lambda answer: map(answers.container, answer.containers),
        )

    async def container_status(self, container_id: ContainerID, *, verbose: bool = False) -> ContainerStatus:
        """Ask how a container is; `verbose` adds `info`. NotFound when there is none of that id."""
        return await self._calls.one(
            "ContainerStatus",
            self._calls.runtime.ContainerStatus,
            pb.ContainerStatusRequest(container_id=container_id, verbose=verbose),
            lambda answer: answers.container_status(required_container_status(answer).status, info=answer.info),
        )

    async def update_container_resources(
        self,
        container_id: ContainerID,
        resources: LinuxResources,
        *,
        annotations: Mapping[str, str] = ANY_LABELS,
    ) -> None:
        """Change the limits of a created or running container."""
        await self._calls.one(
            "UpdateContainerResources",
            self._calls.runtime.UpdateContainerResources,
            pb.UpdateContainerResourcesRequest(
                container_id=container_id,
                linux=requests.linux_resources(resources),
                annotations=annotations,
            ),
            lambda _: None,
        )

    async def reopen_container_log(self, container_id: ContainerID) -> None:
        """Have the runtime start a new file at the container's log path."""
        await self._calls.one(
            "ReopenContainerLog",
            self._calls.runtime.ReopenContainerLog,
            pb.ReopenContainerLogRequest(container_id=container_id),
            lambda _: None,
        )

    async def checkpoint_container(self, container_id: ContainerID, *, location: str, timeout_seconds: int = 0) -> None:
        """Write a checkpoint archive to `location`; a `timeout_seconds` beyond the usual lengthens the deadline."""
        seconds = max(int(self._calls.timeout_seconds), timeout_seconds)
        await self._calls.one(
            "CheckpointContainer",
            self._calls.runtime.CheckpointContainer,
            pb.CheckpointContainerRequest(container_id=container_id, location=location, timeout=seconds),
            lambda _: None,
            within=max(self._calls.timeout_seconds, timeout_seconds),
        )

    async def exec_sync(self, container_id: ContainerID, command: Sequence[str], *, timeout_seconds: int) -> ExecResult:
        """Run a command in a container and wait for it.

        Args:
            container_id: a running container.
            command: the program and its arguments; no shell is involved.
            timeout_seconds: what the runtime grants the command; 0 is without limit, for the call as well.

        Raises:
            DeadlineExceeded: the command took too long.
            CRIError: it could not be run.
        """
        result = await self._calls.one(
            "ExecSync",
            self._calls.runtime.ExecSync,
            pb.ExecSyncRequest(container_id=container_id, cmd=command, timeout=timeout_seconds),
            answers.exec_result,
            within=self._calls.timeout_seconds + timeout_seconds if timeout_seconds else None,
        )
        if result.exit_code and self._calls.operations:
            self._calls.operations.failed("ExecSync")  # upstream makes an error of it before it counts
        return result

    async def exec(
        self,
        container_id: ContainerID,
        command: Sequence[str],
        *,
        tty: bool = False,
        stdin: bool = False,
        stdout: bool = False,
        stderr: bool = False,
    ) -> str:
        """Ask for a URL at which the runtime runs a command with the streams wanted."""
        return await self._calls.one(
            "Exec",
            self._calls.runtime.Exec,
            pb.ExecRequest(container_id=container_id, cmd=command, tty=tty, stdin=stdin, stdout=stdout, stderr=stderr),
            lambda answer: required_text(answer.url, rpc="Exec", field="url"),
        )

    async def attach(
        self,
        container_id: ContainerID,
        *,
        tty: bool = False,
        stdin: bool = False,
        stdout: bool = False,
        stderr: bool = False,
    ) -> str:
        """Ask for a URL at which the runtime gives the streams of a container's first process."""
        return await self._calls.one(
            "Attach",
            self._calls.runtime.Attach,
            pb.AttachRequest(container_id=container_id, stdin=stdin, tty=tty, stdout=stdout, stderr=stderr),
            lambda answer: required_text(answer.url, rpc="Attach", field="url"),
        )

    def get_container_events(
        self, *, connected: Callable[[], None] | None = None
    ) -> AsyncGenerator[ContainerEvent, None]:
        """Give what happens to containers as it happens, for as long as the runtime goes on; no deadline.

        `connected` is called once there is a stream, which may be long before its first event.
        """
        return self._calls.many(
            "GetContainerEvents",
            self._calls.runtime.GetContainerEvents,
            pb.GetEventsRequest(),
            lambda answer: [event] if (event := answers.container_event(answer)) else [],
            within=None,
            connected=connected,
        )
