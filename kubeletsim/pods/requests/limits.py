"""Where a pod's containers run and what they may use: cgroup parents, CPU, memory, and who dies first without memory.

Upstream: pkg/kubelet/cm/pod_container_manager_linux.go, pkg/kubelet/kuberuntime/kuberuntime_container_linux.go and
kuberuntime_sandbox_linux.go, pkg/kubelet/qos/policy.go.
"""

from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import (
    AnyContainer,
    init_containers,
    is_node_critical,
    is_sidecar,
    pod_uid,
    regular_containers,
    spec,
)
from kubeletsim.model.pod.resources import (
    Amounts,
    amounts,
    container_amounts,
    pod_amounts,
    pod_level_amounts,
    qos_class,
)
from kubeletsim.model.quantity import Quantity
from kubeletsim.model.requests import LinuxResources
from kubeletsim.model.runtime import CgroupDriver
from kubeletsim.pods.requests.node import NodeFacts

MIN_CPU_SHARES = 2
MAX_CPU_SHARES = 262_144
MIN_CPU_QUOTA_US = 1000
GUARANTEED_OOM_SCORE = -997
BEST_EFFORT_OOM_SCORE = 1000
MIN_BURSTABLE_OOM_SCORE = 1000 + GUARANTEED_OOM_SCORE
MILLI = 1000


def cgroup_parent(pod: Pod, *, node: NodeFacts) -> str:
    """Return the cgroup the pod's containers live in; empty when the kubelet keeps no cgroups per QoS class.

    As path parts below the root's; systemd has one slice a part, named after all parts so far
    (pkg/kubelet/cm/cgroup_manager_linux.go).
    """
    if not node.cgroups_per_qos:
        return ""
    class_ = qos_class(pod).lower()
    tier = () if class_ == "guaranteed" else (class_,)
    parts = (*filter(None, node.cgroup_root.split("/")), "kubepods", *tier, f"pod{pod_uid(pod)}")
    if node.cgroup_driver is CgroupDriver.CGROUPFS:
        return "/" + "/".join(parts)
    names = [part.replace("-", "_") for part in parts]
    return "/" + "/".join(f"{'-'.join(names[: depth + 1])}.slice" for depth in range(len(names)))


def sandbox_resources(pod: Pod, *, node: NodeFacts) -> LinuxResources:
    """Return the pod's totals, without the overhead of its sandbox."""
    requests, limits = pod_amounts(pod, "requests"), pod_amounts(pod, "limits")
    return _compute(requests, limits, node=node)


def sandbox_overhead(pod: Pod, *, node: NodeFacts) -> LinuxResources:
    """Return what the sandbox itself needs by its RuntimeClass; nothing without one, said in an empty message."""
    overhead = amounts(spec(pod).overhead)
    return _compute(overhead, overhead, node=node) if overhead else LinuxResources()


def container_resources(pod: Pod, container: AnyContainer, *, node: NodeFacts) -> LinuxResources:
    """Return a container's share of CPU, its limits, and its place in the order of the out-of-memory killer."""
    whole = pod_level_amounts(pod, "limits")
    limits = whole | container_amounts(container, "limits")
    own = _compute(container_amounts(container, "requests"), limits, node=node)
    unified = {}
    if node.cgroup_v2 and not node.single_process_oom_kill:
        unified["memory.oom.group"] = "1"
    swap_limit = 0
    if node.has_swap_controller:  # a static pod is critical, so it never swaps, whatever swapBehavior is
        if node.cgroup_v2:
            unified["memory.swap.max"] = "0"
        else:
            swap_limit = own.memory_limit_in_bytes  # of memory and swap together
    return LinuxResources(
        cpu_period=own.cpu_period,
        cpu_quota=own.cpu_quota,
        cpu_shares=own.cpu_shares,
        memory_limit_in_bytes=own.memory_limit_in_bytes,
        oom_score_adj=oom_score_adj(pod, container, memory_capacity_bytes=node.memory_capacity_bytes),
        hugepage_limits=_hugepage_limits(limits, node=node),
        unified=unified,
        memory_swap_limit_in_bytes=swap_limit,
    )


def oom_score_adj(pod: Pod, container: AnyContainer, *, memory_capacity_bytes: int) -> int:
    """Return how readily the kernel kills the container when memory runs out: -997 last, 1000 first."""
    score = _oom_score(pod, container, memory_capacity_bytes=memory_capacity_bytes)
    if not any(container is other and is_sidecar(other) for other in init_containers(pod)):
        return score
    # A sidecar must not die before the containers it serves.
    regular = (_oom_score(pod, c, memory_capacity_bytes=memory_capacity_bytes) for c in regular_containers(pod))
    return min(score, min(regular, default=score))


def _oom_score(pod: Pod, container: AnyContainer, *, memory_capacity_bytes: int) -> int:
    class_ = qos_class(pod)
    if is_node_critical(pod) or class_ == "Guaranteed":
        return GUARANTEED_OOM_SCORE
    if class_ == "BestEffort":
        return BEST_EFFORT_OOM_SCORE
    request = _bytes(container_amounts(container, "requests")) + _spare_memory(pod)
    # A node that does not know its memory treats every request as a small one.
    share = 1000 * request // memory_capacity_bytes if memory_capacity_bytes > 0 else 0
    score = 1000 - share
    if score < MIN_BURSTABLE_OOM_SCORE:
        return MIN_BURSTABLE_OOM_SCORE
    return score - 1 if score == BEST_EFFORT_OOM_SCORE else score


def _spare_memory(pod: Pod) -> int:
    """Return each container's part, in bytes, of the memory that the pod requests beyond its containers."""
    whole = _bytes(pod_level_amounts(pod, "requests"))
    sharing = [*regular_containers(pod), *(c for c in init_containers(pod) if is_sidecar(c))]
    asked = sum(_bytes(container_amounts(c, "requests")) for c in sharing)
    return max(0, whole - asked) // len(sharing) if sharing else 0


def _compute(requests: Amounts, limits: Amounts, *, node: NodeFacts) -> LinuxResources:
    """Translate CPU and memory (calculateLinuxResources upstream)."""
    cpu_milli = limits.get("cpu", Quantity()).milli_value()
    quota = 0
    if node.cpu_cfs_quota and cpu_milli:
        quota = max(cpu_milli * node.cpu_cfs_quota_period_us // MILLI, MIN_CPU_QUOTA_US)
    return LinuxResources(
        cpu_shares=_cpu_shares(requests["cpu"].milli_value() if "cpu" in requests else cpu_milli),
        cpu_quota=quota,
        cpu_period=node.cpu_cfs_quota_period_us if node.cpu_cfs_quota else 0,
        memory_limit_in_bytes=_bytes(limits),
    )


def _bytes(listed: Amounts) -> int:
    return listed.get("memory", Quantity()).value()


def _cpu_shares(milli: int) -> int:
    return max(MIN_CPU_SHARES, min(milli * 1024 // MILLI, MAX_CPU_SHARES))


def _hugepage_limits(limits: Amounts, *, node: NodeFacts) -> tuple[tuple[str, int], ...]:
    """Return a limit for each page size of the machine; 0 where the container may use none."""
    wanted = {
        name.removeprefix("hugepages-").replace("i", "B"): limit.value()
        for name, limit in limits.items()
        if name.startswith("hugepages-")
    }
    return tuple((size, wanted.get(size, 0)) for size in node.hugepage_sizes)
