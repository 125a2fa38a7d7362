"""The directories and files a pod needs before its containers start, as a plan that somebody else carries out.

Volumes whose content only an API server or a storage backend could deliver become empty directories.
Upstream: makePodDataDirs and ensureHostsFile in pkg/kubelet/kubelet_pods.go, the volume plugins in pkg/volume.
"""

import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lightkube.models.core_v1 import DownwardAPIVolumeFile, Pod, Volume, VolumeMount

from kubeletsim.model.errors import go_quote
from kubeletsim.model.pod import (
    AnyContainer,
    all_containers,
    find_container,
    pod_uid,
    regular_containers,
    spec,
    uses_host_network,
)
from kubeletsim.pods.requests.environment import environment, expand_strictly, field_value, resource_value
from kubeletsim.pods.requests.names import hosts_entry
from kubeletsim.pods.requests.node import (
    NodeFacts,
    RequestError,
    container_dir,
    hosts_path,
    pod_dir,
    pod_log_dir,
    volume_dir,
)

POD_DIR_MODE = 0o750
LOG_DIR_MODE = 0o755
SHARED_DIR_MODE = 0o777
TERMINATION_LOG_MODE = 0o666
HOST_DIR_MODE = 0o755
FILE_MODE = 0o644
GROUP_READ_MODE = 0o440
"""What files of a read-only volume gain when they are given to fsGroup."""

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
class PlannedDirectory:
    """A directory to make with its parents, unless it is there already."""

    path: str
    mode: int
    on_host: bool = False
    """Whether it lies outside the kubelet's own directories: a hostPath volume of type DirectoryOrCreate."""
    group: int | None = None
    """The group it is given to, the pod's fsGroup; None leaves it with the kubelet's own."""


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to write: with `content` each time, without it an empty one unless it is there already."""

    path: str
    mode: int
    content: str | None = None
    on_host: bool = False
    group: int | None = None


@dataclass(frozen=True, slots=True)
class PlannedSubPath:
    """A path inside a volume that a container mounts: made with the volume's own mode unless something is there."""

    path: str
    volume_path: str
    what: str
    """The mount, as an error names it: `volumeMount "data" of container "app"`."""


@dataclass(frozen=True, slots=True)
class ExpectedPath:
    """A path of the host that must be there and of that type, else the volume cannot be mounted."""

    path: str
    type: str
    """`Directory`, `File`, `Socket`, `CharDevice` or `BlockDevice`."""
    volume: str


@dataclass(frozen=True, slots=True)
class HostPathPlan:
    """What to make on the node, directories first, each list in order, and what to find there."""

    directories: tuple[PlannedDirectory, ...] = ()
    files: tuple[PlannedFile, ...] = ()
    expected: tuple[ExpectedPath, ...] = ()
    sub_paths: tuple[PlannedSubPath, ...] = ()


def plan_pod_files(pod: Pod, *, node: NodeFacts, pod_ips: Sequence[str] = ()) -> HostPathPlan:
    """Return what a pod needs before its sandbox: its directories, its log directory, its volumes."""
    uid = pod_uid(pod)
    base = pod_dir(uid, node=node)
    directories = [PlannedDirectory(path, POD_DIR_MODE) for path in (base, f"{base}/volumes", f"{base}/plugins")]
    directories.append(PlannedDirectory(pod_log_dir(pod, node=node), LOG_DIR_MODE))
    files: list[PlannedFile] = []
    expected: list[ExpectedPath] = []
    for volume in spec(pod).volumes or []:
        if volume.hostPath is not None:
            _plan_host_path(volume, directories, files, expected)
        elif volume.image is None:
            directories.append(_volume_directory(volume_path(pod, volume, node=node), group=fs_group(pod)))
            files.extend(_volume_files(pod, volume, pod_ips=pod_ips, node=node))
    return HostPathPlan(tuple(directories), tuple(files), tuple(expected))


def plan_container_files(
    pod: Pod, container: AnyContainer, *, pod_ips: Sequence[str], node: NodeFacts, termination_log_id: str
) -> HostPathPlan:
    """Return what a container needs before it is created: log directory, /etc/hosts, termination log, subPaths.

    Raises:
        RequestError: a subPath leads out of its volume, or its subPathExpr has a variable without a value.
    """
    uid = pod_uid(pod)
    ips = effective_pod_ips(pod, pod_ips, node=node)
    directories = [PlannedDirectory(f"{pod_log_dir(pod, node=node)}/{container.name}", LOG_DIR_MODE)]
    files = []
    if container.terminationMessagePath:
        directory = container_dir(uid, container=container.name, node=node)
        directories.append(PlannedDirectory(directory, POD_DIR_MODE))
        files.append(PlannedFile(f"{directory}/{termination_log_id}", TERMINATION_LOG_MODE))
    if mounts_hosts_file(container, pod_ips=ips):
        content = hosts_content(pod, pod_ips=pod_ips, node=node)
        files.append(PlannedFile(hosts_path(uid, node=node), FILE_MODE, content))
    sub_paths = tuple(_sub_paths(pod, container, pod_ips=ips, node=node))
    return HostPathPlan(tuple(directories), tuple(files), sub_paths=sub_paths)


def fs_group(pod: Pod) -> int | None:
    """Return the group that owns the pod's volumes, if it names one."""
    context = spec(pod).securityContext
    return context.fsGroup if context is not None else None


def mounted_sub_path(mount: VolumeMount, envs: Mapping[str, str]) -> str:
    """Return the part of its volume that a mount shows, empty for all of it.

    Raises:
        RequestError: it leads out of the volume, or a variable in it has no value.
    """
    sub_path = expand_strictly(mount.subPathExpr, envs) if mount.subPathExpr else mount.subPath or ""
    if sub_path.startswith("/") or ".." in sub_path.split("/"):
        raise RequestError(f"subPath {go_quote(sub_path)} of volume {go_quote(mount.name)} leads out of the volume")
    return sub_path


def volume_path(pod: Pod, volume: Volume, *, node: NodeFacts) -> str:
    """Return where a volume's content is on the node."""
    if volume.hostPath is not None:
        return volume.hostPath.path
    source = next((name for name in volume.__struct_fields__ if name != "name" and getattr(volume, name)), "emptyDir")
    plugin = VOLUME_PLUGINS.get(source, source.lower())
    return volume_dir(pod_uid(pod), plugin=plugin, volume=volume.name, node=node)


def effective_pod_ips(pod: Pod, pod_ips: Sequence[str], *, node: NodeFacts) -> tuple[str, ...]:
    """Return the pod's addresses: on the host's network those of the host."""
    return tuple(pod_ips) or (node.host_ips if uses_host_network(pod) else ())


def mounts_hosts_file(container: AnyContainer, *, pod_ips: Sequence[str]) -> bool:
    """Tell whether the kubelet manages the container's /etc/hosts: not before there is an address to write into it."""
    own = any(mount.mountPath == "/etc/hosts" for mount in container.volumeMounts or [])
    return bool(pod_ips) and not own


def hosts_content(pod: Pod, *, pod_ips: Sequence[str], node: NodeFacts) -> str:
    """Return the pod's /etc/hosts: the host's own on the host's network, else one with the pod in it."""
    if uses_host_network(pod):
        lines = ["# Kubernetes-managed hosts file (host network).", *node.hosts_file.rstrip("\n").splitlines()]
    else:
        lines = [
            "# Kubernetes-managed hosts file.",
            "127.0.0.1\tlocalhost",
            "::1\tlocalhost ip6-localhost ip6-loopback",
            "fe00::0\tip6-localnet",
            "fe00::0\tip6-mcastprefix",
            "fe00::1\tip6-allnodes",
            "fe00::2\tip6-allrouters",
            *(f"{ip}\t{hosts_entry(pod, node=node)}" for ip in pod_ips),
        ]
    aliases = spec(pod).hostAliases or []
    if aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += ["\t".join((alias.ip, *(alias.hostnames or []))) for alias in aliases]
    return "\n".join(lines) + "\n"


def _volume_directory(path: str, *, group: int | None) -> PlannedDirectory:
    """Return a volume's directory: fsGroup's, and so is what is made in it later (SetVolumeOwnership upstream)."""
    return PlannedDirectory(path, SHARED_DIR_MODE if group is None else SHARED_DIR_MODE | stat.S_ISGID, group=group)


def _sub_paths(
    pod: Pod, container: AnyContainer, *, pod_ips: Sequence[str], node: NodeFacts
) -> Iterator[PlannedSubPath]:
    mounts = [mount for mount in container.volumeMounts or [] if mount.subPath or mount.subPathExpr]
    envs = dict(environment(pod, container, pod_ips=pod_ips, node=node)) if mounts else {}
    volumes = {volume.name: volume for volume in spec(pod).volumes or [] if volume.image is None}
    for mount in mounts:
        if (volume := volumes.get(mount.name)) is not None:
            root = volume_path(pod, volume, node=node)
            what = f"volumeMount {go_quote(mount.name)} of container {go_quote(container.name)}"
            yield PlannedSubPath(f"{root.rstrip('/')}/{mounted_sub_path(mount, envs)}", root, what)


def _plan_host_path(
    volume: Volume, directories: list[PlannedDirectory], files: list[PlannedFile], expected: list[ExpectedPath]
) -> None:
    if volume.hostPath is None or not volume.hostPath.type:
        return
    path, type_ = volume.hostPath.path, volume.hostPath.type
    if type_ == "DirectoryOrCreate":
        directories.append(PlannedDirectory(path, HOST_DIR_MODE, on_host=True))
    elif type_ == "FileOrCreate":
        files.append(PlannedFile(path, FILE_MODE, on_host=True))
    else:
        expected.append(ExpectedPath(path, type_, volume.name))


def _volume_files(pod: Pod, volume: Volume, *, pod_ips: Sequence[str], node: NodeFacts) -> Iterator[PlannedFile]:
    """Yield the files of a volume whose content the node knows by itself: those of the downward API."""
    path = volume_path(pod, volume, node=node)
    groups: list[tuple[int | None, list[DownwardAPIVolumeFile]]] = []
    if volume.downwardAPI is not None:
        groups.append((volume.downwardAPI.defaultMode, volume.downwardAPI.items or []))
    if volume.projected is not None:
        sources = [source.downwardAPI for source in volume.projected.sources or [] if source.downwardAPI is not None]
        groups += [(volume.projected.defaultMode, source.items or []) for source in sources]
    for default_mode, items in groups:
        for item in items:
            mode = next((m for m in (item.mode, default_mode) if m is not None), FILE_MODE)
            group = fs_group(pod)
            mode |= 0 if group is None else GROUP_READ_MODE
            content = _item_content(pod, item, pod_ips=pod_ips, node=node)
            yield PlannedFile(f"{path}/{item.path}", mode, content, group=group)


def _item_content(pod: Pod, item: DownwardAPIVolumeFile, *, pod_ips: Sequence[str], node: NodeFacts) -> str:
    if item.fieldRef is not None:
        return field_value(pod, item.fieldRef, pod_ips=pod_ips, node=node)
    selector = item.resourceFieldRef
    asked = find_container(pod, selector.containerName or "") if selector is not None else None
    container = asked or next(iter((*regular_containers(pod), *all_containers(pod))), None)
    if selector is None or container is None:
        return ""
    return resource_value(pod, container, selector, node=node)
