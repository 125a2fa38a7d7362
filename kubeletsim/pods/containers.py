"""The start of one container: backoff, image, configuration, CreateContainer, StartContainer, postStart hook.

Each step's failure has the reason that `kubectl get pods` shows and the event that upstream sends; the sync goes on
with the next container where upstream goes on. Upstream: startContainer in
pkg/kubelet/kuberuntime/kuberuntime_container.go.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Counter

from kubeletsim.base.duration import Duration
from kubeletsim.base.timing import Backoff, Clock
from kubeletsim.model.errors import CRIError
from kubeletsim.model.events import EventRecorder
from kubeletsim.model.labels import RESTART_COUNT_ANNOTATION
from kubeletsim.model.pod import AnyContainer, describe, ephemeral_containers, init_containers, pod_name, pod_namespace
from kubeletsim.model.requests import ContainerConfig, IDMapping, ImageSpec, SandboxConfig
from kubeletsim.model.runtime import ContainerID, ContainerState, ContainerStatus, Image, ObservedPod, SandboxID
from kubeletsim.pods.actions import ContainerKill, KillReason, latest
from kubeletsim.pods.failures import StartFailure
from kubeletsim.pods.files import link_log, make_files, next_restart_count
from kubeletsim.pods.hooks import HookFailure, HookRunner
from kubeletsim.pods.images import ImageManager, ImageVolumeMetrics, PodImageVolumes, bring_image_volumes
from kubeletsim.pods.node_object import VersionService, look_at_node, looks_at_node
from kubeletsim.pods.pod_events import pod_event, pod_reference
from kubeletsim.pods.requests import NodeFacts, RequestError, container_config, plan_container_files
from kubeletsim.pods.stopping import PodStopper

log = logging.getLogger(__name__)

INITIAL_CRASH_BACKOFF_SECONDS = 10.0
CRASH_BACKOFF_FORGOTTEN_SECONDS = 600.0
"""A container that ran this long since its last restart starts its backoff anew."""


class ContainerService(VersionService, Protocol):
    """What this module needs of the runtime."""

    async def image_status(self, spec: ImageSpec) -> Image | None:
        """Return the image, None when it is absent."""

    async def create_container(
        self, sandbox_id: SandboxID, config: ContainerConfig, sandbox_config: SandboxConfig
    ) -> ContainerID:
        """Create a container and return its id."""

    async def start_container(self, container_id: ContainerID) -> None:
        """Start a created container."""


class ContainerStarter:
    """Starts containers.

    Args:
        cri: where.
        images: brings their images.
        hooks: run once they have started.
        stopper: stops those whose hook has failed.
        node: the facts of this node that go into their configuration.
        max_crash_backoff_seconds: crashLoopBackOff.maxContainerRestartPeriod.
        initial_crash_backoff_seconds: the first delay, never above the longest.
        log_links_dir: where a link to each container's log is put (/var/log/containers).
        record: takes Created, Started, Failed and BackOff.
        registry: gets kubelet_started_containers_total and kubelet_started_containers_errors_total.
    """

    def __init__(
        self,
        cri: ContainerService,
        *,
        images: ImageManager,
        hooks: HookRunner,
        stopper: PodStopper,
        node: NodeFacts,
        max_crash_backoff_seconds: float,
        initial_crash_backoff_seconds: float = INITIAL_CRASH_BACKOFF_SECONDS,
        log_links_dir: Path,
        clock: Clock,
        rng: random.Random,
        record: EventRecorder,
        registry: CollectorRegistry,
    ) -> None:
        self._cri = cri
        self._images = images
        self._hooks = hooks
        self._stopper = stopper
        self._node = node
        self._log_links_dir = log_links_dir
        self._clock = clock
        self._rng = rng
        self._record = record
        self._backoff = Backoff(
            min(initial_crash_backoff_seconds, max_crash_backoff_seconds),
            max_crash_backoff_seconds,
            CRASH_BACKOFF_FORGOTTEN_SECONDS,
        )
        self._started = Counter(
            "kubelet_started_containers_total",
            "Cumulative number of containers started",
            ["container_type"],
            registry=registry,
        )
        self._volume_metrics = ImageVolumeMetrics(registry)
        self._failed = Counter(
            "kubelet_started_containers_errors_total",
            "Cumulative number of errors when starting containers",
            ["container_type", "code"],
            registry=registry,
        )

    async def start(
        self,
        pod: Pod,
        container: AnyContainer,
        *,
        observed: ObservedPod,
        sandbox_id: SandboxID,
        sandbox_config: SandboxConfig,
        pod_ips: Sequence[str],
        image_volumes: PodImageVolumes,
    ) -> None:
        """Start a new instance of a container, unless its last ones have earned it a pause.

        Raises:
            StartFailure: it was not started, with the waiting reason of kubelet-behaviour §10.3.
        """
        self._hold_back(pod, container, observed)
        kind = _kind(pod, container)
        self._started.labels(kind).inc()
        volumes = self._volumes(pod, container, image_volumes)
        try:
            image_ref = await self._ensure_image(pod, container, sandbox_config)
            try:
                config = await self._configure(
                    pod,
                    container,
                    observed=observed,
                    image_ref=image_ref,
                    pod_ips=pod_ips,
                    image_volumes=volumes,
                    userns=_userns(sandbox_config),
                )
                container_id = await self._run(
                    pod, container, config, sandbox_id=sandbox_id, sandbox_config=sandbox_config
                )
            except StartFailure as failure:
                self._tell(pod, container, "Failed", f"Error: {failure.told}", warning=True)
                raise
            await self._post_start(pod, container, container_id)
        except StartFailure as failure:
            self._volume_metrics.count(volumes, failure)
            self._failed.labels(kind, failure.reason).inc()
            raise
        self._volume_metrics.count(volumes, None)

    async def image_volumes(self, pod: Pod, *, sandbox_config: SandboxConfig) -> PodImageVolumes:
        """Have the pod's image volumes on the node and return them, for one sync."""
        return await bring_image_volumes(self._images, pod, sandbox_config=sandbox_config)

    def collect(self) -> None:
        """Forget the backoff of containers that have not crashed for long."""
        self._backoff.collect(now=self._clock.now())

    def _hold_back(self, pod: Pod, container: AnyContainer, observed: ObservedPod) -> None:
        """Raise while the container's crash-loop backoff runs; note the restart otherwise. The first one is free."""
        last = next((s for s in observed.containers if s.name == container.name and _has_ended(s)), None)
        if last is None:
            return
        key, now, finished = _backoff_key(pod, container), self._clock.now(), last.finished_at / 1e9
        left_seconds = self._backoff.remaining(key, now=now, event=finished)
        if left_seconds <= 0:
            self._backoff.advance(key, now=now, event=finished)
            return
        text = f"Back-off restarting failed container {container.name} in pod {describe(pod)}"
        self._tell(pod, container, "BackOff", text, warning=True)
        delay = Duration.of(seconds=self._backoff.get(key))
        message = f"back-off {delay} restarting failed container={container.name} pod={describe(pod)}"
        raise StartFailure("CrashLoopBackOff", message, backoff_until=now + left_seconds)

    async def _ensure_image(self, pod: Pod, container: AnyContainer, sandbox_config: SandboxConfig) -> str:
        try:
            return await self._images.ensure_image_exists(
                pod,
                container.image or "",
                pull_policy=container.imagePullPolicy or "IfNotPresent",
                about=pod_reference(pod, container=container.name),
                sandbox_config=sandbox_config,
            )
        except StartFailure as failure:
            # What went wrong the image manager has told; this event only names it.
            self._tell(pod, container, "Failed", f"Error: {failure.reason}", warning=True)
            raise

    def _volumes(self, pod: Pod, container: AnyContainer, image_volumes: PodImageVolumes) -> Mapping[str, ImageSpec]:
        def tell(failure: StartFailure) -> None:
            self._tell(pod, container, "Failed", f"Error: {failure.reason}", warning=True)

        return image_volumes.of(container, tell=tell)

    async def _configure(
        self,
        pod: Pod,
        container: AnyContainer,
        *,
        observed: ObservedPod,
        image_ref: str,
        pod_ips: Sequence[str],
        image_volumes: Mapping[str, ImageSpec],
        userns: IDMapping | None,
    ) -> ContainerConfig:
        """Return the container's configuration, and have its directories and files ready."""
        last = latest(observed, container.name)
        termination_log_id = f"{self._rng.getrandbits(32):08x}"
        for _ in range(looks_at_node(container)):
            await look_at_node(self._cri)
        try:
            image = await self._cri.image_status(ImageSpec(image=container.image or ""))  # whose user it runs as
            plan = plan_container_files(
                pod, container, pod_ips=pod_ips, node=self._node, termination_log_id=termination_log_id
            )
            make_files(plan)
            count = _restarts(last) + 1 if last is not None else next_restart_count(Path(plan.directories[0].path))
            return container_config(
                pod,
                container,
                restart_count=count,
                image_ref=image_ref,
                image=image,
                pod_ips=pod_ips,
                node=self._node,
                termination_log_id=termination_log_id,
                image_volumes=image_volumes,
                userns=userns,
            )
        except CRIError as error:
            raise StartFailure("CreateContainerConfigError", error.desc) from error
        except (RequestError, OSError) as error:
            raise StartFailure("CreateContainerConfigError", str(error)) from error

    async def _run(
        self,
        pod: Pod,
        container: AnyContainer,
        config: ContainerConfig,
        *,
        sandbox_id: SandboxID,
        sandbox_config: SandboxConfig,
    ) -> ContainerID:
        try:
            container_id = await self._cri.create_container(sandbox_id, config, sandbox_config)
        except CRIError as error:
            raise StartFailure("CreateContainerError", error.desc) from error
        self._tell(pod, container, "Created", "Container created")
        try:
            await self._cri.start_container(container_id)
        except CRIError as error:
            # Events name the container, not this instance of it: those of all instances count as one.
            told = error.desc.replace(container_id, container.name)
            raise StartFailure("RunContainerError", error.desc, told=told) from error
        self._tell(pod, container, "Started", "Container started")
        name = f"{pod_name(pod)}_{pod_namespace(pod)}_{container.name}-{container_id}.log"
        try:
            link_log(Path(sandbox_config.log_directory) / config.log_path, self._log_links_dir / name)
        except OSError as error:
            log.warning("Failed to link the log of container %s: %s", container_id, error)
        return container_id

    async def _post_start(self, pod: Pod, container: AnyContainer, container_id: ContainerID) -> None:
        """Run the container's hook; whoever waits for the container's start waits for it, too."""
        try:
            await self._hooks.post_start(pod, container, container_id)
        except HookFailure as failure:
            reason = KillReason.POST_START_HOOK
            kill = ContainerKill(id=container_id, name=container.name, message=reason.value, reason=reason)
            if (failed := await self._stopper.stop_container(pod, kill)) is not None:
                log.error("Failed to kill container %s of %s: %s", container.name, describe(pod), failed)  # noqa: TRY400
            raise StartFailure("PostStartHookError", str(failure)) from failure

    def _tell(self, pod: Pod, container: AnyContainer, reason: str, message: str, *, warning: bool = False) -> None:
        self._record(pod_event(pod, reason, message, container=container.name, warning=warning))


def _userns(sandbox_config: SandboxConfig) -> IDMapping | None:
    """Return the range of user ids that the pod's sandbox has."""
    linux = sandbox_config.linux
    return next(iter(linux.security_context.namespace_options.userns_uids), None) if linux is not None else None


def _has_ended(status: ContainerStatus) -> bool:
    return status.state is ContainerState.EXITED


def _restarts(status: ContainerStatus) -> int:
    """Return how many instances came before this one: the annotation's word, else the runtime's."""
    noted = status.annotations.get(RESTART_COUNT_ANNOTATION, "")
    return int(noted) if noted.isdecimal() else status.attempt


def _kind(pod: Pod, container: AnyContainer) -> str:
    """Return the container_type label of the metrics."""
    if any(one.name == container.name for one in init_containers(pod)):
        return "init_container"
    if any(one.name == container.name for one in ephemeral_containers(pod)):
        return "ephemeral_container"
    return "container"


def _backoff_key(pod: Pod, container: AnyContainer) -> str:
    """Return what a container's crashes are counted under; another image or other resources begin anew."""
    return f"{describe(pod)}/{container.name}/{container.image}/{container.resources}"
