"""What the requests need to know about the node, and where a pod's files are on it.

Upstream: pkg/kubelet/kubelet_getters.go and pkg/kubelet/config/defaults.go for the paths.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lightkube.models.core_v1 import Pod

from kubeletsim.model.errors import KubeletSimError
from kubeletsim.model.labels import POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL
from kubeletsim.model.pod import pod_name, pod_namespace, pod_uid
from kubeletsim.model.requests import DNSConfig
from kubeletsim.model.runtime import CgroupDriver, PodUID

CPU_PERIOD_US = 100_000


class RequestError(KubeletSimError):
    """A pod's spec cannot be turned into a request; a sandbox or container of that kind will never start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """One node, as its pods' requests see it. Amounts are capacities; unset ones only matter to downward API fields."""

    name: str
    host_ips: tuple[str, ...] = ()
    """Primary address first."""
    root_dir: str = "/var/lib/kubelet"
    pod_logs_dir: str = "/var/log/pods"
    cgroup_driver: CgroupDriver = CgroupDriver.CGROUPFS
    cgroups_per_qos: bool = True
    cgroup_root: str = ""
    """cgroupRoot: below which all of the pods' are."""
    cgroup_v2: bool = True
    single_process_oom_kill: bool = False
    has_swap_controller: bool = False
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = ""
    resolv_conf: DNSConfig | None = field(default_factory=DNSConfig)
    """What the file of `resolvConf` says; None when the configuration names none."""
    hosts_file: str = ""
    """The host's own /etc/hosts, which pods on the host's network start from."""
    memory_capacity_bytes: int = 0
    cpu_capacity_milli: int = 0
    ephemeral_storage_capacity_bytes: int = 0
    hugepage_sizes: tuple[str, ...] = ()
    """Page sizes the machine has, as CRI spells them: `2MB`, `1GB`."""
    cpu_cfs_quota: bool = True
    cpu_cfs_quota_period_us: int = CPU_PERIOD_US
    seccomp_default: bool = False
    selinux_enabled: bool = False
    apparmor_enabled: bool = False
    recursive_read_only_mounts: bool = False
    """Whether the runtime's default handler has them, which settles `recursiveReadOnly: IfPossible`."""
    user_namespaces: bool = False
    """Whether the runtime's default handler has them, which `hostUsers: false` takes."""
    supplemental_groups_policy: bool = False
    """Whether the runtime heeds it, which `supplementalGroupsPolicy: Strict` takes."""
    extra_masked_paths: tuple[str, ...] = ()
    """Paths to hide that depend on the machine, such as each CPU's thermal_throttle directory."""


def pod_dir(uid: PodUID, *, node: NodeFacts) -> str:
    """Return the directory that holds everything of a pod but its logs."""
    return f"{node.root_dir}/pods/{uid}"


def volume_dir(uid: PodUID, *, plugin: str, volume: str, node: NodeFacts) -> str:
    """Return a volume's directory; `plugin` is the volume plugin's name after `kubernetes.io/`."""
    return f"{pod_dir(uid, node=node)}/volumes/kubernetes.io~{plugin}/{volume}"


def container_dir(uid: PodUID, *, container: str, node: NodeFacts) -> str:
    """Return the directory of a container's termination messages."""
    return f"{pod_dir(uid, node=node)}/containers/{container}"


def hosts_path(uid: PodUID, *, node: NodeFacts) -> str:
    """Return the file that becomes /etc/hosts in the pod's containers."""
    return f"{pod_dir(uid, node=node)}/etc-hosts"


def pod_log_dir(pod: Pod, *, node: NodeFacts) -> str:
    """Return the pod's log directory: namespace, name and UID, which for a static pod is its config hash."""
    return f"{node.pod_logs_dir}/{pod_namespace(pod)}_{pod_name(pod)}_{pod_uid(pod)}"


def container_log_path(container: str, *, restart_count: int) -> str:
    """Return a container's log file, relative to the pod's log directory."""
    return f"{container}/{restart_count}.log"


def pod_identity_labels(pod: Pod) -> Mapping[str, str]:
    """Return the labels by which a pod's sandboxes and containers are found again (pkg/kubelet/types/labels.go)."""
    return {
        POD_NAME_LABEL: pod_name(pod),
        POD_NAMESPACE_LABEL: pod_namespace(pod),
        POD_UID_LABEL: pod_uid(pod),
    }
