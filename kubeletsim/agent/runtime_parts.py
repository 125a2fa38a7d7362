"""What carries out the syncs of pods: images, hooks, starts, stops and probes, on the runtime."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from prometheus_client import CollectorRegistry

from kubeletsim.agent.foundation import Foundation
from kubeletsim.agent.watching import Watching
from kubeletsim.model.runtime import ContainerID
from kubeletsim.pods.containers import ContainerStarter
from kubeletsim.pods.hooks import HookRunner
from kubeletsim.pods.images import ImageManager, PullLimits
from kubeletsim.pods.probes import ProbeManager, ProbeMetrics, Prober
from kubeletsim.pods.runtime_sync import RuntimeSync
from kubeletsim.pods.status_manager import StatusManager
from kubeletsim.pods.stopping import PodStopper
from kubeletsim.pods.user_namespaces import IDS_PER_POD, UserNamespaces

if TYPE_CHECKING:
    from kubeletsim.config.schema.kubelet import KubeletConfiguration

CRASH_BACKOFF_SECONDS = (10.0, 300.0)
REDUCED_CRASH_BACKOFF_SECONDS = (1.0, 60.0)

RemoveContainer = Callable[[ContainerID], Awaitable[None]]
"""Removes a dead container with its logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeParts:
    """The parts that act on the runtime for pods."""

    images: ImageManager
    starter: ContainerStarter
    stopper: PodStopper
    probes: ProbeManager
    probe_registry: CollectorRegistry
    """What /metrics/probes shows."""
    user_namespaces: UserNamespaces
    sync: RuntimeSync

    @classmethod
    def build(
        cls, base: Foundation, *, watching: Watching, statuses: StatusManager, remove_container: RemoveContainer
    ) -> Self:
        """Build them.

        Args:
            base: configuration, runtime, instruments.
            watching: reads pods past the cache, for hooks.
            statuses: what probes look at.
            remove_container: removes a dead container with its logs.
        """
        hooks = HookRunner(base.runtime, observe=watching.reader.observe, record=base.record, registry=base.registry)
        images = _build_images(base)
        stopper = PodStopper(base.runtime, hooks=hooks, clock=base.clock, record=base.record)
        starter = _build_starter(base, images=images, hooks=hooks, stopper=stopper)
        probes, probe_registry = _build_probes(base, statuses=statuses)
        user_namespaces = _build_user_namespaces(base)
        sync = RuntimeSync(
            base.runtime,
            starter=starter,
            stopper=stopper,
            remove_container=remove_container,
            user_namespaces=user_namespaces,
            node=base.facts,
            probes=probes.results,
            record=base.record,
            registry=base.registry,
        )
        return cls(
            images=images,
            starter=starter,
            stopper=stopper,
            probes=probes,
            probe_registry=probe_registry,
            user_namespaces=user_namespaces,
            sync=sync,
        )

    def collect_backoff(self) -> None:
        """Forget the backoff of what has not failed for long."""
        self.images.collect()
        self.starter.collect()


def _build_images(base: Foundation) -> ImageManager:
    config = base.config
    return ImageManager(
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


def crash_backoff_seconds(config: "KubeletConfiguration", gates: Collection[str]) -> tuple[float, float]:
    """Return the first and the longest delay between restarts of a container that crashes.

    What is configured outranks the gate ReduceDefaultCrashLoopBackOffDecay; it is absent while its own gate is off.
    """
    reduced = "ReduceDefaultCrashLoopBackOffDecay" in gates
    initial, longest = REDUCED_CRASH_BACKOFF_SECONDS if reduced else CRASH_BACKOFF_SECONDS
    configured = config.crashLoopBackOff.maxContainerRestartPeriod
    if configured is not None:
        longest = configured.seconds
    return min(initial, longest), longest


def _build_starter(
    base: Foundation, *, images: ImageManager, hooks: HookRunner, stopper: PodStopper
) -> ContainerStarter:
    initial, longest = crash_backoff_seconds(base.config, base.gates)
    return ContainerStarter(
        base.runtime,
        images=images,
        hooks=hooks,
        stopper=stopper,
        node=base.facts,
        initial_crash_backoff_seconds=initial,
        max_crash_backoff_seconds=longest,
        log_links_dir=base.log_links_dir,
        clock=base.clock,
        rng=base.rng,
        record=base.record,
        registry=base.registry,
    )


def _build_user_namespaces(base: Foundation) -> UserNamespaces:
    settings = base.config.userNamespaces
    return UserNamespaces(
        base.flags.root_dir,
        max_pods=base.config.maxPods,
        ids_per_pod=(settings.idsPerPod if settings is not None else None) or IDS_PER_POD,
        supported=base.facts.user_namespaces,
    )


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
