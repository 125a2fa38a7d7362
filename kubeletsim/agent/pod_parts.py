"""The pod parts of a node: sources, the PLEG, workers and the sync loop, joined.

Here `pods` and `pleg` meet, which do not know each other: the PLEG's cache is what workers wait on, its queue is what
the sync loop reads, and a worker that did something asks it for a relist.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry

from kubeletsim.agent.foundation import Foundation
from kubeletsim.agent.node_shape import node_shape
from kubeletsim.model.pod import FILE_SOURCE, HTTP_SOURCE
from kubeletsim.model.runtime import ContainerID, ObservedPod, PodUID
from kubeletsim.pleg.cache import PodCache
from kubeletsim.pleg.evented import EventedPLEG
from kubeletsim.pleg.generic import GenericPLEG
from kubeletsim.pleg.reader import RuntimeReader
from kubeletsim.pods import sync
from kubeletsim.pods.admitter import PodAdmitter
from kubeletsim.pods.container_deletor import ContainerDeletor
from kubeletsim.pods.containers import ContainerStarter
from kubeletsim.pods.hooks import HookRunner
from kubeletsim.pods.housekeeping import Housekeeper
from kubeletsim.pods.images import ImageManager, PullLimits
from kubeletsim.pods.pod_manager import PodManager
from kubeletsim.pods.probes import ProbeManager, ProbeMetrics, Prober
from kubeletsim.pods.runtime_sync import RuntimeSync
from kubeletsim.pods.shutdown import NodeShutdown
from kubeletsim.pods.shutdown_plan import PriorityPeriod, shutdown_periods
from kubeletsim.pods.sources import FileSource, PodConfig, URLSource
from kubeletsim.pods.status_manager import StatusManager
from kubeletsim.pods.stopping import PodStopper
from kubeletsim.pods.sync import PodSync
from kubeletsim.pods.sync_loop import SyncLoop
from kubeletsim.pods.volumes import VolumeManager
from kubeletsim.pods.work_queue import WorkQueue
from kubeletsim.pods.workers import PodWorkers
from kubeletsim.upkeep.runtime_state import HealthCheck, RuntimeState

Source = FileSource | URLSource
RemoveContainer = Callable[[ContainerID], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What looks at the runtime: the PLEG and what it reads with and writes to."""

    reader: RuntimeReader
    cache: PodCache
    pleg: GenericPLEG
    evented: EventedPLEG | None
    """Runs the other one beside itself; None while its gate is off."""

    @classmethod
    def build(cls, base: Foundation) -> Self:
        """Build the PLEGs; they need nothing but the runtime."""
        reader = RuntimeReader(base.runtime, clock=base.clock)
        cache = PodCache(base.clock)
        pleg = GenericPLEG(reader, cache=cache, clock=base.clock, rng=base.rng, registry=base.registry)
        evented = EventedPLEG(
            base.runtime, generic=pleg, cache=cache, clock=base.clock, rng=base.rng, registry=base.registry
        )
        return cls(reader=reader, cache=cache, pleg=pleg, evented=evented if "EventedPLEG" in base.gates else None)

    @property
    def health_checks(self) -> Mapping[str, HealthCheck]:
        """What says that the runtime is not being watched, by name."""
        evented = {"EventedPLEG": self.evented.health_problem} if self.evented is not None else {}
        return {"PLEG": self.pleg.health_problem, **evented}

    async def run(self) -> None:
        """Watch; never returns."""
        await (self.evented or self.pleg).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class PodParts:
    """What runs pods."""

    config: PodConfig
    sources: dict[str, Source]
    pods: PodManager
    statuses: StatusManager
    workers: PodWorkers
    deletor: ContainerDeletor
    probes: ProbeManager
    probe_registry: CollectorRegistry
    """What /metrics/probes shows."""
    admitter: PodAdmitter
    shutdown: NodeShutdown
    sync_loop: SyncLoop
    watching: Watching = field(repr=False)

    @classmethod
    def build(
        cls, base: Foundation, *, watching: Watching, state: RuntimeState, remove_container: RemoveContainer
    ) -> Self:
        """Build everything between the manifests and the runtime.

        Args:
            base: configuration, runtime, instruments.
            watching: the PLEG.
            state: why the runtime cannot be used now, if so.
            remove_container: removes a dead container with its logs.
        """
        config, sources = _build_sources(base)
        pods, statuses, queue = PodManager(), StatusManager(), WorkQueue(clock=base.clock)
        probes, probe_registry = _build_probes(base, statuses=statuses)
        runtime_sync, collect_backoff, stopper = _build_runtime_sync(
            base, remove_container=remove_container, observe=watching.reader.observe, probes=probes
        )
        pod_sync = PodSync(
            base.runtime,
            runtime=runtime_sync,
            stopper=stopper,
            volumes=VolumeManager(node=base.facts, clock=base.clock, record=base.record),
            probes=probes,
            observe=watching.reader.observe,
            statuses=statuses,
            node=base.facts,
            runtime_name=base.runtime_name,
            network_errors=state.network_errors,
            clock=base.clock,
            tracer=base.telemetry.tracer(sync.SCOPE),
            record=base.record,
            registry=base.registry,
            restarts_all="RestartAllContainersOnContainerExits" in base.gates,
        )
        workers = _build_workers(base, pod_sync, watching=watching, queue=queue)
        deletor = ContainerDeletor(
            remove_container, max_per_pod_container=base.flags.maximum_dead_containers_per_container
        )
        housekeeper = Housekeeper(
            pods=pods,
            workers=workers,
            statuses=statuses,
            keep_probes=probes.keep_only,
            list_running_pods=lambda: watching.reader.list_pods(running_only=True),
            root_dir=base.flags.root_dir,
            collect_backoff=collect_backoff,
            registry=base.registry,
        )
        shutdown = _build_shutdown(base, workers=workers, statuses=statuses)
        admitter = _build_admitter(base, pods=pods, workers=workers, statuses=statuses, shutdown=shutdown)
        sync_loop = SyncLoop(
            config=config,
            pleg_events=watching.pleg.events,
            probe_updates=probes.updates,
            observed=watching.cache,
            pods=pods,
            statuses=statuses,
            workers=workers,
            queue=queue,
            admitter=admitter,
            deletor=deletor,
            housekeeper=housekeeper,
            runtime_errors=state.runtime_errors,
            clock=base.clock,
        )
        return cls(
            config=config,
            sources=sources,
            pods=pods,
            statuses=statuses,
            workers=workers,
            deletor=deletor,
            probes=probes,
            probe_registry=probe_registry,
            admitter=admitter,
            shutdown=shutdown,
            sync_loop=sync_loop,
            watching=watching,
        )

    def shown(self) -> list[Pod]:
        """Return the pods of this node, each with its newest status."""
        return [self.statuses.shown(pod) for pod in self.pods.pods()]

    async def shut_down(self) -> None:
        """End the pods of this node, as `shutdownGracePeriod` and its like have it."""
        await self.shutdown.shut_down(self.admitter.active_pods())

    async def evict(self, pod: Pod, *, grace_seconds: int, message: str) -> None:
        """End a pod for the node's sake; returns when it has ended, or would not."""
        await self.admitter.evict(pod, grace_seconds=grace_seconds, message=message)

    def runs(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return what has to run, by name."""
        return {
            "pleg": self.watching.run,
            "pod-workers": self.workers.run,
            "container-deletor": self.deletor.run,
            "probes": self.probes.run,
            "sync-loop": self.sync_loop.run,
            **{f"source-{name}": source.run for name, source in self.sources.items()},
        }


def _build_probes(base: Foundation, *, statuses: StatusManager) -> tuple[ProbeManager, CollectorRegistry]:
    """Build the probes, and the registry of their metrics."""
    registry = CollectorRegistry()
    probes = ProbeManager(
        Prober(base.runtime, record=base.record),
        status=statuses.get,
        metrics=ProbeMetrics(registry),
        clock=base.clock,
        rng=base.rng,
    )
    return probes, registry


def _build_workers(base: Foundation, pod_sync: PodSync, *, watching: Watching, queue: WorkQueue) -> PodWorkers:
    return PodWorkers(
        pod_sync,
        observed=watching.cache,
        queue=queue,
        sync_frequency_seconds=base.config.syncFrequency.seconds,
        request_relist=watching.pleg.request_relist,
        clock=base.clock,
        seed=base.seed,
        record=base.record,
        registry=base.registry,
    )


def _build_admitter(
    base: Foundation, *, pods: PodManager, workers: PodWorkers, statuses: StatusManager, shutdown: NodeShutdown
) -> PodAdmitter:
    return PodAdmitter(
        base.runtime,
        node=node_shape(base.config, base.flags, facts=base.facts),
        allowed_unsafe_sysctls=base.config.allowedUnsafeSysctls,
        pods=pods,
        workers=workers,
        statuses=statuses,
        refusals=[shutdown.refusal],
        clock=base.clock,
        record=base.record,
        registry=base.registry,
    )


def _build_shutdown(base: Foundation, *, workers: PodWorkers, statuses: StatusManager) -> NodeShutdown:
    config = base.config
    given = config.shutdownGracePeriodByPodPriority
    return NodeShutdown(
        shutdown_periods(
            [PriorityPeriod(one.priority, one.shutdownGracePeriodSeconds) for one in given],
            total_seconds=config.shutdownGracePeriod.seconds,
            critical_seconds=config.shutdownGracePeriodCriticalPods.seconds,
        ),
        workers=workers,
        statuses=statuses,
        clock=base.clock,
        record=base.record,
        node=base.reference,
        registry=base.registry,
    )


def _build_sources(base: Foundation) -> tuple[PodConfig, dict[str, Source]]:
    """Build the sources that are configured; without any, `PodConfig` has nothing to wait for."""
    path, url = base.config.staticPodPath, base.config.staticPodURL
    names = [name for name, place in ((FILE_SOURCE, path), (HTTP_SOURCE, url)) if place]
    config = PodConfig(names, clock=base.clock, record=base.record)
    sources: dict[str, Source] = {}
    if path:
        sources[FILE_SOURCE] = FileSource(
            Path(path),
            node_name=base.facts.name,
            publish=config.publisher(FILE_SOURCE),
            check_frequency_seconds=base.config.fileCheckFrequency.seconds,
            rng=base.rng,
        )
    if url:
        sources[HTTP_SOURCE] = URLSource(
            url,
            headers=base.config.staticPodURLHeader,
            node_name=base.facts.name,
            publish=config.publisher(HTTP_SOURCE),
            check_frequency_seconds=base.config.httpCheckFrequency.seconds,
            rng=base.rng,
        )
    return config, sources


def _build_runtime_sync(
    base: Foundation,
    *,
    remove_container: RemoveContainer,
    observe: Callable[[PodUID], Awaitable[ObservedPod]],
    probes: ProbeManager,
) -> tuple[RuntimeSync, Callable[[], None], PodStopper]:
    """Build what carries out a sync's plan; with it what forgets backoff, and what stops pods."""
    config = base.config
    longest_backoff = config.crashLoopBackOff.maxContainerRestartPeriod  # absent while its gate is off
    images = ImageManager(
        base.runtime,
        limits=PullLimits(
            qps=config.registryPullQPS,
            burst=config.registryBurst,
            serialize=bool(config.serializeImagePulls),
            max_parallel=config.maxParallelImagePulls,
        ),
        clock=base.clock,
        record=base.record,
        registry=base.registry,
        credentials=base.images.credentials.find,
        access=base.images.access,
    )
    hooks = HookRunner(base.runtime, observe=observe, record=base.record, registry=base.registry)
    stopper = PodStopper(base.runtime, hooks=hooks, clock=base.clock, record=base.record)
    starter = ContainerStarter(
        base.runtime,
        images=images,
        hooks=hooks,
        stopper=stopper,
        node=base.facts,
        max_crash_backoff_seconds=longest_backoff.seconds if longest_backoff else 300,
        log_links_dir=None,
        clock=base.clock,
        rng=base.rng,
        record=base.record,
        registry=base.registry,
    )
    runtime_sync = RuntimeSync(
        base.runtime,
        starter=starter,
        stopper=stopper,
        remove_container=remove_container,
        node=base.facts,
        probes=probes.results,
        record=base.record,
        registry=base.registry,
    )

    def collect_backoff() -> None:
        images.collect()
        starter.collect()

    return runtime_sync, collect_backoff, stopper
