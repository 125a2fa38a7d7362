"""Who a pod is: its names, its origin, its containers, and the hash by which a container's spec is recognised.

Pods are lightkube's structs, whole schema, never copied into types of our own. They can be changed in place, but
nobody here does: whoever needs another pod makes one (`with_metadata`, `set_defaults`), because the same object is in
the hands of the sources, the workers and the HTTP server at once.

Upstream: pkg/kubelet/types/pod_update.go, pkg/kubelet/util/format/pod.go, pkg/kubelet/container/helpers.go.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from lightkube.models.core_v1 import Container, EphemeralContainer, Pod, PodSpec
from lightkube.models.meta_v1 import ObjectMeta

from kubeletsim.base.go_json import go_json
from kubeletsim.model.runtime import PodUID

CONFIG_SOURCE_ANNOTATION = "kubernetes.io/config.source"
"""Where a pod came from: `file`, `http` or `api`."""
CONFIG_SEEN_ANNOTATION = "kubernetes.io/config.seen"
"""When this kubelet first saw the pod, RFC 3339 with nine fractional digits."""
CONFIG_HASH_ANNOTATION = "kubernetes.io/config.hash"
"""A static pod's UID before the API server had a say; its log directory is named after it."""
CONFIG_MIRROR_ANNOTATION = "kubernetes.io/config.mirror"
"""On mirror pods: the config hash of the static pod they show."""

FILE_SOURCE = "file"
HTTP_SOURCE = "http"
API_SOURCE = "api"

SYSTEM_CRITICAL_PRIORITY = 2_000_000_000
NODE_CRITICAL_PRIORITY_CLASS = "system-node-critical"
MINIMUM_GRACE_SECONDS = 2
"""No container gets less time to stop than this (minimumGracePeriodInSeconds upstream)."""

FNV32_OFFSET = 0x811C9DC5
FNV32_PRIME = 0x01000193

AnyContainer = Container | EphemeralContainer


def metadata(pod: Pod) -> ObjectMeta:
    """Return the pod's metadata; an empty one where a pod was built without."""
    return pod.metadata if pod.metadata is not None else ObjectMeta()


def spec(pod: Pod) -> PodSpec:
    """Return the pod's spec; one without containers where a pod was built without."""
    return pod.spec if pod.spec is not None else PodSpec(containers=[])


def pod_uid(pod: Pod) -> PodUID:
    """Return the pod's UID."""
    return PodUID(metadata(pod).uid or "")


def pod_name(pod: Pod) -> str:
    """Return the pod's name."""
    return metadata(pod).name or ""


def pod_namespace(pod: Pod) -> str:
    """Return the pod's namespace."""
    return metadata(pod).namespace or ""


def annotations(pod: Pod) -> dict[str, str]:
    """Return the pod's annotations; empty where there are none. Not to be changed."""
    return metadata(pod).annotations or {}


def labels(pod: Pod) -> dict[str, str]:
    """Return the pod's labels; empty where there are none. Not to be changed."""
    return metadata(pod).labels or {}


def full_name(pod: Pod) -> str:
    """Return `name_namespace`, which is unique among the live pods of a node (kubecontainer.GetPodFullName)."""
    return f"{pod_name(pod)}_{pod_namespace(pod)}"


def describe(pod: Pod) -> str:
    """Return `name_namespace(uid)`, as log lines, events and error texts name a pod (format.Pod)."""
    return f"{full_name(pod)}({pod_uid(pod)})"


def pod_source(pod: Pod) -> str:
    """Return the source the pod came from: `file`, `http` or `api`; empty when nobody wrote it down."""
    return annotations(pod).get(CONFIG_SOURCE_ANNOTATION, "")


def is_mirror(pod: Pod) -> bool:
    """Tell whether the pod only shows a static pod to the API server (types.IsMirrorPod)."""
    return CONFIG_MIRROR_ANNOTATION in annotations(pod)


def is_static(pod: Pod) -> bool:
    """Tell whether the pod came from a source other than the API server (types.IsStaticPod)."""
    return pod_source(pod) not in ("", API_SOURCE)


def is_critical(pod: Pod) -> bool:
    """Tell whether the node must not do without the pod: static, mirror or system priority (types.IsCriticalPod)."""
    return is_static(pod) or is_mirror(pod) or (spec(pod).priority or 0) >= SYSTEM_CRITICAL_PRIORITY


def is_node_critical(pod: Pod) -> bool:
    """Tell whether the pod carries the class system-node-critical and is critical (types.IsNodeCriticalPod)."""
    return is_critical(pod) and spec(pod).priorityClassName == NODE_CRITICAL_PRIORITY_CLASS


def uses_host_network(pod: Pod) -> bool:
    """Tell whether the pod lives in the host's network namespace."""
    return bool(spec(pod).hostNetwork)


def regular_containers(pod: Pod) -> list[Container]:
    """Return the containers that make up the pod's work, in the spec's order."""
    return spec(pod).containers


def init_containers(pod: Pod) -> list[Container]:
    """Return the init containers, sidecars among them, in the spec's order."""
    return spec(pod).initContainers or []


def ephemeral_containers(pod: Pod) -> list[EphemeralContainer]:
    """Return the debug containers, in the spec's order."""
    return spec(pod).ephemeralContainers or []


def all_containers(pod: Pod) -> Iterator[AnyContainer]:
    """Yield every container: init, regular, ephemeral, as podutil.VisitContainers does."""
    yield from init_containers(pod)
    yield from regular_containers(pod)
    yield from ephemeral_containers(pod)


def find_container(pod: Pod, name: str) -> AnyContainer | None:
    """Return the container of that name, whatever its kind; None when the spec has none."""
    return next((container for container in all_containers(pod) if container.name == name), None)


def is_sidecar(container: AnyContainer) -> bool:
    """Tell whether an init container keeps running beside the regular ones (podutil.IsRestartableInitContainer).

    Only to be asked of init containers: a regular container may carry the same policy and is no sidecar.
    """
    return container.restartPolicy == "Always"


def container_field_path(pod: Pod, name: str) -> str:
    """Return how events point at a container: `spec.containers{name}`; empty for an unknown name."""
    kinds: dict[str, Sequence[AnyContainer]] = {
        "spec.containers": regular_containers(pod),
        "spec.initContainers": init_containers(pod),
        "spec.ephemeralContainers": ephemeral_containers(pod),
    }
    for path, containers in kinds.items():
        if any(container.name == name for container in containers):
            return f"{path}{{{name}}}"
    return ""


def termination_grace_seconds(pod: Pod) -> int:
    """Return how long the pod's containers get to stop: the deletion's own period, else the spec's, else the minimum.

    A kill may shorten it, and a failed probe's own period goes between the first and the second
    (setTerminationGracePeriod in kuberuntime_container.go); both are the caller's to know.
    """
    deletion = metadata(pod).deletionGracePeriodSeconds
    if deletion is not None:
        return deletion
    wanted = spec(pod).terminationGracePeriodSeconds
    return wanted if wanted is not None else MINIMUM_GRACE_SECONDS


def container_hash(container: AnyContainer) -> str:
    """Return the hash of what a running container cannot change: its image and its name, as hex without padding.

    Upstream (kubecontainer.HashContainer) runs FNV-1a over Go's %#v-like dump of a byte slice, hence the odd text.
    """
    picked = go_json({"image": container.image or "", "name": container.name})
    dumped = f"([]uint8)[{' '.join(str(byte) for byte in picked.encode())}]"
    return f"{_fnv1a_32(dumped.encode()):x}"


def with_metadata(pod: Pod, **changes: Any) -> Pod:
    """Return the pod with some metadata fields replaced; the given pod stays as it is."""
    return msgspec.structs.replace(pod, metadata=msgspec.structs.replace(metadata(pod), **changes))


def _fnv1a_32(data: bytes) -> int:
    value = FNV32_OFFSET
    for byte in data:
        value = (value ^ byte) * FNV32_PRIME & 0xFFFFFFFF
    return value
