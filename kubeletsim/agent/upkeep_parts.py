"""The upkeep parts of a node: garbage collection, log rotation, the eviction manager's looks at the node."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from kubeletsim.agent.foundation import Foundation
from kubeletsim.agent.pod_parts import PodParts
from kubeletsim.model.pressure import NodePressure
from kubeletsim.model.quantity import Quantity
from kubeletsim.upkeep import container_sweeper, image_sweeper
from kubeletsim.upkeep.container_logs import ContainerLogs
from kubeletsim.upkeep.container_removal import ContainerRemover
from kubeletsim.upkeep.container_sweeper import ContainerSweeper
from kubeletsim.upkeep.eviction import read_thresholds
from kubeletsim.upkeep.eviction_manager import EvictionManager, EvictionPolicy
from kubeletsim.upkeep.eviction_stats import EvictionStats
from kubeletsim.upkeep.gc import ContainerGCPolicy, ImageGCPolicy
from kubeletsim.upkeep.image_sweeper import ImageSweeper, read_disk_usage
from kubeletsim.upkeep.log_rotation import LogRotation, LogRotationPolicy
from kubeletsim.upkeep.log_usage import LogUsage
from kubeletsim.upkeep.node_signals import NodeSignals
from kubeletsim.upkeep.runtime_state import RuntimeState


def build_logs(base: Foundation) -> ContainerLogs:
    """Build what knows the pods' log files, and let scrapes see what room they take."""
    pod_logs_dir = Path(base.config.podLogsDir)
    base.registry.register(LogUsage(pod_logs_dir))
    return ContainerLogs(pod_logs_dir=pod_logs_dir, links_dir=base.log_links_dir)


def build_upkeep(
    base: Foundation,
    *,
    logs: ContainerLogs,
    remover: ContainerRemover,
    state: RuntimeState,
    pods: PodParts,
    pressure: NodePressure,
) -> dict[str, Callable[[], Awaitable[None]]]:
    """Return the upkeep loops, by name."""
    containers = _container_sweeper(base, logs=logs, remover=remover, pods=pods)
    images = _image_sweeper(base)
    return {
        "runtime-state": state.run,
        "container-gc": containers.run,
        "image-gc": images.run,
        "log-rotation": _log_rotation(base, state).run,
        "eviction-manager": _eviction_manager(
            base, state=state, pods=pods, pressure=pressure, containers=containers, images=images
        ).run,
    }


def _container_sweeper(
    base: Foundation, *, logs: ContainerLogs, remover: ContainerRemover, pods: PodParts
) -> ContainerSweeper:
    flags = base.flags
    return ContainerSweeper(
        base.runtime,
        remover=remover,
        logs=logs,
        policy=ContainerGCPolicy(
            min_age_seconds=flags.minimum_container_ttl_duration.seconds,
            max_per_pod_container=flags.maximum_dead_containers_per_container,
            max_containers=flags.maximum_dead_containers,
        ),
        content_should_go=pods.workers.should_content_be_removed,
        has_stopped=lambda uid: pods.workers.should_content_be_removed(uid) or pods.workers.has_stopped(uid),
        sources_ready=pods.config.sources_ready,
        tracer=base.telemetry.tracer(container_sweeper.SCOPE),
        record=base.record,
        node=base.reference,
        clock=base.clock,
        rng=base.rng,
    )


def _image_sweeper(base: Foundation) -> ImageSweeper:
    config = base.config
    return ImageSweeper(
        base.runtime,
        policy=ImageGCPolicy(
            high_threshold_percent=config.imageGCHighThresholdPercent,
            low_threshold_percent=config.imageGCLowThresholdPercent,
            min_age_seconds=config.imageMinimumGCAge.seconds,
            max_age_seconds=config.imageMaximumGCAge.seconds,
        ),
        disk_usage=read_disk_usage,
        tracer=base.telemetry.tracer(image_sweeper.SCOPE),
        record=base.record,
        node=base.reference,
        forget_pulls=base.images.forget_pulls,
        image_fs_info=base.runtime.uncounted.image_fs_info,
        registry=base.registry,
        clock=base.clock,
        rng=base.rng,
    )


def _eviction_manager(
    base: Foundation,
    *,
    state: RuntimeState,
    pods: PodParts,
    pressure: NodePressure,
    containers: ContainerSweeper,
    images: ImageSweeper,
) -> EvictionManager:
    config = base.config
    stats = EvictionStats(base.runtime.uncounted, clock=base.clock)
    return EvictionManager(
        stats,
        signals=NodeSignals(base.flags.root_dir),
        policy=EvictionPolicy(
            thresholds=read_thresholds(
                hard=config.evictionHard or {},
                soft=config.evictionSoft,
                soft_grace=config.evictionSoftGracePeriod,
                minimum_reclaim=config.evictionMinimumReclaim,
            ),
            transition_seconds=config.evictionPressureTransitionPeriod.seconds,
            longest_grace_seconds=config.evictionMaxPodGracePeriod,
        ),
        pressure=pressure,
        reclaims=[containers.delete_unused, images.delete_unused],
        active_pods=pods.admitter.active_pods,
        evict=pods.evict,
        wait_ready=state.wait_ready,
        clock=base.clock,
        rng=base.rng,
        record=base.record,
        node=base.reference,
        registry=base.registry,
    )


def _log_rotation(base: Foundation, state: RuntimeState) -> LogRotation:
    config = base.config
    return LogRotation(
        base.runtime.uncounted,
        policy=LogRotationPolicy(
            max_size_bytes=Quantity.parse(config.containerLogMaxSize).value(),
            max_files=config.containerLogMaxFiles,
            max_workers=config.containerLogMaxWorkers,
            monitor_interval_seconds=config.containerLogMonitorInterval.seconds,
        ),
        wait_ready=state.wait_ready,
        clock=base.clock,
        rng=base.rng,
    )
