"""The directories and files a pod needs before its containers start, as a plan that somebody else carries out.

Upstream: makePodDataDirs, makeMounts and ensureHostsFile in pkg/kubelet/kubelet_pods.go.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lightkube.models.core_v1 import Pod, VolumeMount

from kubeletsim.model.errors import go_quote
from kubeletsim.model.pod import (
    AnyContainer,
    pod_uid,
    spec,
    uses_host_network,
)
from kubeletsim.pods.requests.environment import environment, expand_strictly
from kubeletsim.pods.requests.names import hosts_entry
from kubeletsim.pods.requests.node import (
    NodeFacts,
    RequestError,
    container_dir,
    hosts_path,
    pod_dir,
    pod_log_dir,
)
from kubeletsim.pods.requests.volumes import volume_path

POD_DIR_MODE = 0o750
LOG_DIR_MODE = 0o755
TERMINATION_LOG_MODE = 0o666
FILE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class PlannedDirectory:
    """A directory to make with its parents, unless it is there already."""

    path: str
    mode: int


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """A file to write: with `content` each time, without it an empty one unless it is there already."""

    path: str
    mode: int
    content: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedSubPath:
    """A path inside a volume that a container mounts: made with the volume's own mode unless something is there."""

    path: str
    volume_path: str
    what: str
    """The mount, as an error names it: `volumeMount "data" of container "app"`."""


@dataclass(frozen=True, slots=True)
class HostPathPlan:
    """What to make on the node, directories first, each list in order."""

    directories: tuple[PlannedDirectory, ...] = ()
    files: tuple[PlannedFile, ...] = ()
    sub_paths: tuple[PlannedSubPath, ...] = ()


def plan_pod_files(pod: Pod, *, node: NodeFacts) -> HostPathPlan:
    """Return what a pod needs before its volumes and its sandbox: its directories and its log directory."""
    base = pod_dir(pod_uid(pod), node=node)
    directories = [PlannedDirectory(path, POD_DIR_MODE) for path in (base, f"{base}/volumes", f"{base}/plugins")]
    directories.append(PlannedDirectory(pod_log_dir(pod, node=node), LOG_DIR_MODE))
    return HostPathPlan(tuple(directories))


def plan_container_files(
    pod: Pod, container: AnyContainer, *, pod_ips: Sequence[str], node: NodeFacts, termination_log_id: str
) -> HostPathPlan:
    """Return what a container needs before it is created: log directory, /etc/hosts, termination log, subPaths.

    Raises:
        RequestError: a subPath leads out of its volume, or its subPathExpr has a variable without a value.
    """
    uid = pod_uid(pod)
    directories = [PlannedDirectory(f"{pod_log_dir(pod, node=node)}/{container.name}", LOG_DIR_MODE)]
    files = []
    if container.terminationMessagePath:
        directory = container_dir(uid, container=container.name, node=node)
        directories.append(PlannedDirectory(directory, POD_DIR_MODE))
        files.append(PlannedFile(f"{directory}/{termination_log_id}", TERMINATION_LOG_MODE))
    if mounts_hosts_file(pod, container, pod_ips=pod_ips):
        content = hosts_content(pod, pod_ips=pod_ips, node=node)
        files.append(PlannedFile(hosts_path(uid, node=node), FILE_MODE, content))
    sub_paths = tuple(_sub_paths(pod, container, pod_ips=pod_ips, node=node))
    return HostPathPlan(tuple(directories), tuple(files), sub_paths=sub_paths)


def mounted_sub_path(mount: VolumeMount, envs: Mapping[str, str]) -> str:
    """Return the part of its volume that a mount shows, empty for all of it.

    Raises:
        RequestError: it leads out of the volume, or a variable in it has no value.
    """
    sub_path = expand_strictly(mount.subPathExpr, envs) if mount.subPathExpr else mount.subPath or ""
    if sub_path.startswith("/"):
        raise RequestError(f"error SubPath `{sub_path}` must not be an absolute path")
    if ".." in sub_path.split("/"):
        raise RequestError(f"unable to provision SubPath `{sub_path}`: must not contain '..'")
    return sub_path


def mounts_hosts_file(pod: Pod, container: AnyContainer, *, pod_ips: Sequence[str]) -> bool:
    """Tell whether the kubelet manages the container's /etc/hosts.

    On the host's network it does; else not before there is an address to write into it.
    """
    own = any(mount.mountPath == "/etc/hosts" for mount in container.volumeMounts or [])
    return (bool(pod_ips) or uses_host_network(pod)) and not own


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
