"""What a container's exit asks for: the restart policies of pod and container, and the container's exit-code rules.

A rule of the container outranks the container's policy, which outranks the pod's; sidecars always come back.
Upstream: pkg/api/v1/pod/util.go (ContainerShouldRestart, FindMatchingContainerRestartRule), gate ContainerRestartRules.
"""

from typing import Literal

from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod.identity import AnyContainer, spec

RestartPolicy = Literal["Always", "OnFailure", "Never"]
RestartRuleAction = Literal["Restart", "RestartAllContainers"]


def pod_restart_policy(pod: Pod) -> RestartPolicy:
    """Return the pod's restart policy; Always where the spec is silent."""
    return _policy(spec(pod).restartPolicy) or "Always"


def container_restart_policy(pod: Pod, container: AnyContainer) -> RestartPolicy:
    """Return the policy that holds for a container: its own, else the pod's."""
    return _policy(container.restartPolicy) or pod_restart_policy(pod)


def matching_restart_rule(container: AnyContainer, *, exit_code: int) -> RestartRuleAction | None:
    """Return the action of the container's first rule that an exit code matches; None when none does."""
    for rule in container.restartPolicyRules or []:
        if rule.exitCodes is None:
            continue
        listed = exit_code in (rule.exitCodes.values or [])
        if listed == (rule.exitCodes.operator == "In") and rule.exitCodes.operator in ("In", "NotIn"):
            return "RestartAllContainers" if rule.action == "RestartAllContainers" else "Restart"
    return None


def restarts_on_exit(pod: Pod, container: AnyContainer, *, exit_code: int) -> bool:
    """Tell whether a container that ended with this code is to be started again."""
    if container.restartPolicy and matching_restart_rule(container, exit_code=exit_code) is not None:
        return True
    policy = container_restart_policy(pod, container)
    return policy == "Always" or (policy == "OnFailure" and exit_code != 0)


def _policy(text: str | None) -> RestartPolicy | None:
    """Narrow a spec's text; validation has refused everything else before a pod gets here."""
    return text if text in ("Always", "OnFailure", "Never") else None  # type: ignore[return-value]
