"""A node to sweep: a runtime in memory whose calls become spans, and everything a sweeper reports to."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from kubeletsim.base.timing import LoopClock
from kubeletsim.model.events import Event
from kubeletsim.model.requests import ContainerConfig, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import ContainerID, PodUID, SandboxID
from tests.fakes.runtime import FakeRuntime


class Recorder:
    """Keeps spans and events."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider()
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.events: list[Event] = []

    def tracer(self, scope: str) -> Tracer:
        return self._provider.get_tracer(scope)

    def spans(self) -> list[ReadableSpan]:
        return sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def roots(self) -> list[str]:
        return [short(span) for span in self.spans() if span.parent is None]

    def children(self, root: str) -> list[list[str]]:
        """Return the names of the children of each root of that name."""
        return [
            [short(span) for span in self.spans() if span.parent and span.parent.span_id == one.context.span_id]
            for one in self.spans()
            if one.parent is None and one.name == root
        ]

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events]

    def close(self) -> None:
        self._provider.shutdown()


def short(span: ReadableSpan) -> str:
    """Drop the service from a CRI call's name."""
    return span.name.rpartition("/")[2] if span.name.startswith("runtime.") else span.name


@dataclass
class Pods:
    """What the pod workers and sources would say."""

    gone: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)
    sources_ready: bool = True

    def content_should_go(self, uid: PodUID) -> bool:
        return uid in self.gone

    def has_stopped(self, uid: PodUID) -> bool:
        return uid in self.gone or uid in self.stopped


@dataclass
class Node:
    """A runtime and ways to fill it."""

    cri: FakeRuntime
    logs_root: str

    async def sandbox(self, pod: str, *, attempt: int = 0, ready: bool = False) -> SandboxID:
        config = SandboxConfig(name=pod, namespace="default", uid=PodUID(f"uid-{pod}"), attempt=attempt)
        sandbox_id = await self.cri.run_pod_sandbox(config)
        if not ready:
            await self.cri.stop_pod_sandbox(sandbox_id)
        return sandbox_id

    async def container(
        self, pod: str, name: str, *, attempt: int = 0, running: bool = False, image: str = "busybox"
    ) -> ContainerID:
        """Have a container in a sandbox of its own: dead, unless `running`."""
        sandbox = SandboxConfig(
            name=pod,
            namespace="default",
            uid=PodUID(f"uid-{pod}"),
            log_directory=f"{self.logs_root}/default_{pod}_uid-{pod}",
        )
        sandbox_id = await self.cri.run_pod_sandbox(sandbox)
        container = ContainerConfig(
            name=name,
            attempt=attempt,
            image=ImageSpec(image=image, user_specified_image=image),
            labels={
                "io.kubernetes.pod.name": pod,
                "io.kubernetes.pod.namespace": "default",
                "io.kubernetes.pod.uid": f"uid-{pod}",
                "io.kubernetes.container.name": name,
            },
            log_path=f"{name}/{attempt}.log",
        )
        container_id = await self.cri.create_container(sandbox_id, container, sandbox)
        await self.cri.start_container(container_id)
        if not running:
            self.cri.exit(name)
            await self.cri.stop_pod_sandbox(sandbox_id)
        return container_id


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture
def node(recorder: Recorder, tmp_path) -> Node:
    cri = FakeRuntime(tracer=recorder.tracer("cri"))
    (tmp_path / "pods").mkdir()
    return Node(cri=cri, logs_root=str(tmp_path / "pods"))


@pytest.fixture
def pods() -> Pods:
    return Pods()


@pytest.fixture
def clock() -> LoopClock:
    return LoopClock()


@pytest.fixture
def log_of() -> Callable[[FakeRuntime, ContainerID], str]:
    """Where a container of the fake writes to."""
    return lambda cri, container_id: next(c.log_path for c in cri.containers() if c.id == container_id)
