"""The decision about one pod: taken, taken once others have gone, or rejected with upstream's reason and message.

Upstream: pkg/kubelet/lifecycle/predicate.go, pkg/kubelet/sysctl/allowlist.go, pkg/security/apparmor/validate.go. Taints
are not looked at: static pods are exempt from them, and no other pods come to a node that has no API server.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import (
    AnyContainer,
    all_containers,
    init_containers,
    is_critical,
    is_sidecar,
    labels,
    regular_containers,
    spec,
)
from kubeletsim.pods.admission.affinity import matches_node
from kubeletsim.pods.admission.fit import NodeShape, Shortage, shortages
from kubeletsim.pods.admission.preemption import CannotPreempt, choose_victims

OS_LABEL = "kubernetes.io/os"
ANY_ADDRESS = "0.0.0.0"  # what a host port without an address is bound to
SAFE_SYSCTLS = (
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"),
    *("net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
)
IPC_SYSCTLS = ("kernel.shm", "kernel.msg", "kernel.sem", "fs.mqueue.")


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a pod may not come."""

    reason: str
    """One word: the event's and the status' reason, and the metric's label."""
    message: str


@dataclass(frozen=True, slots=True)
class Admission:
    """The answer: yes unless there is a rejection."""

    rejection: Rejection | None = None
    victims: tuple[Pod, ...] = ()
    """Who has to be ended first, in this order."""
    short_of: str = ""
    """The resource they have to free."""


def decide(pod: Pod, others: Sequence[Pod], *, node: NodeShape) -> Admission:
    """Decide whether the node takes a pod.

    Args:
        pod: who wants to come, with defaults.
        others: the node's active pods without this one.
        node: what the node is and has.
    """
    if labels(pod).get(OS_LABEL, node.os) != node.os:
        text = f"Failed to admit pod as the `{OS_LABEL}` label doesn't match node label"
        return Admission(Rejection("PodOSSelectorNodeLabelDoesNotMatch", text))
    wanted_os = spec(pod).os
    if wanted_os is not None and wanted_os.name != node.os:
        text = "Failed to admit pod as the OS field doesn't match node OS"
        return Admission(Rejection("PodOSNotSupported", text))
    context = spec(pod).securityContext
    if context is not None and context.supplementalGroupsPolicy == "Strict" and not node.supplemental_groups_policy:
        text = "SupplementalGroupsPolicy=Strict is not supported in this node"
        return Admission(Rejection("SupplementalGroupsPolicyNotSupported", text))
    short = shortages(pod, others, node=node)
    failed = _failed_predicates(pod, others, node)
    if is_critical(pod):
        if failed:
            return Admission(failed[0])
        return _make_room(pod, others, short) if short else Admission()
    if short:
        return Admission(Rejection(f"OutOf{short[0].resource}", str(short[0])))
    return Admission(failed[0]) if failed else Admission()


def check_sysctls(pod: Pod, *, allowed_unsafe: Iterable[str]) -> Rejection | None:
    """Return why a pod's sysctls are refused: only safe ones pass, and those the configuration allows.

    Args:
        pod: whose security context may set some.
        allowed_unsafe: `allowedUnsafeSysctls`: names, or beginnings of names followed by a star.
    """
    context = spec(pod).securityContext
    allowed = (*SAFE_SYSCTLS, *allowed_unsafe)
    for sysctl in (context.sysctls if context is not None else None) or []:
        name = sysctl.name.replace("/", ".")
        if not any(name == one or (one.endswith("*") and name.startswith(one[:-1])) for one in allowed):
            why = "not allowlisted"
        elif name.startswith("net.") and spec(pod).hostNetwork:
            why = "not allowed with host net enabled"
        elif name.startswith(IPC_SYSCTLS) and spec(pod).hostIPC:
            why = "not allowed with host ipc enabled"
        else:
            continue
        return Rejection("SysctlForbidden", f'forbidden sysctl: "{name}" {why}')
    return None


def check_apparmor(pod: Pod, *, node: NodeShape) -> Rejection | None:
    """Return why a pod with an AppArmor profile is refused: the machine does not know AppArmor."""
    if node.apparmor or not any(_confined(pod, container) for container in all_containers(pod)):
        return None
    return Rejection("AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host")


def _confined(pod: Pod, container: AnyContainer) -> bool:
    contexts = (container.securityContext, spec(pod).securityContext)
    profiles = [context.appArmorProfile for context in contexts if context is not None]
    profile = next((one for one in profiles if one is not None), None)
    return profile is not None and profile.type != "Unconfined"


def _failed_predicates(pod: Pod, others: Sequence[Pod], node: NodeShape) -> list[Rejection]:
    checks = (
        ("NodeAffinity", "node(s) didn't match Pod's node affinity/selector", matches_node(pod, node=node)),
        ("NodeName", "node(s) didn't match the requested node name", spec(pod).nodeName in (None, "", node.name)),
        ("NodePorts", "node(s) didn't have free ports for the requested pod ports", _ports_are_free(pod, others)),
    )
    return [Rejection(name, f"Predicate {name} failed: {text}") for name, text, holds in checks if not holds]


def _make_room(pod: Pod, others: Sequence[Pod], short: Sequence[Shortage]) -> Admission:
    """A critical pod is not turned away for want of resources while less important pods have them."""
    try:
        return Admission(victims=tuple(choose_victims(pod, others, missing=short)), short_of=short[0].resource)
    except CannotPreempt as error:
        text = (
            "Unexpected error while attempting to recover from admission failure: "
            f"preemption: error finding a set of pods to preempt: {error}"
        )
        return Admission(Rejection("UnexpectedAdmissionError", text))


def _ports_are_free(pod: Pod, others: Iterable[Pod]) -> bool:
    taken = [port for other in others for port in _host_ports(other)]
    return not any(
        (protocol, number) == (their_protocol, their_number) and (address == theirs or ANY_ADDRESS in (address, theirs))
        for address, protocol, number in _host_ports(pod)
        for theirs, their_protocol, their_number in taken
    )


def _host_ports(pod: Pod) -> Iterator[tuple[str, str, int]]:
    """Yield address, protocol and number of each host port; init containers that end free theirs again."""
    sidecars = (container for container in init_containers(pod) if is_sidecar(container))
    for container in (*sidecars, *regular_containers(pod)):
        for port in container.ports or []:
            if port.hostPort:
                yield port.hostIP or ANY_ADDRESS, port.protocol or "TCP", port.hostPort
