"""A container's mounts: its volumes, /etc/hosts, the termination log, in upstream's order.

A subPath is joined to its volume's directory, which `files` has checked to be one inside it; upstream bind-mounts it as
well, so that no container can swap it for a link in between.
Upstream: makeMounts in pkg/kubelet/kubelet_pods.go and in pkg/kubelet/kuberuntime/kuberuntime_container.go.
"""

from collections.abc import Mapping, Sequence

from lightkube.models.core_v1 import Pod, Volume, VolumeMount

from kubeletsim.model.errors import go_quote
from kubeletsim.model.pod import AnyContainer, pod_uid, spec, uses_host_network
from kubeletsim.model.requests import ImageSpec, Mount, MountPropagation
from kubeletsim.pods.requests.files import mounted_sub_path, mounts_hosts_file
from kubeletsim.pods.requests.node import NodeFacts, RequestError, container_dir, hosts_path
from kubeletsim.pods.requests.volumes import volume_path

PROPAGATIONS = {
    None: MountPropagation.PRIVATE,
    "None": MountPropagation.PRIVATE,
    "HostToContainer": MountPropagation.HOST_TO_CONTAINER,
    "Bidirectional": MountPropagation.BIDIRECTIONAL,
}
READ_ONLY = ("configMap", "secret", "downwardAPI", "projected")
"""Volume sources that no container writes to, whatever its mount says."""
UNRELABELLED = ("hostPath", "nfs", "iscsi", "cephfs", "glusterfs")
"""Volume sources whose SELinux labels are not the kubelet's to change."""


def container_mounts(
    pod: Pod,
    container: AnyContainer,
    *,
    envs: Mapping[str, str],
    pod_ips: Sequence[str],
    node: NodeFacts,
    termination_log_id: str,
    image_volumes: Mapping[str, ImageSpec],
) -> tuple[Mount, ...]:
    """Return the container's mounts.

    Raises:
        RequestError: a mount names no volume, or what it wants of its volume cannot be had.
    """
    volumes = {volume.name: volume for volume in spec(pod).volumes or []}
    mounts = []
    for mount in container.volumeMounts or []:
        if mount.name not in volumes:
            raise RequestError(f"cannot find volume {go_quote(mount.name)} to mount into container {container.name}")
        volume = volumes[mount.name]
        if volume.image is not None:
            mounts.append(_image_mount(mount, volume, image_volumes))
        else:
            mounts.append(_volume_mount(pod, mount, volume, envs=envs, node=node))
    uid = pod_uid(pod)
    if mounts_hosts_file(pod, container, pod_ips=pod_ips):
        relabel = node.selinux_enabled and not uses_host_network(pod)
        mounts.append(Mount(container_path="/etc/hosts", host_path=hosts_path(uid, node=node), selinux_relabel=relabel))
    if container.terminationMessagePath:
        path = f"{container_dir(uid, container=container.name, node=node)}/{termination_log_id}"
        mounts.append(
            Mount(container_path=container.terminationMessagePath, host_path=path, selinux_relabel=node.selinux_enabled)
        )
    return tuple(mounts)


def _volume_mount(pod: Pod, mount: VolumeMount, volume: Volume, *, envs: Mapping[str, str], node: NodeFacts) -> Mount:
    below = mounted_sub_path(mount, envs)
    host_path = volume_path(pod, volume, node=node)
    relabelled = all(getattr(volume, source) is None for source in UNRELABELLED)
    return Mount(
        container_path=_absolute(mount.mountPath),
        host_path=f"{host_path.rstrip('/')}/{below}" if below else host_path,
        readonly=bool(mount.readOnly) or any(getattr(volume, source) is not None for source in READ_ONLY),
        recursive_read_only=_recursive_read_only(mount, node=node),
        selinux_relabel=node.selinux_enabled and relabelled,
        propagation=PROPAGATIONS[mount.mountPropagation],
    )


def _recursive_read_only(mount: VolumeMount, *, node: NodeFacts) -> bool:
    """Tell whether nothing mounted below a read-only volume may be written either (resolveRecursiveReadOnly)."""
    if mount.recursiveReadOnly in (None, "Disabled"):
        return False
    what = f"volume {go_quote(mount.name)} requested recursive read-only mode, but it is not"
    if not mount.readOnly:
        raise RequestError(f"{what} read-only")
    if mount.mountPropagation not in (None, "None"):
        raise RequestError(f"{what} compatible with propagation {go_quote(mount.mountPropagation or '')}")
    if mount.recursiveReadOnly == "Enabled" and not node.recursive_read_only_mounts:
        raise RequestError(f"{what} supported by the runtime")
    return node.recursive_read_only_mounts


def _image_mount(mount: VolumeMount, volume: Volume, image_volumes: Mapping[str, ImageSpec]) -> Mount:
    return Mount(
        container_path=_absolute(mount.mountPath),
        readonly=True,
        image=image_volumes[volume.name],
        image_sub_path=mount.subPath or "",
    )


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
