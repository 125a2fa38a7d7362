"""What a kill does to a pod's status: phase Failed, its reason, and the condition that says the node did it.

Upstream: the status functions in pkg/kubelet/{preemption,eviction,nodeshutdown}, which say the same three times.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from lightkube.models.core_v1 import PodCondition, PodStatus

DISRUPTION_TARGET = "DisruptionTarget"
TERMINATION_BY_KUBELET = "TerminationByKubelet"


def disrupted(
    *, reason: str, message: str, now: float, condition_message: str | None = None, keep_success: bool = False
) -> Callable[[PodStatus], PodStatus]:
    """Return what turns a pod's status into that of a pod the node ended.

    Args:
        reason: of the status: Preempting, Evicted, Terminated.
        message: of the status.
        now: Unix seconds; when the node decided so.
        condition_message: of the condition; the status' own unless given.
        keep_success: leave the phase of a pod that has done its work.
    """
    time = datetime.fromtimestamp(int(now), UTC)

    def change(status: PodStatus) -> PodStatus:
        others = [condition for condition in status.conditions or [] if condition.type != DISRUPTION_TARGET]
        condition = PodCondition(
            type=DISRUPTION_TARGET,
            status="True",
            reason=TERMINATION_BY_KUBELET,
            message=message if condition_message is None else condition_message,
            lastTransitionTime=time,
            observedGeneration=status.observedGeneration,
        )
        return msgspec.structs.replace(
            status,
            phase=status.phase if keep_success and status.phase == "Succeeded" else "Failed",
            reason=reason,
            message=message,
            conditions=[condition, *others],
        )

    return change
