"""This module is the way in: what the runtime reports of itself, of sandboxes, containers and images, as our values.

Nothing is judged here; `clients/cri/required.py` looks for what must be there first. A number that an enum of ours does
not know comes from a newer runtime and is read as the careful choice: not ready, unknown.
"""

from collections.abc import Iterable, Mapping

from kubeletsim.model.requests import IDMapping, ImageSpec, LinuxResources, Mount, MountPropagation
from kubeletsim.model.runtime import (
    CgroupDriver,
    Container,
    ContainerEvent,
    ContainerEventType,
    ContainerID,
    ContainerState,
    ContainerStatus,
    ContainerUser,
    ExecResult,
    FilesystemUsage,
    Image,
    ImageFsInfo,
    ImageID,
    PodUID,
    RuntimeCondition,
    RuntimeHandler,
    RuntimeStatus,
    RuntimeVersion,
    Sandbox,
    SandboxID,
    SandboxState,
    SandboxStatus,
)
from kubeletsim.pb import cri_pb2 as pb

_SANDBOX_STATES = {state.value: state for state in SandboxState}
_CONTAINER_STATES = {state.value: state for state in ContainerState}
_EVENT_TYPES = {type_.value: type_ for type_ in ContainerEventType}
_PROPAGATIONS = {propagation.value: propagation for propagation in MountPropagation}


def runtime_version(answer: pb.VersionResponse) -> RuntimeVersion:
    """Read the answer of Version."""
    return RuntimeVersion(
        version=answer.version,
        runtime_name=answer.runtime_name,
        runtime_version=answer.runtime_version,
        runtime_api_version=answer.runtime_api_version,
    )


def runtime_status(answer: pb.StatusResponse) -> RuntimeStatus:
    """Read the answer of Status."""
    return RuntimeStatus(
        conditions=tuple(
            RuntimeCondition(
                type=condition.type,
                status=condition.status,
                reason=condition.reason,
                message=condition.message,
            )
            for condition in answer.status.conditions
        ),
        handlers=tuple(
            RuntimeHandler(
                name=handler.name,
                recursive_read_only_mounts=handler.features.recursive_read_only_mounts,
                user_namespaces=handler.features.user_namespaces,
            )
            for handler in answer.runtime_handlers
        ),
        supplemental_groups_policy=answer.features.supplemental_groups_policy,
        user_namespaces_host_network=answer.features.user_namespaces_host_network,
        info=dict(answer.info),
    )


def cgroup_driver(answer: pb.RuntimeConfigResponse) -> CgroupDriver | None:
    """Read the answer of RuntimeConfig; None without a Linux part."""
    if not answer.HasField("linux"):
        return None
    return CgroupDriver.CGROUPFS if answer.linux.cgroup_driver == pb.CGROUPFS else CgroupDriver.SYSTEMD


def sandbox(item: pb.PodSandbox) -> Sandbox:
    """Read one sandbox of a list."""
    return Sandbox(
        id=SandboxID(item.id),
        name=item.metadata.name,
        namespace=item.metadata.namespace,
        uid=PodUID(item.metadata.uid),
        attempt=item.metadata.attempt,
        state=_SANDBOX_STATES.get(item.state, SandboxState.NOTREADY),
        created_at=item.created_at,
        labels=dict(item.labels),
        annotations=dict(item.annotations),
        runtime_handler=item.runtime_handler,
    )


def sandbox_status(status: pb.PodSandboxStatus, *, info: Mapping[str, str] | None = None) -> SandboxStatus:
    """Read a sandbox's status; `info` is the verbose part beside it."""
    network = status.network
    addresses = (network.ip, *(additional.ip for additional in network.additional_ips))
    return SandboxStatus(
        id=SandboxID(status.id),
        name=status.metadata.name,
        namespace=status.metadata.namespace,
        uid=PodUID(status.metadata.uid),
        attempt=status.metadata.attempt,
        state=_SANDBOX_STATES.get(status.state, SandboxState.NOTREADY),
        created_at=status.created_at,
        labels=dict(status.labels),
        annotations=dict(status.annotations),
        runtime_handler=status.runtime_handler,
        ips=tuple(address for address in addresses if address),
        has_network=status.HasField("network"),
        host_network=status.linux.namespaces.options.network == pb.NODE,
        info=dict(info or {}),
    )


def container(item: pb.Container) -> Container:
    """Read one container of a list."""
    return Container(
        id=ContainerID(item.id),
        sandbox_id=SandboxID(item.pod_sandbox_id),
        name=item.metadata.name,
        attempt=item.metadata.attempt,
        state=_CONTAINER_STATES.get(item.state, ContainerState.UNKNOWN),
        image=item.image.image,
        image_id=ImageID(item.image_id),
        image_ref=item.image_ref,
        created_at=item.created_at,
        labels=dict(item.labels),
        annotations=dict(item.annotations),
    )


def container_status(status: pb.ContainerStatus, *, info: Mapping[str, str] | None = None) -> ContainerStatus:
    """Read a container's status; `info` is the verbose part beside it."""
    return ContainerStatus(
        id=ContainerID(status.id),
        name=status.metadata.name,
        attempt=status.metadata.attempt,
        state=_CONTAINER_STATES.get(status.state, ContainerState.UNKNOWN),
        created_at=status.created_at,
        started_at=status.started_at,
        finished_at=status.finished_at,
        exit_code=status.exit_code,
        image=status.image.image,
        image_id=ImageID(status.image_id),
        image_ref=status.image_ref,
        reason=status.reason,
        message=status.message,
        labels=dict(status.labels),
        annotations=dict(status.annotations),
        log_path=status.log_path,
        info=dict(info or {}),
        mounts=tuple(_mount(mount) for mount in status.mounts),
        resources=_linux_resources(status.resources.linux) if status.resources.HasField("linux") else None,
        user=_container_user(status.user.linux) if status.user.HasField("linux") else None,
        stop_signal=status.stop_signal,
    )


def container_event(event: pb.ContainerEventResponse) -> ContainerEvent | None:
    """Read one message of GetContainerEvents; None for a kind that this CRI version does not have."""
    if (type_ := _EVENT_TYPES.get(event.container_event_type)) is None:
        return None
    return ContainerEvent(
        container_id=ContainerID(event.container_id),
        type=type_,
        created_at=event.created_at,
        sandbox=sandbox_status(event.pod_sandbox_status) if event.HasField("pod_sandbox_status") else None,
        containers=tuple(container_status(status) for status in event.containers_statuses),
    )


def exec_result(answer: pb.ExecSyncResponse) -> ExecResult:
    """Read the answer of ExecSync."""
    return ExecResult(stdout=answer.stdout, stderr=answer.stderr, exit_code=answer.exit_code)


def image(item: pb.Image) -> Image:
    """Read one image."""
    return Image(
        id=ImageID(item.id),
        repo_tags=tuple(item.repo_tags),
        repo_digests=tuple(item.repo_digests),
        size_bytes=item.size,
        uid=item.uid.value if item.HasField("uid") else None,
        username=item.username,
        pinned=item.pinned,
    )


def image_fs_info(answer: pb.ImageFsInfoResponse) -> ImageFsInfo:
    """Read the answer of ImageFsInfo."""
    return ImageFsInfo(
        image_filesystems=tuple(filesystem_usage(usage) for usage in answer.image_filesystems),
        container_filesystems=tuple(filesystem_usage(usage) for usage in answer.container_filesystems),
    )


def filesystem_usage(usage: pb.FilesystemUsage) -> FilesystemUsage:
    """Read what is used of one file system."""
    return FilesystemUsage(
        timestamp=usage.timestamp,
        mountpoint=usage.fs_id.mountpoint,
        used_bytes=usage.used_bytes.value if usage.HasField("used_bytes") else None,
        inodes_used=usage.inodes_used.value if usage.HasField("inodes_used") else None,
    )


def _container_user(user: pb.LinuxContainerUser) -> ContainerUser:
    return ContainerUser(uid=user.uid, gid=user.gid, supplemental_groups=tuple(user.supplemental_groups))


def _linux_resources(resources: pb.LinuxContainerResources) -> LinuxResources:
    return LinuxResources(
        cpu_period=resources.cpu_period,
        cpu_quota=resources.cpu_quota,
        cpu_shares=resources.cpu_shares,
        memory_limit_in_bytes=resources.memory_limit_in_bytes,
        oom_score_adj=resources.oom_score_adj,
        cpuset_cpus=resources.cpuset_cpus,
        cpuset_mems=resources.cpuset_mems,
        hugepage_limits=tuple((limit.page_size, limit.limit) for limit in resources.hugepage_limits),
        unified=dict(resources.unified),
        memory_swap_limit_in_bytes=resources.memory_swap_limit_in_bytes,
    )


def _mount(mount: pb.Mount) -> Mount:
    return Mount(
        container_path=mount.container_path,
        host_path=mount.host_path,
        readonly=mount.readonly,
        selinux_relabel=mount.selinux_relabel,
        propagation=_PROPAGATIONS.get(mount.propagation, MountPropagation.PRIVATE),
        uid_mappings=_id_mappings(mount.uidMappings),
        gid_mappings=_id_mappings(mount.gidMappings),
        recursive_read_only=mount.recursive_read_only,
        image=_image_spec(mount.image) if mount.HasField("image") else None,
        image_sub_path=mount.image_sub_path,
    )


def _id_mappings(mappings: Iterable[pb.IDMapping]) -> tuple[IDMapping, ...]:
    return tuple(
        IDMapping(host_id=mapping.host_id, container_id=mapping.container_id, length=mapping.length)
        for mapping in mappings
    )


def _image_spec(spec: pb.ImageSpec) -> ImageSpec:
    return ImageSpec(
        image=spec.image,
        annotations=dict(spec.annotations),
        user_specified_image=spec.user_specified_image,
        runtime_handler=spec.runtime_handler,
        image_ref=spec.image_ref,
    )
