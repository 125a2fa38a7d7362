"""A container runtime in memory: the methods of `clients.cri.CRIClient`, on the loop's time, with settable trouble.

It is small but real: sandboxes and containers have states, a container's process ends when its `Life` says so, and what
is stopped or removed is stopped or removed. No task runs behind it: whether a process has ended is computed from the
clock whenever somebody asks. A call takes effect at the end of its latency, so a cancelled one has done nothing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from opentelemetry.trace import NoOpTracer, SpanKind, StatusCode, Tracer

from kubeletsim.base.timing import Clock, LoopClock
from kubeletsim.model.errors import CRIError, NotFound, RuntimeUnavailable
from kubeletsim.model.requests import AuthConfig, ContainerConfig, ImageSpec, NamespaceMode, SandboxConfig
from kubeletsim.model.runtime import (
    CgroupDriver,
    Container,
    ContainerEventType,
    ContainerID,
    ContainerState,
    ContainerStatus,
    ExecResult,
    FilesystemUsage,
    Image,
    ImageFsInfo,
    ImageID,
    PodUID,
    RuntimeCondition,
    RuntimeStatus,
    RuntimeVersion,
    Sandbox,
    SandboxID,
    SandboxState,
    SandboxStatus,
)
from kubeletsim.model.stats import ContainerStats, MemoryUsage

IMAGE_SERVICE = frozenset({"ListImages", "ImageStatus", "PullImage", "RemoveImage", "ImageFsInfo"})
KILLED = 137
TERMINATED = 143


@dataclass(frozen=True, kw_only=True)
class Life:
    """How a container's process behaves."""

    exits_after_seconds: float | None = None
    """It ends by itself this long after its start; None: it runs until it is stopped."""
    exit_code: int = 0
    """Its code when it ends by itself."""
    stops_after_seconds: float | None = 0.0
    """It needs this long after SIGTERM; None: it ignores SIGTERM, as `sleep` does as PID 1."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call that reached the runtime."""

    rpc: str
    """The method's name alone: `RunPodSandbox`."""
    at: float
    """When it arrived, in the clock's monotonic seconds."""
    args: Mapping[str, Any]
    """The arguments by name."""


@dataclass(kw_only=True)
class _Sandbox:
    status: SandboxStatus
    config: SandboxConfig


@dataclass(kw_only=True)
class _Container:
    status: ContainerStatus
    sandbox_id: SandboxID
    config: ContainerConfig
    life: Life
    started: float = 0.0


@dataclass
class FakeRuntime:
    """A runtime for one test.

    Args:
        clock: its wall clock stamps what it reports; the loop's clock by default.
        tracer: gets one CLIENT span a call, as the real client makes it; none by default.
    """

    clock: Clock = field(default_factory=LoopClock)
    tracer: Tracer = field(default_factory=NoOpTracer)
    latencies: dict[str, float] = field(default_factory=dict)
    """Seconds by method name; a method that is not named answers in the loop's next turn."""
    lives: dict[str, Life] = field(default_factory=dict)
    """How processes behave, by container name; looked up when the container is created."""
    images: dict[str, Image] = field(default_factory=dict)
    """What is there, by the reference that finds it."""
    pull_errors: dict[str, str] = field(default_factory=dict)
    """The runtime's text for images that cannot be pulled, by reference."""
    image_sizes: dict[str, int] = field(default_factory=dict)
    """What a pull brings, by reference, in bytes."""
    conditions: dict[str, bool] = field(default_factory=lambda: {"RuntimeReady": True, "NetworkReady": True})
    memory_bytes: dict[str, int] = field(default_factory=dict)
    """What containers use, by name; others are not measured."""
    exec_results: dict[tuple[str, ...], ExecResult] = field(default_factory=dict)
    """Answers of ExecSync by command; success without output for others."""
    down: bool = False
    """The socket is gone: every call fails at once."""
    hangs: set[str] = field(default_factory=set)
    """Methods that never answer."""
    calls: list[Call] = field(default_factory=list)
    most_at_once: Counter[str] = field(default_factory=Counter)
    """The largest number of calls of a method that were under way together."""
    _failures: dict[str, list[CRIError | None]] = field(default_factory=dict)
    _sandboxes: dict[SandboxID, _Sandbox] = field(default_factory=dict)
    _containers: dict[ContainerID, _Container] = field(default_factory=dict)
    _under_way: Counter[str] = field(default_factory=Counter)
    _ids: int = 0

    # What tests do to it.

    def add_image(self, reference: str, *, size_bytes: int = 1_000_000) -> Image:
        """Have an image as if it had been pulled before."""
        image = Image(id=ImageID(f"sha256:{reference}"), repo_tags=(reference,), size_bytes=size_bytes)
        self.images[reference] = self.images[image.id] = image
        return image

    def fail(self, rpc: str, error: CRIError | str, *, times: int = 1, after: int = 0) -> None:
        """Let the next `times` calls of a method fail, once `after` of them have succeeded."""
        failure = CRIError(error, rpc=rpc) if isinstance(error, str) else error
        self._failures.setdefault(rpc, []).extend([None] * after + [failure] * times)

    def heal(self) -> None:
        """End all trouble."""
        self._failures.clear()
        self.hangs.clear()
        self.down = False

    def exit(self, name: str, *, code: int = 1) -> None:
        """End the process of the running container of that name, from outside."""
        for container in self._settled():
            if container.status.name == name and container.status.state is ContainerState.RUNNING:
                self._end(container, code=code, at=self.clock.now())

    def reboot(self) -> None:
        """Lose every process and network: containers exit with 255, sandboxes are not ready."""
        for container in self._settled():
            if container.status.state is ContainerState.RUNNING:
                self._end(container, code=255, at=self.clock.now())
        for sandbox in self._sandboxes.values():
            sandbox.status = replace(sandbox.status, state=SandboxState.NOTREADY, ips=())

    def names(self, *, ignoring: Sequence[str] = ()) -> list[str]:
        """Return the names of the calls so far, in order."""
        return [call.rpc for call in self.calls if call.rpc not in ignoring]

    def count(self, rpc: str) -> int:
        """Return how often a method was called."""
        return sum(call.rpc == rpc for call in self.calls)

    def running(self) -> list[ContainerStatus]:
        """Return the containers that run now."""
        return [c.status for c in self._settled() if c.status.state is ContainerState.RUNNING]

    def containers(self) -> list[ContainerStatus]:
        """Return every container."""
        return [container.status for container in self._settled()]

    def listed(self) -> list[Container]:
        """Return every container as ListContainers shows it, with its sandbox."""
        return [_listed_container(container) for container in self._settled()]

    def sandboxes(self) -> list[SandboxStatus]:
        """Return every sandbox."""
        return [sandbox.status for sandbox in self._sandboxes.values()]

    # RuntimeService.

    async def version(self, version: str = "") -> RuntimeVersion:
        async with self._call("Version", version=version):
            return RuntimeVersion(
                version="0.1.0", runtime_name="fake", runtime_version="1.0.0", runtime_api_version="v1"
            )

    async def status(self, *, verbose: bool = False) -> RuntimeStatus:
        async with self._call("Status", verbose=verbose):
            return RuntimeStatus(
                conditions=tuple(RuntimeCondition(type=type_, status=ok) for type_, ok in self.conditions.items())
            )

    async def runtime_config(self) -> CgroupDriver | None:
        async with self._call("RuntimeConfig"):
            return CgroupDriver.CGROUPFS

    async def update_runtime_config(self, *, pod_cidr: str) -> None:
        async with self._call("UpdateRuntimeConfig", pod_cidr=pod_cidr):
            return

    async def run_pod_sandbox(self, config: SandboxConfig, *, runtime_handler: str = "") -> SandboxID:
        async with self._call("RunPodSandbox", config=config, runtime_handler=runtime_handler):
            sandbox_id = SandboxID(self._new_id("sandbox"))
            host = bool(config.linux and config.linux.security_context.namespace_options.network is NamespaceMode.NODE)
            self._sandboxes[sandbox_id] = _Sandbox(
                config=config,
                status=SandboxStatus(
                    id=sandbox_id,
                    name=config.name,
                    namespace=config.namespace,
                    uid=config.uid,
                    attempt=config.attempt,
                    state=SandboxState.READY,
                    created_at=self._stamp(),
                    labels=dict(config.labels),
                    annotations=dict(config.annotations),
                    runtime_handler=runtime_handler,
                    ips=() if host else (f"10.88.0.{self._ids % 250 + 2}",),
                    host_network=host,
                ),
            )
            self._happened(ContainerEventType.CREATED, sandbox_id, sandbox_id)
            self._happened(ContainerEventType.STARTED, sandbox_id, sandbox_id)
            return sandbox_id

    async def stop_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        async with self._call("StopPodSandbox", sandbox_id=sandbox_id):
            sandbox = self._sandboxes.get(sandbox_id)
            if sandbox is None:
                raise NotFound(f'sandbox "{sandbox_id}": not found', code="NotFound", rpc="StopPodSandbox")
            for container in self._settled():
                if container.sandbox_id == sandbox_id and container.status.state is ContainerState.RUNNING:
                    self._end(container, code=KILLED, at=self.clock.now())
            sandbox.status = replace(sandbox.status, state=SandboxState.NOTREADY, ips=())
            self._happened(ContainerEventType.STOPPED, sandbox_id, sandbox_id)

    async def remove_pod_sandbox(self, sandbox_id: SandboxID) -> None:
        async with self._call("RemovePodSandbox", sandbox_id=sandbox_id):
            self._happened(ContainerEventType.DELETED, sandbox_id, sandbox_id)
            self._sandboxes.pop(sandbox_id, None)
            inside = [key for key, one in self._containers.items() if one.sandbox_id == sandbox_id]
            for container_id in inside:
                del self._containers[container_id]

    async def pod_sandbox_status(self, sandbox_id: SandboxID, *, verbose: bool = False) -> SandboxStatus:
        async with self._call("PodSandboxStatus", sandbox_id=sandbox_id, verbose=verbose):
            if sandbox_id not in self._sandboxes:
                raise NotFound(f'sandbox "{sandbox_id}": not found', code="NotFound", rpc="PodSandboxStatus")
            return self._sandboxes[sandbox_id].status

    async def list_pod_sandbox(
        self,
        *,
        sandbox_id: SandboxID | None = None,
        state: SandboxState | None = None,
        labels: Mapping[str, str] = {},
    ) -> list[Sandbox]:
        async with self._call("ListPodSandbox", sandbox_id=sandbox_id, state=state, labels=labels):
            return [
                _listed_sandbox(sandbox.status)
                for sandbox in self._sandboxes.values()
                if (sandbox_id is None or sandbox.status.id == sandbox_id)
                and (state is None or sandbox.status.state is state)
                and labels.items() <= sandbox.status.labels.items()
            ]

    async def create_container(
        self, sandbox_id: SandboxID, config: ContainerConfig, sandbox_config: SandboxConfig
    ) -> ContainerID:
        async with self._call("CreateContainer", sandbox_id=sandbox_id, config=config, sandbox_config=sandbox_config):
            sandbox = self._sandboxes.get(sandbox_id)
            if sandbox is None or sandbox.status.state is not SandboxState.READY:
                raise NotFound(f'sandbox "{sandbox_id}": not ready', code="NotFound", rpc="CreateContainer")
            container_id = ContainerID(self._new_id(config.name))
            image = self.images.get(config.image.user_specified_image) or self.images.get(config.image.image)
            self._containers[container_id] = _Container(
                config=config,
                sandbox_id=sandbox_id,
                life=self.lives.get(config.name, Life()),
                status=ContainerStatus(
                    id=container_id,
                    name=config.name,
                    attempt=config.attempt,
                    state=ContainerState.CREATED,
                    created_at=self._stamp(),
                    image=config.image.user_specified_image or config.image.image,
                    image_id=image.id if image else config.image_id,
                    image_ref=image.id if image else config.image.image,
                    labels=dict(config.labels),
                    annotations=dict(config.annotations),
                    log_path=f"{sandbox.config.log_directory}/{config.log_path}",
                ),
            )
            self._happened(ContainerEventType.CREATED, container_id, sandbox_id)
            return container_id

    async def start_container(self, container_id: ContainerID) -> None:
        async with self._call("StartContainer", container_id=container_id):
            container = self._container(container_id, "StartContainer")
            if container.status.state is not ContainerState.CREATED:
                raise CRIError(f"container is in {container.status.state.name} state", rpc="StartContainer")
            container.started = self.clock.monotonic()
            container.status = replace(container.status, state=ContainerState.RUNNING, started_at=self._stamp())
            self._happened(ContainerEventType.STARTED, container_id, container.sandbox_id)

    async def stop_container(self, container_id: ContainerID, *, timeout_seconds: int) -> None:
        async with self._call("StopContainer", container_id=container_id, timeout_seconds=timeout_seconds):
            container = self._container(container_id, "StopContainer")
            if container.status.state is not ContainerState.RUNNING:
                return
            needs = container.life.stops_after_seconds
            obeys = needs is not None and needs <= timeout_seconds
            await self._pass(needs if obeys and needs is not None else timeout_seconds)
            if self._container(container_id, "StopContainer").status.state is ContainerState.RUNNING:
                self._end(container, code=TERMINATED if obeys else KILLED, at=self.clock.now())

    async def remove_container(self, container_id: ContainerID) -> None:
        async with self._call("RemoveContainer", container_id=container_id):
            gone = self._containers.pop(container_id, None)
            if gone is not None:
                self._happened(ContainerEventType.DELETED, container_id, gone.sandbox_id)

    async def list_containers(
        self,
        *,
        container_id: ContainerID | None = None,
        state: ContainerState | None = None,
        sandbox_id: SandboxID | None = None,
        labels: Mapping[str, str] = {},
    ) -> list[Container]:
        async with self._call(
            "ListContainers", container_id=container_id, state=state, sandbox_id=sandbox_id, labels=labels
        ):
            return [
                _listed_container(container)
                for container in self._settled()
                if (container_id is None or container.status.id == container_id)
                and (state is None or container.status.state is state)
                and (sandbox_id is None or container.sandbox_id == sandbox_id)
                and labels.items() <= container.status.labels.items()
            ]

    async def container_status(self, container_id: ContainerID, *, verbose: bool = False) -> ContainerStatus:
        async with self._call("ContainerStatus", container_id=container_id, verbose=verbose):
            return self._container(container_id, "ContainerStatus").status

    async def exec_sync(self, container_id: ContainerID, command: Sequence[str], *, timeout_seconds: int) -> ExecResult:
        async with self._call(
            "ExecSync", container_id=container_id, command=tuple(command), timeout_seconds=timeout_seconds
        ):
            if self._container(container_id, "ExecSync").status.state is not ContainerState.RUNNING:
                raise CRIError("failed to exec in container: container is not running", rpc="ExecSync")
            return self.exec_results.get(tuple(command), ExecResult(stdout=b"", stderr=b"", exit_code=0))

    async def list_container_stats(
        self,
        *,
        container_id: ContainerID | None = None,
        sandbox_id: SandboxID | None = None,
        labels: Mapping[str, str] = {},
    ) -> list[ContainerStats]:
        async with self._call("ListContainerStats", container_id=container_id, sandbox_id=sandbox_id, labels=labels):
            asked = [
                one.status
                for one in self._settled()
                if one.status.state is ContainerState.RUNNING
                and (container_id is None or one.status.id == container_id)
                and (sandbox_id is None or one.sandbox_id == sandbox_id)
                and labels.items() <= one.status.labels.items()
            ]
            return [
                ContainerStats(
                    id=one.id,
                    name=one.name,
                    labels=one.labels,
                    memory=MemoryUsage(timestamp=self._stamp(), working_set_bytes=self.memory_bytes[one.name]),
                )
                for one in asked
                if one.name in self.memory_bytes
            ]

    async def reopen_container_log(self, container_id: ContainerID) -> None:
        async with self._call("ReopenContainerLog", container_id=container_id):
            self._container(container_id, "ReopenContainerLog")

    # ImageService.

    async def list_images(self, *, image: str | None = None) -> list[Image]:
        async with self._call("ListImages", image=image):
            unique = {one.id: one for one in self.images.values()}
            return [one for one in unique.values() if image is None or self.images.get(image) == one]

    async def image_status(self, spec: ImageSpec) -> Image | None:
        async with self._call("ImageStatus", spec=spec):
            return self.images.get(spec.image)

    async def pull_image(
        self, spec: ImageSpec, *, auth: AuthConfig | None = None, sandbox_config: SandboxConfig | None = None
    ) -> str:
        async with self._call("PullImage", spec=spec, auth=auth, sandbox_config=sandbox_config):
            if spec.image in self.pull_errors:
                raise CRIError(self.pull_errors[spec.image], rpc="PullImage")
            return self.add_image(spec.image, size_bytes=self.image_sizes.get(spec.image, 1_000_000)).id

    async def remove_image(self, spec: ImageSpec) -> None:
        async with self._call("RemoveImage", spec=spec):
            gone = self.images.get(spec.image)
            self.images = {key: image for key, image in self.images.items() if image != gone}

    async def image_fs_info(self) -> ImageFsInfo:
        async with self._call("ImageFsInfo"):
            used = sum(image.size_bytes for image in {one.id: one for one in self.images.values()}.values())
            usage = FilesystemUsage(timestamp=self._stamp(), mountpoint="/", used_bytes=used, inodes_used=0)
            return ImageFsInfo(image_filesystems=(usage,))

    # How it works.

    @asynccontextmanager
    async def _call(self, rpc: str, **args: Any) -> AsyncIterator[None]:
        service = "Image" if rpc in IMAGE_SERVICE else "Runtime"
        name = f"runtime.v1.{service}Service/{rpc}"
        self.calls.append(Call(rpc=rpc, at=self.clock.monotonic(), args=args))
        self._under_way[rpc] += 1
        self.most_at_once[rpc] = max(self.most_at_once[rpc], self._under_way[rpc])
        with self.tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                await self._answer(rpc)
                yield
            except CRIError as error:
                span.set_status(StatusCode.ERROR, error.desc)
                raise
            finally:
                self._under_way[rpc] -= 1

    async def _answer(self, rpc: str) -> None:
        if self.down:
            raise RuntimeUnavailable("connection error", code="Unavailable", rpc=rpc)
        if rpc in self.hangs:
            await asyncio.Event().wait()
        await self._pass(self.latencies.get(rpc, 0))
        failure = self._failures[rpc].pop(0) if self._failures.get(rpc) else None
        if failure is not None:
            raise failure

    async def _pass(self, seconds: float) -> None:
        """Let time pass in the middle of a call."""
        await asyncio.sleep(seconds)

    def _happened(self, type_: ContainerEventType, id_: str, sandbox_id: SandboxID) -> None:
        """Take note of what has just happened to a container or sandbox; nobody listens to this runtime."""

    def _settled(self) -> list[_Container]:
        """Return every container after ending the processes whose time is over, however the wall clock was moved."""
        now, wall = self.clock.monotonic(), self.clock.now()
        for container in list(self._containers.values()):
            after = container.life.exits_after_seconds
            running = container.status.state is ContainerState.RUNNING
            if running and after is not None and container.started + after <= now:
                ended = container.started + after
                self._end(container, code=container.life.exit_code, at=wall - (now - ended))
        return list(self._containers.values())

    def _container(self, container_id: ContainerID, rpc: str) -> _Container:
        self._settled()
        if container_id not in self._containers:
            message = f'an error occurred when try to find container "{container_id}": not found'
            raise NotFound(message, code="NotFound", rpc=rpc)
        return self._containers[container_id]

    def _end(self, container: _Container, *, code: int, at: float) -> None:
        container.status = replace(
            container.status,
            state=ContainerState.EXITED,
            exit_code=code,
            finished_at=int(at * 1e9),
            reason="Completed" if code == 0 else "Error",
        )
        self._happened(ContainerEventType.STOPPED, container.status.id, container.sandbox_id)

    def _new_id(self, stem: str) -> str:
        self._ids += 1
        return f"{stem}-{self._ids}"

    def _stamp(self) -> int:
        return int(self.clock.now() * 1e9)


def _listed_sandbox(status: SandboxStatus) -> Sandbox:
    return Sandbox(
        id=status.id,
        name=status.name,
        namespace=status.namespace,
        uid=PodUID(status.uid),
        attempt=status.attempt,
        state=status.state,
        created_at=status.created_at,
        labels=status.labels,
        annotations=status.annotations,
        runtime_handler=status.runtime_handler,
    )


def _listed_container(container: _Container) -> Container:
    status = container.status
    return Container(
        id=status.id,
        sandbox_id=container.sandbox_id,
        name=status.name,
        attempt=status.attempt,
        state=status.state,
        image=status.image,
        image_id=status.image_id,
        image_ref=status.image_ref,
        created_at=status.created_at,
        labels=status.labels,
        annotations=status.annotations,
    )
