"""A node for tests: `pods` and `pleg` on the fake runtime, wired as the agent wires them, on the loop's time."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lightkube.models.core_v1 import Pod
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import Clock, LoopClock
from kubeletsim.model.errors import NotFound
from kubeletsim.model.events import Event, ObjectReference
from kubeletsim.model.pod import pod_uid
from kubeletsim.model.pressure import NodePressure
from kubeletsim.model.runtime import ContainerID
from kubeletsim.pleg.cache import PodCache
from kubeletsim.pleg.generic import GenericPLEG
from kubeletsim.pleg.reader import RuntimeReader
from kubeletsim.pods.admission import NodeShape, Rejection
from kubeletsim.pods.admitter import PodAdmitter
from kubeletsim.pods.container_deletor import ContainerDeletor
from kubeletsim.pods.containers import ContainerStarter
from kubeletsim.pods.hooks import HookRunner
from kubeletsim.pods.housekeeping import Housekeeper, ListRunningPods
from kubeletsim.pods.images import ImageManager, PullLimits
from kubeletsim.pods.lifecycle import jitter_of
from kubeletsim.pods.pod_manager import PodManager
from kubeletsim.pods.probes import ProbeManager, ProbeMetrics, Prober
from kubeletsim.pods.requests import NodeFacts
from kubeletsim.pods.runtime_sync import RuntimeSync
from kubeletsim.pods.shutdown import NodeShutdown
from kubeletsim.pods.shutdown_plan import PriorityPeriod
from kubeletsim.pods.sources import PodConfig
from kubeletsim.pods.status_manager import StatusManager
from kubeletsim.pods.stopping import PodStopper
from kubeletsim.pods.sync import SCOPE, PodSync, StatusFn, SyncOutcome, UpdateType
from kubeletsim.pods.sync_loop import SyncLoop
from kubeletsim.pods.user_namespaces import UserNamespaces
from kubeletsim.pods.volumes import VolumeManager
from kubeletsim.pods.work_queue import WorkQueue
from kubeletsim.pods.workers import PodWorkers
from tests.fakes.runtime import FakeRuntime

ROOMY = NodeShape(
    name="vm",
    labels={"kubernetes.io/hostname": "vm", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
    allocatable={"pods": 110, "cpu": 4000, "memory": 8 << 30, "ephemeral-storage": 100 << 30},
)


@dataclass
class Node:
    """One node's parts. Leave `running` and start it again on the same runtime to restart the kubelet."""

    root: Path
    runtime: FakeRuntime
    sync_frequency_seconds: float = 60.0
    seed: int = 1
    jitter_seed: str = "1"
    """What the delays of requeues are drawn from."""
    sources: Sequence[str] = ("file",)
    errors: list[str] = field(default_factory=list)
    network_errors: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)
    limits: PullLimits = field(default_factory=PullLimits)
    shape: NodeShape = ROOMY
    refusal: Rejection | None = None
    pressure: NodePressure = field(default_factory=NodePressure)
    periods: Sequence[PriorityPeriod] = ()
    clock: Clock = field(default_factory=LoopClock)
    traced: bool = True
    """Whether spans are kept; a node that lives long makes many."""

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.registry = CollectorRegistry()
        # Spans take their times from the system's clock; their order and their parents are what tests look at.
        self.provider = TracerProvider(shutdown_on_exit=False, sampler=ALWAYS_ON if self.traced else ALWAYS_OFF)
        if self.traced:
            self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
            self.runtime.tracer = self.provider.get_tracer("cri")
        self.facts = NodeFacts(
            name="vm",
            host_ips=("192.0.2.1",),
            root_dir=str(self.root / "kubelet"),
            pod_logs_dir=str(self.root / "logs"),
        )
        self._build()

    def _build(self) -> None:
        cri, clock, registry, record = self.runtime, self.clock, self.registry, self.events.append
        self.config = PodConfig(self.sources, clock=clock, record=record)
        reader = RuntimeReader(cri, clock=clock)
        self.observe = reader.observe
        self.list_running_pods: ListRunningPods = lambda: reader.list_pods(running_only=True)
        self.cache = PodCache(clock)
        self.pleg = GenericPLEG(reader, cache=self.cache, clock=clock, rng=self.rng, registry=registry)
        self.images = ImageManager(cri, limits=self.limits, clock=clock, record=record, registry=registry)
        hooks = HookRunner(cri, observe=reader.observe, record=record, registry=registry)
        stopper = PodStopper(cri, hooks=hooks, clock=clock, record=record)
        self.starter = ContainerStarter(
            cri,
            images=self.images,
            hooks=hooks,
            stopper=stopper,
            node=self.facts,
            max_crash_backoff_seconds=300,
            log_links_dir=self.root / "links",
            clock=clock,
            rng=self.rng,
            record=record,
            registry=registry,
        )
        self.statuses = StatusManager()
        self.probe_registry = CollectorRegistry()
        self.probes = ProbeManager(
            Prober(cri, record=record),
            status=lambda uid: self.statuses.get(uid),
            metrics=ProbeMetrics(self.probe_registry),
            clock=clock,
            rng=self.rng,
        )
        self.user_namespaces = UserNamespaces(Path(self.facts.root_dir), max_pods=110)
        runtime_sync = RuntimeSync(
            cri,
            starter=self.starter,
            stopper=stopper,
            remove_container=self.remove_container,
            user_namespaces=self.user_namespaces,
            node=self.facts,
            probes=self.probes.results,
            record=record,
            registry=registry,
        )
        self.sync = PodSync(
            cri,
            runtime=runtime_sync,
            stopper=stopper,
            volumes=VolumeManager(node=self.facts, clock=clock, record=record),
            user_namespaces=self.user_namespaces,
            probes=self.probes,
            observe=reader.observe,
            statuses=self.statuses,
            node=self.facts,
            runtime_name="fake",
            network_errors=lambda: self.network_errors,
            clock=clock,
            tracer=self.provider.get_tracer(SCOPE),
            record=record,
            registry=registry,
        )
        queue = WorkQueue(clock=clock)
        self.workers = PodWorkers(
            self.sync,
            observed=self.cache,
            queue=queue,
            sync_frequency_seconds=self.sync_frequency_seconds,
            request_relist=self.pleg.request_relist,
            clock=clock,
            jitter=partial(jitter_of, seed=self.jitter_seed, node_name=self.facts.name),
            record=record,
            registry=registry,
        )
        self.pods = PodManager()
        self.deletor = ContainerDeletor(self.remove_container, max_per_pod_container=1)
        self.housekeeper = Housekeeper(
            pods=self.pods,
            workers=self.workers,
            statuses=self.statuses,
            keep_probes=self.probes.keep_only,
            keep_user_namespaces=self.user_namespaces.keep_only,
            list_running_pods=self.list_running_pods,
            root_dir=Path(self.facts.root_dir),
            collect_backoff=self._collect_backoff,
            registry=registry,
        )
        self.shutdown = NodeShutdown(
            self.periods,
            workers=self.workers,
            statuses=self.statuses,
            clock=clock,
            record=record,
            node=ObjectReference(kind="Node", name="vm"),
            registry=registry,
        )
        self.admitter = PodAdmitter(
            cri,
            node=self.shape,
            allowed_unsafe_sysctls=(),
            pods=self.pods,
            workers=self.workers,
            statuses=self.statuses,
            pressure=self.pressure,
            refusals=[lambda pod: self.refusal, self.shutdown.refusal],
            clock=clock,
            record=record,
            registry=registry,
        )
        self.loop = SyncLoop(
            config=self.config,
            pleg_events=self.pleg.events,
            probe_updates=self.probes.updates,
            observed=self.cache,
            pods=self.pods,
            statuses=self.statuses,
            workers=self.workers,
            queue=queue,
            admitter=self.admitter,
            deletor=self.deletor,
            housekeeper=self.housekeeper,
            runtime_errors=lambda: self.errors,
            clock=clock,
        )

    async def remove_container(self, container_id: ContainerID) -> None:
        """Remove a container as the container sweeper does."""
        try:
            await self.runtime.container_status(container_id)
            await self.runtime.container_status(container_id)
            await self.runtime.remove_container(container_id)
        except NotFound:
            return

    def _collect_backoff(self) -> None:
        self.images.collect()
        self.starter.collect()

    @asynccontextmanager
    async def running(self, *, watch: bool = True) -> AsyncIterator["Node"]:
        """Run every part until the block ends; `watch` is for a node whose PLEG somebody else runs."""
        async with asyncio.TaskGroup() as tasks:
            running = [
                *([tasks.create_task(self.pleg.run(), name="pleg")] if watch else []),
                tasks.create_task(self.workers.run(), name="workers"),
                tasks.create_task(self.deletor.run(), name="deletor"),
                tasks.create_task(self.probes.run(), name="probes"),
                tasks.create_task(self.loop.run(), name="loop"),
            ]
            try:
                yield self
            finally:
                for task in running:
                    task.cancel()

    async def apply(self, *pods: Pod, source: str = "file") -> None:
        """Have a source hand over these pods and no others."""
        await self.config.set_pods(source, pods)

    async def sync_once(
        self, pod: Pod, update_type: UpdateType = UpdateType.SYNC, *, going_down: Callable[[], bool] = lambda: False
    ) -> SyncOutcome:
        """Sync a pod by hand with what the runtime shows now; the calls before are forgotten."""
        observed = await self.observe(pod_uid(pod))
        self.runtime.calls.clear()
        return await self.sync.sync_pod(pod, observed, update_type=update_type, going_down=going_down)

    async def terminate_once(
        self, pod: Pod, *, grace_seconds: int | None = None, status_fn: StatusFn | None = None
    ) -> None:
        """End a pod by hand with what the runtime shows now; the calls before are forgotten."""
        observed = await self.observe(pod_uid(pod))
        self.runtime.calls.clear()
        await self.sync.sync_terminating_pod(pod, observed, grace_seconds=grace_seconds, status_fn=status_fn)

    def phase(self, pod: Pod) -> str | None:
        """Return the pod's phase as it is known."""
        status = self.statuses.get(pod_uid(pod))
        return status.phase if status is not None else None

    def reasons(self, *, type_: str | None = None) -> list[str]:
        """Return the reasons of the events so far."""
        return [event.reason for event in self.events if type_ in (None, event.type)]

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value; 0 when there is none."""
        return self.registry.get_sample_value(f"kubelet_{name}", labels) or 0.0

    async def until(self, true: Callable[[], bool], *, seconds: float = 60) -> None:
        """Let time pass until something holds."""
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110  what is waited for is anything, so nobody sets an event
                await asyncio.sleep(0.05)
