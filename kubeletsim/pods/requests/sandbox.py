"""The request for a pod's sandbox. Upstream: pkg/kubelet/kuberuntime/kuberuntime_sandbox.go."""

from collections.abc import Iterator

from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import annotations, labels, pod_name, pod_namespace, pod_uid, regular_containers, spec
from kubeletsim.model.requests import IDMapping, LinuxSandboxConfig, PortMapping, SandboxConfig
from kubeletsim.pods.requests.limits import cgroup_parent, sandbox_overhead, sandbox_resources
from kubeletsim.pods.requests.names import dns_config, hostname
from kubeletsim.pods.requests.node import NodeFacts, pod_identity_labels, pod_log_dir
from kubeletsim.pods.requests.security import sandbox_security


def sandbox_config(pod: Pod, *, attempt: int, node: NodeFacts, userns: IDMapping | None = None) -> SandboxConfig:
    """Return the pod's sandbox configuration.

    Args:
        pod: the pod, with defaults.
        attempt: how many sandboxes the pod has had before.
        node: the facts of this node.
        userns: the range of user ids given to a pod with hostUsers false.

    Raises:
        RequestError: the pod's host name is impossible.
    """
    security = spec(pod).securityContext
    sysctls = (security.sysctls or []) if security is not None else []
    return SandboxConfig(
        name=pod_name(pod),
        namespace=pod_namespace(pod),
        uid=pod_uid(pod),
        attempt=attempt,
        hostname=hostname(pod, node=node),
        log_directory=pod_log_dir(pod, node=node),
        dns_config=dns_config(pod, node=node),
        port_mappings=tuple(_port_mappings(pod)),
        labels={**labels(pod), **pod_identity_labels(pod)},
        annotations=dict(annotations(pod)),
        linux=LinuxSandboxConfig(
            cgroup_parent=cgroup_parent(pod, node=node),
            security_context=sandbox_security(pod, userns=userns),
            sysctls={sysctl.name: sysctl.value for sysctl in sysctls},
            overhead=sandbox_overhead(pod, node=node),
            resources=sandbox_resources(pod, node=node),
        ),
    )


def _port_mappings(pod: Pod) -> Iterator[PortMapping]:
    """Yield every port of the regular containers, published on the host or not; of two that say the same, one."""
    for container in regular_containers(pod):
        seen = set()
        for port in container.ports or []:
            mapping = PortMapping(
                protocol=port.protocol or "TCP",
                container_port=port.containerPort,
                host_port=port.hostPort or 0,
                host_ip=port.hostIP or "",
            )
            if mapping not in seen:
                seen.add(mapping)
                yield mapping
