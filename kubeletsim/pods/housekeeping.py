"""Housekeeping: makes workers, runtime, directories and statuses agree with the pods that are wanted.

It catches what events miss: pods that left while a source was away, pods of an earlier run of the kubelet, directories
of pods that are no more. Its two calls, ListPodSandbox and ListContainers of what runs, are roots.

Upstream: HandlePodCleanups in pkg/kubelet/kubelet_pods.go, whose order this keeps.
"""

import asyncio
import logging
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Collection, Mapping
from itertools import product
from pathlib import Path

from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Counter, Gauge

from kubeletsim.model.errors import CRIError
from kubeletsim.model.pod import ephemeral_containers, is_static, pod_uid
from kubeletsim.model.runtime import PodUID, RuntimePod
from kubeletsim.pods.files import has_volumes, pod_dirs, remove_pod_dir
from kubeletsim.pods.lifecycle import RUNTIME_POD_GRACE_SECONDS, WorkerState
from kubeletsim.pods.pod_manager import PodManager
from kubeletsim.pods.status_manager import StatusManager
from kubeletsim.pods.sync import UpdateType
from kubeletsim.pods.workers import Kill, PodWorkers, Worker

log = logging.getLogger(__name__)

ListRunningPods = Callable[[], Awaitable[Mapping[PodUID, RuntimePod]]]
"""Lists what runs in the runtime, by pod UID; raises CRIError."""


class Housekeeper:
    """Cleans up.

    Args:
        pods: the pods that are wanted.
        workers: what is done about them.
        statuses: loses those of pods that are no more.
        keep_probes: ends the probes of all pods but these.
        keep_user_namespaces: takes back the ranges of user ids of all pods but these.
        list_running_pods: reads the runtime.
        root_dir: where the pods' directories are.
        collect_backoff: forgets backoff of what has not failed for long.
        registry: gets kubelet_desired_pods, _active_pods, _working_pods, _orphaned_runtime_pods_total,
            _restarted_pods_total and _orphan_pod_cleaned_volumes.
    """

    def __init__(
        self,
        *,
        pods: PodManager,
        workers: PodWorkers,
        statuses: StatusManager,
        keep_probes: Callable[[Collection[PodUID]], None],
        keep_user_namespaces: Callable[[Collection[PodUID]], None],
        list_running_pods: ListRunningPods,
        root_dir: Path,
        collect_backoff: Callable[[], None],
        registry: CollectorRegistry,
    ) -> None:
        self._pods = pods
        self._workers = workers
        self._statuses = statuses
        self._keep_probes = keep_probes
        self._keep_user_namespaces = keep_user_namespaces
        self._list_running_pods = list_running_pods
        self._root_dir = root_dir
        self._collect_backoff = collect_backoff
        self._metrics = _Metrics(registry)

    async def clean_up(self) -> None:
        """Take one turn. Only to be called once every source has reported.

        A runtime that does not answer ends the turn early: what is not known to be gone must not be cleaned up.
        """
        desired = {pod_uid(pod): pod for pod in self._pods.pods()}
        working = self._workers.sync_known_pods(desired.values())
        self._keep_probes({uid for uid, worker in working.items() if not worker.has_stopped})
        try:
            running = await self._list_running_pods()
        except CRIError as error:
            log.error("Error listing containers: %s", error)  # noqa: TRY400  expected, no traceback
            return
        self._statuses.keep_only(desired.keys())  # readiness probes of a pod that ends without a manifest stop at that
        self._keep_user_namespaces(desired.keys() | working.keys() | running.keys())
        await self._remove_orphaned_dirs(desired.keys() | working.keys() | running.keys())
        self._metrics.count(desired, working, rejected={uid for uid in desired if self._pods.is_rejected(uid)})
        self._restart(desired, working)
        self._kill_runtime_pods(working, running)
        self._collect_backoff()

    async def _remove_orphaned_dirs(self, known: Collection[PodUID]) -> None:
        try:
            orphans = [uid for uid in pod_dirs(self._root_dir) if uid not in known]
        except OSError as error:
            log.warning("Failed cleaning up orphaned pod directories: %s", error)
            return
        self._metrics.cleaned_volumes.set(sum(has_volumes(self._root_dir, uid) for uid in orphans))
        for uid in orphans:
            await asyncio.to_thread(remove_pod_dir, self._root_dir, uid)  # a volume may hold a great many files

    def _restart(self, desired: Mapping[PodUID, Pod], working: Mapping[PodUID, Worker]) -> None:
        """Begin anew with pods that were added again while they ended, once they have."""
        for uid, pod in desired.items():
            if uid not in working and not self._pods.is_rejected(uid):
                self._metrics.restarted.labels(_static_label(pod)).inc()
                self._workers.update_pod(UpdateType.CREATE, pod=pod)

    def _kill_runtime_pods(self, working: Mapping[PodUID, Worker], running: Mapping[PodUID, RuntimePod]) -> None:
        """End what runs and no worker knows: pods that left while the kubelet was not there to see it."""
        for uid, runtime_pod in running.items():
            if uid not in working and (self._pods.get(uid) is None or self._pods.is_rejected(uid)):
                log.info("Killing orphaned pod %s_%s(%s)", runtime_pod.name, runtime_pod.namespace, uid)
                kill = Kill(grace_seconds=RUNTIME_POD_GRACE_SECONDS)
                self._workers.update_pod(UpdateType.KILL, running_pod=runtime_pod, kill=kill)
                self._metrics.orphaned.inc()


WORKING_LABELS = (
    *product(("sync", "terminating", "terminated"), ("desired", "orphan"), ("", "true")),
    *product(("sync", "terminating", "terminated"), ("runtime_only",), ("unknown",)),
)
"""The labels of kubelet_working_pods; those of which there is nothing are shown as well."""


class _Metrics:
    """What housekeeping counts."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"kubelet_{name}", text, labels, registry=registry)

        self._desired = gauge(
            "desired_pods",
            (
                "The number of pods the kubelet is being instructed to run. static is true if the pod is "
                "not from the apiserver."
            ),
            "static",
        )
        self._active = gauge(
            "active_pods",
            (
                "The number of pods the kubelet considers active and which are being considered when "
                "admitting new pods. static is true if the pod is not from the apiserver."
            ),
            "static",
        )
        self._working = gauge(
            "working_pods",
            (
                "Number of pods the kubelet is actually running, broken down by lifecycle phase, whether "
                "the pod is desired, orphaned, or runtime only (also orphaned), and whether the pod is "
                "static. An orphaned pod has been removed from local configuration or force deleted in "
                "the API and consumes resources that are not otherwise visible."
            ),
            "lifecycle",
            "config",
            "static",
        )
        # Mirror pods are made at an API server, of which this node has none.
        gauge("mirror_pods", "The number of mirror pods the kubelet will try to create (one per admitted static pod)")
        self._ephemeral = gauge(
            "managed_ephemeral_containers",
            "Current number of ephemeral containers in pods managed by this kubelet.",
        )
        self.cleaned_volumes = gauge(
            "orphan_pod_cleaned_volumes",
            "The total number of orphaned Pods whose volumes were cleaned in the last periodic sweep.",
        )
        self.orphaned = Counter(
            "kubelet_orphaned_runtime_pods_total",
            (
                "Number of pods that have been detected in the container runtime without being already "
                "known to the pod worker. This typically indicates the kubelet was restarted while a pod "
                "was force deleted in the API or in the local configuration, which is unusual."
            ),
            registry=registry,
        )
        self.restarted = _restarted_pods(registry)

    def count(
        self, desired: Mapping[PodUID, Pod], working: Mapping[PodUID, Worker], *, rejected: Collection[PodUID]
    ) -> None:
        """Set the gauges to what is wanted and what is worked on."""
        wanted = Tally(_static_label(pod) for pod in desired.values())
        active = Tally(
            _static_label(pod)
            for uid, pod in desired.items()
            if uid not in rejected and (uid not in working or not working[uid].has_stopped)
        )
        for label in ("", "true"):
            self._desired.labels(label).set(wanted[label])
            self._active.labels(label).set(active[label])
        self._ephemeral.set(sum(len(ephemeral_containers(pod)) for pod in desired.values()))
        for labels in WORKING_LABELS:
            self._working.labels(*labels).set(0)
        for worker in working.values():
            if worker.state is not WorkerState.FINISHED:
                labels = (worker.state.value, _config_label(worker, desired), _worker_label(worker))
                self._working.labels(*labels).inc()


def _restarted_pods(registry: CollectorRegistry) -> Counter:
    restarted = Counter(
        "kubelet_restarted_pods_total",
        (
            "Number of pods that have been restarted because they were deleted and recreated with the"
            " same UID while the kubelet was watching them (common for static pods, extremely "
            "uncommon for API pods)"
        ),
        ["static"],
        registry=registry,
    )
    for static in ("", "true"):
        restarted.labels(static)
    return restarted


def _static_label(pod: Pod) -> str:
    return "true" if is_static(pod) else ""


def _worker_label(worker: Worker) -> str:
    return "unknown" if worker.pod is None else _static_label(worker.pod)


def _config_label(worker: Worker, desired: Mapping[PodUID, Pod]) -> str:
    if worker.uid in desired:
        return "desired"
    return "orphan" if worker.pod is not None else "runtime_only"
