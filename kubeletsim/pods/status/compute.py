"""The status of a pod as a whole: what `/pods` shows, and what an API server would be told.

Upstream: generateAPIPodStatus and convertStatusToAPIStatus in pkg/kubelet/kubelet_pods.go; the times that stay are kept
in pkg/kubelet/status/status_manager.go there.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from lightkube.models.core_v1 import ContainerStatus, Pod, PodIP, PodStatus, ResourceRequirements

from kubeletsim.model.pod import (
    amounts,
    metadata,
    pod_amounts,
    qos_class,
    regular_containers,
    spec,
)
from kubeletsim.model.quantity import Quantity
from kubeletsim.model.runtime import ObservedPod, SandboxState
from kubeletsim.pods.status.conditions import pod_conditions
from kubeletsim.pods.status.containers import (
    ContainerKind,
    ProbeView,
    WaitingReason,
    container_statuses,
    shorten_messages,
)
from kubeletsim.pods.status.phase import TERMINAL_PHASES, Phase, pod_phase
from kubeletsim.pods.status.restarting import could_restart_all, is_restarting_all

DEADLINE_REASON = "DeadlineExceeded"
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


def compute_pod_status(
    pod: Pod,
    observed: ObservedPod,
    *,
    previous: PodStatus | None,
    waiting: Mapping[str, WaitingReason],
    terminal: bool,
    now: float,
    runtime_name: str,
    probes: ProbeView | None = None,
    restarts_all: bool = True,
) -> PodStatus:
    """Return the pod's status.

    The node's addresses are not in it, which a kubelet takes from the API server's Node; so a pod on the host's network
    has none here.

    Args:
        pod: the pod, with defaults.
        observed: what the runtime reports of it.
        previous: the status computed last; None at first, then the pod's own counts.
        waiting: by container, why its last start failed; an entry goes when a start succeeds.
        terminal: whether the pod's worker has decided that the pod ends.
        now: Unix seconds.
        runtime_name: as the runtime's Version gives it; the scheme of container ids.
        probes: what probes say; None on a node that does not probe, where running containers are ready.
        restarts_all: whether rules that restart all of a pod's containers are heeded.
    """
    before = previous if previous is not None else pod.status
    old = before if before is not None else PodStatus()
    view = probes if probes is not None else ProbeView()
    time = datetime.fromtimestamp(int(now), UTC)
    restarting = is_restarting_all(pod, observed, old) if restarts_all and could_restart_all(pod) else None

    def statuses_of(kind: ContainerKind) -> list[ContainerStatus]:
        return container_statuses(
            pod,
            kind,
            observed=observed,
            old=old,
            waiting=waiting,
            probes=view,
            runtime_name=runtime_name,
            restarting=bool(restarting),
        )

    init, regular, ephemeral = statuses_of("init"), statuses_of("regular"), statuses_of("ephemeral")
    shorten_messages([*init, *regular, *ephemeral])
    begun = {one.name for one in old.initContainerStatuses or () if one.started}
    initialized = _is_initialized(pod, observed)
    phase = pod_phase(pod, [*regular, *init], terminal=terminal, initialized=initialized, started=begun)
    started = old.startTime or time
    phase, reason, message = _outcome(phase, old, overdue=is_past_deadline(pod, started=started, now=now))
    conditions = pod_conditions(
        pod, observed, phase=phase, init_statuses=init, statuses=regular, old=old, restarting=restarting, now=time
    )
    status = PodStatus(phase=phase, reason=reason, message=message, conditions=conditions, startTime=started)
    status.initContainerStatuses = init or None
    status.containerStatuses = regular or None
    status.ephemeralContainerStatuses = ephemeral or None
    return _with_facts(status, pod, observed)


def _with_facts(status: PodStatus, pod: Pod, observed: ObservedPod) -> PodStatus:
    """Add what does not depend on how far the pod has come."""
    status.podIP, status.podIPs = next(iter(observed.ips), None), [PodIP(ip=ip) for ip in observed.ips] or None
    status.resources = _resources(pod)
    status.allocatedResources = status.resources.requests
    status.qosClass, status.observedGeneration = qos_class(pod), metadata(pod).generation
    return status


def _resources(pod: Pod) -> ResourceRequirements:
    """Return what the pod needs in all, as its status shows it (getEffectiveAllocatedResources upstream)."""
    overhead = amounts(spec(pod).overhead)
    requests = pod_amounts(pod, "requests", overhead=True)
    limits = pod_amounts(pod, "limits")
    limits = {name: limit + overhead.get(name, Quantity()) if limit else limit for name, limit in limits.items()}
    own = spec(pod).resources
    return ResourceRequirements(
        claims=own.claims if own is not None else None,
        requests={name: str(amount) for name, amount in requests.items()} or None,
        limits={name: str(amount) for name, amount in limits.items()} or None,
    )


def failed_status(pod: Pod, *, reason: str, message: str, previous: PodStatus | None, now: float) -> PodStatus:
    """Return the status of a pod that the node gave up by decision: rejected, evicted, shut down."""
    before = previous if previous is not None else PodStatus()
    time = datetime.fromtimestamp(int(now), UTC)
    return PodStatus(
        phase="Failed",
        reason=reason,
        message=message,
        startTime=before.startTime or time,
        qosClass=qos_class(pod),
        observedGeneration=metadata(pod).generation,
        podIP=before.podIP,
        podIPs=before.podIPs,
        conditions=before.conditions,
        initContainerStatuses=before.initContainerStatuses,
        containerStatuses=before.containerStatuses,
        ephemeralContainerStatuses=before.ephemeralContainerStatuses,
    )


def is_past_deadline(pod: Pod, *, started: datetime | None, now: float) -> bool:
    """Tell whether a pod has been active for its activeDeadlineSeconds (pkg/kubelet/active_deadline.go).

    Args:
        pod: whose spec may set the deadline.
        started: its status' startTime; None for a pod that this node has not looked at yet.
        now: Unix seconds.
    """
    deadline = spec(pod).activeDeadlineSeconds
    return deadline is not None and started is not None and now - started.timestamp() >= deadline


def _outcome(phase: Phase, old: PodStatus, *, overdue: bool) -> tuple[Phase, str | None, str | None]:
    """Return phase, reason and message after what was said before and the pod's deadline have had their say."""
    for ended in TERMINAL_PHASES:
        if old.phase == ended and phase not in TERMINAL_PHASES:
            phase = ended  # what has ended does not begin again under the same UID
    if overdue and phase not in TERMINAL_PHASES:
        return "Failed", DEADLINE_REASON, DEADLINE_MESSAGE
    return (phase, old.reason, old.message) if old.phase == phase else (phase, None, None)


def _is_initialized(pod: Pod, observed: ObservedPod) -> bool:
    """Tell whether the present sandbox has had a regular container: one no older than the sandbox."""
    sandbox = next((s for s in observed.sandboxes if s.state is SandboxState.READY), None)
    names = {container.name for container in regular_containers(pod)}
    return sandbox is not None and any(
        status.name in names and status.created_at >= sandbox.created_at for status in observed.containers
    )
