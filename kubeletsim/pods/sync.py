"""What a worker does for its pod, each the root of a trace: `syncPod`, `syncTerminatingPod`, `syncTerminatedPod`.

A fourth, the kill of a pod that only the runtime knows, has no span upstream, so its calls are roots themselves.
Spans are opened on an empty context and every call beneath inherits theirs. Errors are an `exception` event with Go's
type name and no stack trace, and an ERROR status with the text; syncTerminatedPod never carries one.

Upstream: SyncPod, SyncTerminatingPod, SyncTerminatingRuntimePod and SyncTerminatedPod in pkg/kubelet/kubelet.go.
"""

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Protocol

from lightkube.models.core_v1 import Pod, PodStatus
from opentelemetry.context import Context
from opentelemetry.trace import StatusCode, Tracer
from prometheus_client import CollectorRegistry, Histogram

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import KubeletSimError, SyncError
from kubeletsim.model.events import EventRecorder
from kubeletsim.model.pod import (
    CONFIG_SEEN_ANNOTATION,
    annotations,
    describe,
    is_static,
    pod_name,
    pod_namespace,
    pod_uid,
    spec,
    uses_host_network,
)
from kubeletsim.model.runtime import ContainerState, ObservedPod, PodUID, RuntimePod
from kubeletsim.pods.failures import ContainersStillRunning, MountFailure, go_type
from kubeletsim.pods.files import make_files
from kubeletsim.pods.lifecycle import RUNTIME_POD_GRACE_SECONDS, NetworkNotReady
from kubeletsim.pods.node_object import VersionService, look_at_node
from kubeletsim.pods.pod_events import pod_event
from kubeletsim.pods.reasons import ReasonCache
from kubeletsim.pods.requests import NodeFacts, plan_pod_files
from kubeletsim.pods.runtime_sync import RuntimeSync
from kubeletsim.pods.status import (
    DEADLINE_REASON,
    TERMINAL_PHASES,
    ProbeView,
    compute_pod_status,
    is_marked_to_restart_all,
    with_sandbox,
)
from kubeletsim.pods.status_manager import StatusManager
from kubeletsim.pods.stopping import PodStopper, RunningPod, pod_of_runtime
from kubeletsim.pods.terminations import Terminations
from kubeletsim.pods.user_namespaces import UserNamespaces
from kubeletsim.pods.volumes import VolumeManager

log = logging.getLogger(__name__)

SCOPE = "k8s.io/kubernetes/pkg/kubelet"

START_BUCKETS = (
    *(0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600),
    *(900, 1200, 1800, 2700, 3600),
)
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The Go client's, which the Python client's differ from."""

StatusFn = Callable[[PodStatus], PodStatus]
"""What a kill does to the pod's status, such as an eviction's phase and reason."""


class UpdateType(Enum):
    """Why a worker runs; the value is the span's and the metrics' word."""

    CREATE = "create"
    UPDATE = "update"
    SYNC = "sync"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """What a sync has to say to its worker."""

    terminal: bool = False
    """The pod's work is done; it is to terminate."""
    acted: bool = False
    """The runtime has changed; a look at it is worth while."""
    again: bool = False
    """The pod was cleared for its next sync, which is due at once."""


class PodProbes(Protocol):
    """What this module needs of `pods/probes`."""

    def add_pod(self, pod: Pod) -> None:
        """Have a pod's containers probed from now on, in the caller's context."""

    def view(self, pod: Pod, observed: ObservedPod) -> ProbeView:
        """Return what probes say of the pod's running containers."""

    def stop_liveness_and_startup(self, pod: Pod) -> None:
        """End the probes that could kill a container."""

    def remove_pod(self, uid: PodUID) -> None:
        """End all probes of a pod."""


class PodSync:
    """Brings pods to what their specs say, and to their end.

    Args:
        cri: asked for its version.
        runtime: carries out what a sync decides.
        stopper: stops whole pods.
        volumes: makes their volumes and takes them away.
        user_namespaces: gets their ranges of user ids back.
        probes: begin and end with a pod, and say what its status shows of its containers.
        observe: reads a pod's full state from the runtime, past the cache.
        statuses: where each sync leaves the pod's status.
        node: the facts of this node.
        runtime_name: as the runtime's Version gives it; the scheme of container ids.
        network_errors: why pods on the pod network cannot start now; empty when they can.
        tracer: of scope SCOPE.
        record: takes NetworkNotReady, Failed, FailedToRetrieveImagePullSecret, FailedKillPod and DeadlineExceeded.
        registry: gets kubelet_pod_start_duration_seconds, kubelet_pod_worker_start_duration_seconds and
            kubelet_terminated_containers_total.
        restarts_all: whether rules that restart all containers are heeded; gate RestartAllContainersOnContainerExits.
    """

    def __init__(
        self,
        cri: VersionService,
        *,
        runtime: RuntimeSync,
        stopper: PodStopper,
        volumes: VolumeManager,
        user_namespaces: UserNamespaces,
        probes: PodProbes,
        observe: Callable[[PodUID], Awaitable[ObservedPod]],
        statuses: StatusManager,
        node: NodeFacts,
        runtime_name: str,
        network_errors: Callable[[], list[str]],
        clock: Clock,
        tracer: Tracer,
        record: EventRecorder,
        registry: CollectorRegistry,
        restarts_all: bool = True,
    ) -> None:
        self._cri = cri
        self._runtime = runtime
        self._restarts_all = restarts_all
        self._terminations = Terminations(registry)
        self._stopper = stopper
        self._volumes = volumes
        self._user_namespaces = user_namespaces
        self._probes = probes
        self._observe = observe
        self._statuses = statuses
        self._node = node
        self._runtime_name = runtime_name
        self._network_errors = network_errors
        self._clock = clock
        self._tracer = tracer
        self._record = record
        self._reasons = ReasonCache()
        self._start_duration = Histogram(
            "kubelet_pod_start_duration_seconds",
            "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
            buckets=START_BUCKETS,
            registry=registry,
        )
        self._worker_start_duration = Histogram(
            "kubelet_pod_worker_start_duration_seconds",
            "Duration in seconds from kubelet seeing a pod to starting a worker.",
            buckets=DEFAULT_BUCKETS,
            registry=registry,
        )

    async def sync_pod(
        self, pod: Pod, observed: ObservedPod, *, update_type: UpdateType, going_down: Callable[[], bool]
    ) -> SyncOutcome:
        """Bring the pod one step nearer to its spec.

        Args:
            pod: the spec.
            observed: the runtime's state of the pod.
            update_type: why this sync runs.
            going_down: whether the pod is to end by now. That ends the wait for its volumes, and the Node is not looked
                at any more; what the runtime has to do is done nevertheless, as upstream.

        Raises:
            SyncError: some action failed; the text is upstream's.
            NetworkNotReady: the pod needs a network that is not there.
            MountFailure: the pod's directories cannot be made, or its volumes are not there after two minutes.
        """
        with self._traced("syncPod", pod, update_type=update_type):
            if update_type is UpdateType.CREATE:
                self._observe_since_seen(self._worker_start_duration, pod)
            status = self._compute_status(pod, observed, terminal=False)
            last = self._statuses.get(pod_uid(pod))
            self._statuses.set(pod, status)
            if status.phase in TERMINAL_PHASES:
                return SyncOutcome(terminal=True)
            # Once before it was ever seen to run, too, as upstream has it.
            if last is None or (last.phase == "Pending" and status.phase == "Running"):
                self._observe_since_seen(self._start_duration, pod)
            self._check_network(pod)
            if is_static(pod) and not going_down():  # whether it is due a mirror pod depends on the Node
                await look_at_node(self._cri)
            self._make_files(pod)
            await self._volumes.wait_for_mounts(pod, pod_ips=observed.ips, going_down=going_down)
            self._look_for_pull_secrets(pod)
            self._probes.add_pod(pod)  # here, so that what probes cost belongs to this span
            result = await self._runtime.sync(
                pod,
                observed,
                going_down=going_down,
                sandbox_ready=self._show_sandbox,
                restart_all=is_marked_to_restart_all(status),
            )
            self._reasons.update(pod_uid(pod), result)
            if (error := result.error()) is not None:
                raise error
            return SyncOutcome(acted=result.acted, again=result.reset)

    async def sync_terminating_pod(
        self, pod: Pod, observed: ObservedPod, *, grace_seconds: int | None, status_fn: StatusFn | None = None
    ) -> None:
        """Stop everything of a pod and make sure that it has stopped.

        Args:
            pod: the pod.
            observed: the runtime's state of it; only what runs there is stopped.
            grace_seconds: outranks the pod's own grace period; None for that.
            status_fn: what the kill does to the pod's status.

        Raises:
            SyncError: a container or sandbox was not stopped.
            CRIError: what is left could not be read.
            ContainersStillRunning: the runtime said all was stopped, but it is not.
        """
        with self._traced("syncTerminatingPod", pod):
            self._statuses.set(pod, self._ended(self._compute_status(pod, observed, terminal=False), status_fn))
            self._probes.stop_liveness_and_startup(pod)
            failures = await self._stopper.stop_pod(pod, RunningPod.observed(observed), grace_seconds=grace_seconds)
            if failures:
                error = SyncError(failures)
                self._record(pod_event(pod, "FailedKillPod", f"error killing pod: {error}", warning=True))
                raise error
            self._probes.remove_pod(pod_uid(pod))
            left = await self._observe(pod_uid(pod))
            left = replace(left, ips=left.ips or observed.ips)  # the API shows a pod's addresses until its end
            running = [one.name for one in left.containers if one.state is ContainerState.RUNNING]
            if running:
                raise ContainersStillRunning(
                    "detected running containers after a successful KillPod, "
                    f"CRI violation: [{' '.join(sorted(running))}]"
                )
            self._statuses.set(pod, self._ended(self._compute_status(pod, left, terminal=True), status_fn))

    async def sync_terminating_runtime_pod(self, running: RuntimePod) -> None:
        """Stop everything of a pod that only the runtime knows; without a span, as upstream.

        Raises:
            SyncError: a container or sandbox was not stopped.
        """
        pod = pod_of_runtime(running)
        failures = await self._stopper.stop_pod(
            pod, RunningPod.listed(running), grace_seconds=RUNTIME_POD_GRACE_SECONDS
        )
        if failures:
            error = SyncError(failures)
            self._record(pod_event(pod, "FailedKillPod", f"error killing pod: {error}", warning=True))
            raise error

    async def sync_terminated_pod(self, pod: Pod, observed: ObservedPod) -> None:
        """Settle a pod of which nothing runs any more: its last status, and the word that nothing is left of it."""
        with self._traced("syncTerminatedPod", pod, errors=False):
            self._statuses.set(pod, self._compute_status(pod, observed, terminal=True))
            await self._volumes.unmount(pod)
            self._user_namespaces.release(pod_uid(pod))
            self._statuses.finish(pod)
            self._reasons.forget(pod_uid(pod))

    def _compute_status(self, pod: Pod, observed: ObservedPod, *, terminal: bool) -> PodStatus:
        last = self._statuses.get(pod_uid(pod))
        status = compute_pod_status(
            pod,
            observed,
            previous=last,
            waiting=self._reasons.of(pod_uid(pod)),
            terminal=terminal,
            now=self._clock.now(),
            runtime_name=self._runtime_name,
            probes=self._probes.view(pod, observed),
            restarts_all=self._restarts_all,
        )
        self._terminations.note(status, last=last)
        if status.reason == DEADLINE_REASON:  # once for each look at the pod, as upstream
            self._record(pod_event(pod, DEADLINE_REASON, status.message or ""))
        return status

    def _show_sandbox(self, pod: Pod) -> None:
        """Let the pod's status say at once that its sandbox is there: pulls may keep the next sync waiting for long."""
        status = self._statuses.get(pod_uid(pod))
        if status is not None:
            self._statuses.set(pod, with_sandbox(pod, status, now=self._clock.now()))

    @staticmethod
    def _ended(status: PodStatus, status_fn: StatusFn | None) -> PodStatus:
        return status if status_fn is None else status_fn(status)

    def _check_network(self, pod: Pod) -> None:
        errors = self._network_errors()
        if not errors or uses_host_network(pod):
            return
        text = f"network is not ready: {errors[0] if len(errors) == 1 else '[' + ', '.join(errors) + ']'}"
        self._record(pod_event(pod, "NetworkNotReady", text, warning=True))
        raise NetworkNotReady(text)

    def _look_for_pull_secrets(self, pod: Pod) -> None:
        """Tell that a pod's own credentials cannot be had; its images are pulled with the node's."""
        names = [reference.name for reference in spec(pod).imagePullSecrets or [] if reference.name]
        if names:
            text = (
                f"Unable to retrieve some image pull secrets ({', '.join(names)}); "
                "attempting to pull the image may not succeed."
            )
            self._record(pod_event(pod, "FailedToRetrieveImagePullSecret", text, warning=True))

    def _make_files(self, pod: Pod) -> None:
        try:
            make_files(plan_pod_files(pod, node=self._node))
        except OSError as error:
            text = f"error making pod data directories: {error}"
            self._record(pod_event(pod, "Failed", text, warning=True))
            raise MountFailure(text) from error

    def _observe_since_seen(self, histogram: Histogram, pod: Pod) -> None:
        """Measure the time since a source brought the pod, where the source wrote that down."""
        seen = annotations(pod).get(CONFIG_SEEN_ANNOTATION)
        if seen is not None:
            histogram.observe(max(0.0, self._clock.now() - datetime.fromisoformat(seen).timestamp()))

    @contextmanager
    def _traced(
        self, name: str, pod: Pod, *, update_type: UpdateType | None = None, errors: bool = True
    ) -> Iterator[None]:
        """Run a block as the root span of its own trace."""
        identity = {
            "k8s.pod.uid": str(pod_uid(pod)),
            "k8s.pod": f"{pod_namespace(pod)}/{pod_name(pod)}",
            "k8s.pod.name": pod_name(pod),
            **({"k8s.pod.update_type": update_type.value} if update_type is not None else {}),
            "k8s.namespace.name": pod_namespace(pod),
        }
        with self._tracer.start_as_current_span(
            name, context=Context(), attributes=identity, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except KubeletSimError as error:
                log.debug("%s of %s failed: %s", name, describe(pod), error)
                if errors:
                    span.add_event("exception", {"exception.type": go_type(error), "exception.message": str(error)})
                    span.set_status(StatusCode.ERROR, str(error))
                raise
