"""The pod parts of a node: sources, the PLEG, workers and the sync loop, joined.

Here `pods` and `pleg` meet, which do not know each other: the PLEG's cache is what workers wait on, its queue is what
the sync loop reads, and a worker that did something asks it for a relist.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Self

from lightkube.models.core_v1 import Pod

from kubeletsim.agent.foundation import Foundation
from kubeletsim.agent.node_shape import node_shape
from kubeletsim.agent.runtime_parts import RemoveContainer, RuntimeParts
from kubeletsim.agent.source_parts import Source, build_sources
from kubeletsim.agent.watching import Watching
from kubeletsim.model.pressure import NodePressure
from kubeletsim.pods import sync
from kubeletsim.pods.admitter import PodAdmitter
from kubeletsim.pods.container_deletor import ContainerDeletor
from kubeletsim.pods.housekeeping import Housekeeper
from kubeletsim.pods.lifecycle import jitter_of
from kubeletsim.pods.pod_manager import PodManager
from kubeletsim.pods.shutdown import NodeShutdown
from kubeletsim.pods.shutdown_plan import PriorityPeriod, shutdown_periods
from kubeletsim.pods.sources import PodConfig
from kubeletsim.pods.status_manager import StatusManager
from kubeletsim.pods.sync import PodSync
from kubeletsim.pods.sync_loop import SyncLoop
from kubeletsim.pods.volumes import VolumeManager
from kubeletsim.pods.work_queue import WorkQueue
from kubeletsim.pods.workers import PodWorkers
from kubeletsim.upkeep.runtime_state import RuntimeState


@dataclass(frozen=True, slots=True, kw_only=True)
class PodParts:
    """What runs pods."""

    config: PodConfig
    sources: dict[str, Source]
    pods: PodManager
    statuses: StatusManager
    runtime: RuntimeParts
    workers: PodWorkers
    deletor: ContainerDeletor
    admitter: PodAdmitter
    shutdown: NodeShutdown
    sync_loop: SyncLoop
    watching: Watching = field(repr=False)

    @classmethod
    def build(
        cls,
        base: Foundation,
        *,
        watching: Watching,
        state: RuntimeState,
        remove_container: RemoveContainer,
        pressure: NodePressure,
    ) -> Self:
        """Build everything between the manifests and the runtime.

        Args:
            base: configuration, runtime, instruments.
            watching: the PLEG.
            state: why the runtime cannot be used now, if so.
            remove_container: removes a dead container with its logs.
            pressure: what the node is short of.
        """
        config, sources = build_sources(base)
        pods, statuses, queue = PodManager(), StatusManager(), WorkQueue(clock=base.clock)
        runtime = RuntimeParts.build(base, watching=watching, statuses=statuses, remove_container=remove_container)
        pod_sync = _build_pod_sync(base, runtime, watching=watching, statuses=statuses, state=state)
        workers = _build_workers(base, pod_sync, watching=watching, queue=queue)
        deletor = ContainerDeletor(
            remove_container, max_per_pod_container=base.flags.maximum_dead_containers_per_container
        )
        shutdown = _build_shutdown(base, workers=workers, statuses=statuses)
        admitter = _build_admitter(
            base, pods=pods, workers=workers, statuses=statuses, shutdown=shutdown, pressure=pressure
        )
        sync_loop = SyncLoop(
            config=config,
            pleg_events=watching.pleg.events,
            probe_updates=runtime.probes.updates,
            observed=watching.cache,
            pods=pods,
            statuses=statuses,
            workers=workers,
            queue=queue,
            admitter=admitter,
            deletor=deletor,
            housekeeper=_build_housekeeper(
                base, runtime, watching=watching, pods=pods, workers=workers, statuses=statuses
            ),
            runtime_errors=state.runtime_errors,
            clock=base.clock,
        )
        return cls(
            config=config,
            sources=sources,
            pods=pods,
            statuses=statuses,
            runtime=runtime,
            workers=workers,
            deletor=deletor,
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
            "probes": self.runtime.probes.run,
            "sync-loop": self.sync_loop.run,
            **{f"source-{name}": source.run for name, source in self.sources.items()},
        }


def _build_pod_sync(
    base: Foundation, runtime: RuntimeParts, *, watching: Watching, statuses: StatusManager, state: RuntimeState
) -> PodSync:
    return PodSync(
        base.runtime,
        runtime=runtime.sync,
        stopper=runtime.stopper,
        volumes=VolumeManager(node=base.facts, clock=base.clock, record=base.record),
        user_namespaces=runtime.user_namespaces,
        probes=runtime.probes,
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


def _build_workers(base: Foundation, pod_sync: PodSync, *, watching: Watching, queue: WorkQueue) -> PodWorkers:
    return PodWorkers(
        pod_sync,
        observed=watching.cache,
        queue=queue,
        sync_frequency_seconds=base.config.syncFrequency.seconds,
        request_relist=watching.request_relist,
        clock=base.clock,
        jitter=partial(jitter_of, seed=base.seed, node_name=base.facts.name),
        record=base.record,
        registry=base.registry,
    )


def _build_housekeeper(
    base: Foundation,
    runtime: RuntimeParts,
    *,
    watching: Watching,
    pods: PodManager,
    workers: PodWorkers,
    statuses: StatusManager,
) -> Housekeeper:
    return Housekeeper(
        pods=pods,
        workers=workers,
        statuses=statuses,
        keep_probes=runtime.probes.keep_only,
        keep_user_namespaces=runtime.user_namespaces.keep_only,
        list_running_pods=lambda: watching.reader.list_pods(running_only=True),
        root_dir=base.flags.root_dir,
        collect_backoff=runtime.collect_backoff,
        registry=base.registry,
    )


def _build_admitter(
    base: Foundation,
    *,
    pods: PodManager,
    workers: PodWorkers,
    statuses: StatusManager,
    shutdown: NodeShutdown,
    pressure: NodePressure,
) -> PodAdmitter:
    return PodAdmitter(
        base.runtime,
        node=node_shape(base.config, base.flags, facts=base.facts),
        allowed_unsafe_sysctls=base.config.allowedUnsafeSysctls,
        pods=pods,
        workers=workers,
        statuses=statuses,
        pressure=pressure,
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
