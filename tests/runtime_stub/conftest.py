"""What the stub's tests share: the stub in this process, with a socket or without one."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from kubeletsim.base.timing import LoopClock
from kubeletsim.pb import cri_pb2 as pb
from kubeletsim.pb.cri_pb2_grpc import ImageServiceStub, RuntimeServiceStub
from runtime_stub.behaviour.latency import Latency, LatencyModel
from runtime_stub.behaviour.plan import Plans
from runtime_stub.behaviour.profiles import PROFILES
from runtime_stub.journal import open_journal
from runtime_stub.machine import Machine
from runtime_stub.server import handlers_of, serving
from runtime_stub.services.performer import Performer
from runtime_stub.services.rpc import handler_name
from runtime_stub.settings import Settings

EPOCH = 1_700_000_000
IMAGE = "docker.io/library/busybox:1.35"


@dataclass
class Client:
    """Both CRI services of a running stub, and short ways to what tests need often."""

    runtime: Any
    images: Any
    log_directory: str

    def pod(self, name: str = "web", *, attempt: int = 0, host_network: bool = False) -> pb.PodSandboxConfig:
        """Describe a sandbox."""
        config = pb.PodSandboxConfig(
            metadata=pb.PodSandboxMetadata(name=name, namespace="default", uid=f"uid-{name}", attempt=attempt),
            log_directory=self.log_directory,
            labels={"io.kubernetes.pod.name": name},
            annotations={"note": name},
        )
        if host_network:
            config.linux.security_context.namespace_options.network = pb.NODE
        return config

    def container(self, *command: str, name: str = "app", image: str = IMAGE) -> pb.ContainerConfig:
        """Describe a container."""
        return pb.ContainerConfig(
            metadata=pb.ContainerMetadata(name=name),
            image=pb.ImageSpec(image=image),
            command=command,
            labels={"io.kubernetes.container.name": name},
            log_path=f"{name}/0.log",
        )

    async def run_sandbox(self, config: pb.PodSandboxConfig | None = None) -> str:
        """Run a sandbox and return its id."""
        answer = await self.runtime.RunPodSandbox(pb.RunPodSandboxRequest(config=config or self.pod()))
        return str(answer.pod_sandbox_id)

    async def create(self, sandbox_id: str, config: pb.ContainerConfig) -> str:
        """Create a container and return its id."""
        request = pb.CreateContainerRequest(pod_sandbox_id=sandbox_id, config=config, sandbox_config=self.pod())
        return str((await self.runtime.CreateContainer(request)).container_id)

    async def start(self, container_id: str) -> None:
        """Start a container."""
        await self.runtime.StartContainer(pb.StartContainerRequest(container_id=container_id))

    async def run(self, *command: str, sandbox_id: str = "", name: str = "app") -> str:
        """Create and start a container, in a sandbox of its own unless one is given."""
        sandbox_id = sandbox_id or await self.run_sandbox(self.pod(name))
        id_ = await self.create(sandbox_id, self.container(*command, name=name))
        await self.start(id_)
        return id_

    async def ip(self, sandbox_id: str) -> str:
        """Return a sandbox's first address."""
        answer = await self.runtime.PodSandboxStatus(pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id))
        return str(answer.status.network.ip)

    async def status(self, container_id: str) -> pb.ContainerStatus:
        """Return a container's status."""
        answer = await self.runtime.ContainerStatus(pb.ContainerStatusRequest(container_id=container_id))
        return answer.status  # type: ignore[no-any-return]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a path short enough for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="rs-") as path:
        yield Path(path)


@pytest.fixture
def settings(directory: Path) -> Settings:
    """Settings of a stub without delays."""
    return Settings(
        listen=f"unix://{directory}/cri.sock",
        root_dir=str(directory / "root"),
        latency="none",
        preloaded_images=(IMAGE,),
        pod_cidr="10.88.0.0/16",
    )


@asynccontextmanager
async def connected(settings: Settings, **environ: str) -> AsyncIterator[Client]:
    """Serve a stub on a real socket, and connect to it."""
    async with serving(settings, environ=environ), dialled(settings) as client:
        yield client


@asynccontextmanager
async def dialled(settings: Settings) -> AsyncIterator[Client]:
    """Connect to a stub that somebody else runs."""
    options = [("grpc.max_receive_message_length", 16 << 20)]
    target = settings.listen.replace("unix://", "unix:")
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        logs = str(Path(settings.listen.removeprefix("unix://")).parent / "logs")
        yield Client(RuntimeServiceStub(channel), ImageServiceStub(channel), logs)  # type: ignore[no-untyped-call]


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[Client]:
    """A stub without delays on a real socket."""
    async with connected(settings) as client:
        yield client


class Service:
    """Stands in for a gRPC stub: an RPC of that name is a call of the handler, in a SERVER span."""

    def __init__(self, handlers: list[object], tracer: trace.Tracer) -> None:
        self._handlers = handlers
        self._tracer = tracer

    def __getattr__(self, rpc: str) -> Any:
        handler = next(found for one in self._handlers if (found := getattr(one, handler_name(rpc), None)))

        async def call(request: Any) -> Any:
            span = self._tracer.start_span(rpc, kind=SpanKind.SERVER, start_time=_now())
            with trace.use_span(span):
                try:
                    answer = handler(request)
                    return await answer if hasattr(answer, "__await__") else answer
                finally:
                    span.end(_now())

        return call


def _now() -> int:
    return int(LoopClock(epoch=EPOCH).now() * 1e9)


@dataclass
class Bench:
    """The stub's handlers without a socket, on simulated time, with its spans at hand."""

    client: Client
    machine: Machine
    spans: InMemorySpanExporter
    provider: TracerProvider

    def finished(self) -> list[ReadableSpan]:
        """Return the spans that have ended."""
        return list(self.spans.get_finished_spans())


@contextmanager
def bench(directory: Path, *, profile: str = "containerd", exact: bool = True, plans: Plans | None = None) -> Any:
    """Build the handlers of a profile.

    Args:
        directory: root directory and logs go there.
        profile: its name.
        exact: every latency is its median.
        plans: used in place of the profile's.
    """
    settings = Settings(root_dir=str(directory), preloaded_images=(IMAGE,), profile=profile, pod_cidr="10.88.0.0/16")
    imitated = PROFILES[profile]
    latencies = imitated.latencies
    if exact:
        latencies = {name: Latency(one.median_ms, spread=0) for name, one in latencies.items()}
    imitated = replace(imitated, plans=plans or imitated.plans, latencies=latencies)
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    with ExitStack() as stack:
        stack.callback(provider.shutdown)
        journal = stack.enter_context(open_journal(directory))
        clock, latency = LoopClock(epoch=EPOCH), LatencyModel(latencies, seed=0)
        machine = Machine(clock=clock, journal=journal, latency=latency)
        stack.callback(machine.close)
        performer = Performer(
            imitated.plans,
            latency=latency,
            tracer=lambda scope: provider.get_tracer(scope.name, scope.version),
            clock=clock,
            facts={"snapshotter": imitated.snapshotter, "runtime_type": imitated.runtime_type},
        )
        handlers = handlers_of(settings, imitated, machine, performer, journal, directory)
        service = Service(handlers, provider.get_tracer("test"))
        yield Bench(Client(service, service, str(directory / "logs")), machine, spans, provider)


@pytest.fixture
def lab(directory: Path) -> Iterator[Bench]:
    """The containerd profile with exact medians on simulated time."""
    with bench(directory) as built:
        yield built
