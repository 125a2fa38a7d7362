"""A pod's volumes on the node: where each is, and what has to be there before a container may mount it. Pure.

Volumes whose content only an API server or a storage backend could deliver are empty directories: static pods cannot
have the former, and a simulated node attaches no disks. A volume that no container mounts is left alone.
Upstream: the volume plugins in pkg/volume, pkg/kubelet/volumemanager.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lightkube.models.core_v1 import DownwardAPIVolumeFile, Pod, Volume

from kubeletsim.model.pod import all_containers, find_container, pod_uid, regular_containers, spec
from kubeletsim.pods.requests.environment import field_value, resource_value
from kubeletsim.pods.requests.node import NodeFacts, volume_dir

FILE_MODE = 0o644
STANDALONE = "not supported due to running kubelet in standalone mode"
GROUP_READ_MODE = 0o440
"""What files gain when they are given to the pod's fsGroup."""

VOLUME_PLUGINS = {
    "emptyDir": "empty-dir",
    "configMap": "configmap",
    "secret": "secret",
    "projected": "projected",
    "downwardAPI": "downward-api",
    "persistentVolumeClaim": "local-volume",
    "awsElasticBlockStore": "aws-ebs",
    "azureDisk": "azure-disk",
    "azureFile": "azure-file",
    "gcePersistentDisk": "gce-pd",
    "gitRepo": "git-repo",
    "portworxVolume": "portworx-volume",
    "vsphereVolume": "vsphere-volume",
}
"""Volume source to plugin name, where the two are not the same but for case."""


@dataclass(frozen=True, slots=True)
class VolumeFile:
    """A file of a volume."""

    content: str
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVolume:
    """A volume to set up."""

    name: str
    path: str
    """Where its content is on the node."""
    host_path_type: str | None = None
    """For a path of the host, what it must be or become; empty for whatever is there or not."""
    files: Mapping[str, VolumeFile] = field(default_factory=dict)
    """By path below the volume: content that is kept as given, written anew when it changes."""
    has_files: bool = False
    """Whether `files` is all that belongs there; false for a directory of the pod's own."""
    is_image: bool = False
    """Whether the runtime mounts it, so that nothing is left to do on the node."""
    fault: str = ""
    """Why it can never be set up on a node without an API server; empty where it can."""
    group: int | None = None
    """The group it is given to, the pod's fsGroup; None leaves it with the kubelet's own."""


def plan_volumes(pod: Pod, *, node: NodeFacts, pod_ips: Sequence[str] = ()) -> tuple[PlannedVolume, ...]:
    """Return the volumes to set up before the pod's sandbox, in the spec's order: those that some container mounts.

    Raises:
        RequestError: a file's content cannot be told.
    """
    mounted = {mount.name for container in all_containers(pod) for mount in container.volumeMounts or []}
    return tuple(
        PlannedVolume(
            name=volume.name,
            path=volume_path(pod, volume, node=node),
            host_path_type=(volume.hostPath.type or "") if volume.hostPath is not None else None,
            files=dict(_files(pod, volume, pod_ips=pod_ips, node=node)),
            has_files=volume.downwardAPI is not None or volume.projected is not None,
            fault=_fault(volume),
            is_image=volume.image is not None,
            group=_fs_group(pod) if volume.hostPath is None else None,
        )
        for volume in spec(pod).volumes or []
        if volume.name in mounted
    )


def volume_path(pod: Pod, volume: Volume, *, node: NodeFacts) -> str:
    """Return where a volume's content is on the node."""
    if volume.hostPath is not None:
        return volume.hostPath.path
    source = next((name for name in volume.__struct_fields__ if name != "name" and getattr(volume, name)), "emptyDir")
    plugin = VOLUME_PLUGINS.get(source, source.lower())
    return volume_dir(pod_uid(pod), plugin=plugin, volume=volume.name, node=node)


def _fault(volume: Volume) -> str:
    """Return what a kubelet says of content that only an API server has (pkg/kubelet/volume_host.go, token_manager.go).

    Static pods may refer to it only with the gate PreventStaticPodAPIReferences off.
    """
    if volume.secret is not None or volume.configMap is not None:
        return STANDALONE
    for source in volume.projected.sources or [] if volume.projected is not None else []:
        if source.secret is not None or source.configMap is not None:
            return STANDALONE
        if source.serviceAccountToken is not None:
            return "cannot use TokenManager when kubelet is in standalone mode"
    return ""


def _fs_group(pod: Pod) -> int | None:
    context = spec(pod).securityContext
    return context.fsGroup if context is not None else None


def _files(pod: Pod, volume: Volume, *, pod_ips: Sequence[str], node: NodeFacts) -> Iterator[tuple[str, VolumeFile]]:
    """Yield what the node knows by itself: the files of the downward API."""
    groups: list[tuple[int | None, list[DownwardAPIVolumeFile]]] = []
    if volume.downwardAPI is not None:
        groups.append((volume.downwardAPI.defaultMode, volume.downwardAPI.items or []))
    if volume.projected is not None:
        sources = [source.downwardAPI for source in volume.projected.sources or [] if source.downwardAPI is not None]
        groups += [(volume.projected.defaultMode, source.items or []) for source in sources]
    for default_mode, items in groups:
        for item in items:
            mode = next((m for m in (item.mode, default_mode) if m is not None), FILE_MODE)
            mode |= 0 if _fs_group(pod) is None else GROUP_READ_MODE
            yield item.path, VolumeFile(_item_content(pod, item, pod_ips=pod_ips, node=node), mode)


def _item_content(pod: Pod, item: DownwardAPIVolumeFile, *, pod_ips: Sequence[str], node: NodeFacts) -> str:
    if item.fieldRef is not None:
        return field_value(pod, item.fieldRef, pod_ips=pod_ips, node=node)
    selector = item.resourceFieldRef
    asked = find_container(pod, selector.containerName or "") if selector is not None else None
    container = asked or next(iter((*regular_containers(pod), *all_containers(pod))), None)
    if selector is None or container is None:
        return ""
    return resource_value(pod, container, selector, node=node)
