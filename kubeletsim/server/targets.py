"""Whom a request is about: the pod and the container that its path names, and what of them runs. Pure.

Upstream: getExecRequestParams and getPortForwardRequestParams in pkg/kubelet/server/server.go, findContainer in
pkg/kubelet/kubelet_pods.go.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lightkube.models.core_v1 import Pod

from kubeletsim.model.labels import POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL
from kubeletsim.model.pod import pod_name, pod_namespace
from kubeletsim.model.runtime import Container, PodUID, Sandbox

CONTAINER_PATHS = ("{podNamespace}/{podID}/{containerName}", "{podNamespace}/{podID}/{uid}/{containerName}")
POD_PATHS = ("{podNamespace}/{podID}", "{podNamespace}/{podID}/{uid}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a path names."""

    namespace: str
    pod: str
    uid: str = ""
    """Empty unless the path has one."""
    container: str = ""
    """Empty in paths about a pod."""

    @property
    def pod_full_name(self) -> str:
        """The pod's name as upstream's texts give it."""
        return f"{self.pod}_{self.namespace}"


def container_target(path: str) -> Target:
    """Read a path of CONTAINER_PATHS below its service's first segment."""
    namespace, pod, *uid, container = path.strip("/").split("/")[1:]
    return Target(namespace=namespace, pod=pod, uid="".join(uid), container=container)


def pod_target(path: str) -> Target:
    """Read a path of POD_PATHS below its service's first segment."""
    namespace, pod, *uid = path.strip("/").split("/")[1:]
    return Target(namespace=namespace, pod=pod, uid="".join(uid))


def find_pod(pods: Iterable[Pod], target: Target) -> Pod | None:
    """Return the pod of that name, whatever its UID."""
    return next((p for p in pods if (pod_name(p), pod_namespace(p)) == (target.pod, target.namespace)), None)


def find_running(target: Target, sandboxes: Sequence[Sandbox], containers: Sequence[Container]) -> Container | None:
    """Return the running container of that name in the first of the runtime's pods that has the pod's name."""
    uid = running_uid(target, sandboxes, containers)
    mine = (one for one in containers if PodUID(one.labels.get(POD_UID_LABEL, "")) == uid)
    return next((one for one in mine if one.name == target.container), None)


def running_uid(target: Target, sandboxes: Sequence[Sandbox], containers: Sequence[Container]) -> PodUID | None:
    """Return the UID of the first of the runtime's pods that has the pod's name; None when there is none."""
    wanted = (target.pod, target.namespace)
    for one in containers:
        if (one.labels.get(POD_NAME_LABEL), one.labels.get(POD_NAMESPACE_LABEL)) == wanted:
            return PodUID(one.labels.get(POD_UID_LABEL, ""))
    return next((one.uid for one in sandboxes if (one.name, one.namespace) == wanted), None)
