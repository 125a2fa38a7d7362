"""Lets pods in, or turns them away: carries out what `pods/admission` decides.

The order is upstream's: whether the node is short of something, what the pod asks of the kernel, the node's capacity
and labels, and last whether the node is about to go. For the third the kubelet wants its Node object, which costs a
standalone kubelet one Version; a rejected pod costs no other call. It stays in the list of pods with its status and
never gets a worker.

Upstream: canAdmitPod and rejectPod in pkg/kubelet/kubelet.go, pkg/kubelet/allocation/allocation_manager.go.
"""

import logging
from collections.abc import Callable, Sequence

from lightkube.models.core_v1 import Pod
from prometheus_client import CollectorRegistry, Counter, Gauge

from kubeletsim.base.timing import Clock
from kubeletsim.model.events import EventRecorder
from kubeletsim.model.pod import describe, pod_uid
from kubeletsim.model.pressure import NodePressure
from kubeletsim.pods.admission import (
    Admission,
    NodeShape,
    Rejection,
    check_apparmor,
    check_pressure,
    check_sysctls,
    decide,
)
from kubeletsim.pods.disruption import disrupted
from kubeletsim.pods.failures import PodNotKilledInTime
from kubeletsim.pods.node_object import VersionService, look_at_node
from kubeletsim.pods.pod_events import pod_event
from kubeletsim.pods.pod_manager import PodManager
from kubeletsim.pods.status import TERMINAL_PHASES, failed_status
from kubeletsim.pods.status_manager import StatusManager
from kubeletsim.pods.workers import Kill, PodWorkers

log = logging.getLogger(__name__)

PREEMPTED = "Preempted in order to admit critical pod"
PREEMPTED_CONDITION = "Pod was preempted by Kubelet to accommodate a critical pod."

Refusal = Callable[[Pod], Rejection | None]
"""Says why a pod may not come now, or None."""


class PodAdmitter:
    """Decides about pods that come.

    Args:
        cri: asked for its version.
        node: what the node has for pods.
        allowed_unsafe_sysctls: the configuration's.
        pods: the wanted pods; those that are rejected are marked there.
        workers: who has ended already, and who ends those that have to make room.
        statuses: where a rejected pod's status goes.
        pressure: what the node is short of.
        refusals: what else may keep pods out, asked last: a node that shuts down.
        record: takes a rejection's reason, Preempting and Evicted.
        registry: gets kubelet_admission_rejections_total and kubelet_preemptions.
    """

    def __init__(
        self,
        cri: VersionService,
        *,
        node: NodeShape,
        allowed_unsafe_sysctls: Sequence[str],
        pods: PodManager,
        workers: PodWorkers,
        statuses: StatusManager,
        pressure: NodePressure,
        refusals: Sequence[Refusal] = (),
        clock: Clock,
        record: EventRecorder,
        registry: CollectorRegistry,
    ) -> None:
        self._cri = cri
        self._node = node
        self._allowed_unsafe_sysctls = tuple(allowed_unsafe_sysctls)
        self._pods = pods
        self._workers = workers
        self._statuses = statuses
        self._pressure = pressure
        self._refusals = refusals
        self._clock = clock
        self._record = record
        self._rejections = Counter(
            "kubelet_admission_rejections",
            "Cumulative number pod admission rejections by the Kubelet.",
            ["reason"],
            registry=registry,
        )
        # A counter upstream, but the Python client would name it kubelet_preemptions_total.
        self._preemptions = Gauge(
            "kubelet_preemptions",
            "Cumulative number of pod preemptions by preemption resource",
            ["preemption_signal"],
            registry=registry,
        )

    async def admit(self, pod: Pod) -> bool:
        """Tell whether a pod may come, after making room for it; a pod that may not is marked and gets its status.

        A pod that is about to end or has ended is not asked about: its worker only has to see it off.
        """
        if self._workers.is_going_down(pod_uid(pod)) or (pod.status and pod.status.phase in TERMINAL_PHASES):
            return True
        admission = await self._decide(pod)
        if admission.rejection is not None:
            self._reject(pod, admission.rejection)
            return False
        for victim in admission.victims:
            await self._preempt(victim, short_of=admission.short_of)
        return True

    def active_pods(self) -> list[Pod]:
        """Return the pods that hold resources: all but those that were rejected or have stopped."""
        return [pod for pod in self._pods.pods() if self._is_active(pod)]

    async def evict(self, pod: Pod, *, grace_seconds: int, message: str) -> None:
        """End a pod for the node's sake, for the eviction manager; returns when it has ended, or would not."""
        self._record(pod_event(pod, "Evicted", message, warning=True))
        status_fn = disrupted(reason="Evicted", message=message, now=self._clock.now())
        await self._end(pod, Kill(grace_seconds=grace_seconds, evict=True, status_fn=status_fn))

    async def _decide(self, pod: Pod) -> Admission:
        if (rejection := check_pressure(pod, self._pressure.conditions)) is not None:
            return Admission(rejection)
        if (rejection := check_sysctls(pod, allowed_unsafe=self._allowed_unsafe_sysctls)) is not None:
            return Admission(rejection)
        await look_at_node(self._cri)
        others = [other for other in self.active_pods() if pod_uid(other) != pod_uid(pod)]
        admission = decide(pod, others, node=self._node)
        if admission.rejection is None:
            refused = check_apparmor(pod, node=self._node)
            refused = refused or next(filter(None, (refusal(pod) for refusal in self._refusals)), None)
            return admission if refused is None else Admission(refused)
        return admission

    def _is_active(self, pod: Pod) -> bool:
        uid = pod_uid(pod)
        if self._pods.is_rejected(uid) or self._workers.has_stopped(uid):
            return False
        status = self._statuses.get(uid)
        ended = status is not None and status.phase in TERMINAL_PHASES
        return self._workers.is_going_down(uid) or not ended

    def _reject(self, pod: Pod, rejection: Rejection) -> None:
        log.warning("Pod %s was rejected: %s: %s", describe(pod), rejection.reason, rejection.message)
        self._pods.reject(pod)
        self._record(pod_event(pod, rejection.reason, rejection.message, warning=True))
        self._statuses.set(
            pod,
            failed_status(
                pod,
                reason=rejection.reason,
                message=f"Pod was rejected: {rejection.message}",
                previous=None,
                now=self._clock.now(),
            ),
        )
        self._rejections.labels(rejection.reason).inc()

    async def _preempt(self, victim: Pod, *, short_of: str) -> None:
        self._record(pod_event(victim, "Preempting", PREEMPTED, warning=True))
        status_fn = disrupted(
            reason="Preempting", message=PREEMPTED, condition_message=PREEMPTED_CONDITION, now=self._clock.now()
        )
        await self._end(victim, Kill(evict=True, status_fn=status_fn))
        self._preemptions.labels(short_of).inc()

    async def _end(self, pod: Pod, kill: Kill) -> None:
        try:
            await self._workers.kill_pod(pod, kill)
        except PodNotKilledInTime as error:  # it goes on ending; whoever wanted its place does not wait any longer
            log.error("Failed to evict pod %s: %s", describe(pod), error)  # noqa: TRY400  expected, no traceback
