"""This module is how records look in CRI answers.

containerd names an image in two ways, and so does this: `image_ref` is the configuration's digest in a list and the
repository's digest in a status. Upstream: toCRIContainer, toCRIContainerStatus, toCRISandbox, toCRIImage.
"""

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.state.records import Container, ContainerState, Image, Sandbox, SandboxState

_SANDBOX_STATES = {SandboxState.READY: pb.SANDBOX_READY, SandboxState.NOTREADY: pb.SANDBOX_NOTREADY}
_CONTAINER_STATES = {
    ContainerState.CREATED: pb.CONTAINER_CREATED,
    ContainerState.RUNNING: pb.CONTAINER_RUNNING,
    ContainerState.EXITED: pb.CONTAINER_EXITED,
    ContainerState.UNKNOWN: pb.CONTAINER_UNKNOWN,
}


def sandbox_item(sandbox: Sandbox) -> pb.PodSandbox:
    """Return a sandbox as ListPodSandbox shows it."""
    config = sandbox.config
    return pb.PodSandbox(
        id=sandbox.id,
        metadata=config.metadata,
        state=_SANDBOX_STATES[sandbox.state],
        created_at=sandbox.created_at,
        labels=config.labels,
        annotations=config.annotations,
        runtime_handler=sandbox.runtime_handler,
    )


def sandbox_status(sandbox: Sandbox) -> pb.PodSandboxStatus:
    """Return a sandbox as PodSandboxStatus shows it."""
    config = sandbox.config
    network = pb.PodSandboxNetworkStatus()
    if sandbox.ips:
        network.ip = sandbox.ips[0]
        network.additional_ips.extend(pb.PodIP(ip=ip) for ip in sandbox.ips[1:])
    options = config.linux.security_context.namespace_options
    return pb.PodSandboxStatus(
        id=sandbox.id,
        metadata=config.metadata,
        state=_SANDBOX_STATES[sandbox.state],
        created_at=sandbox.created_at,
        network=network,
        linux=pb.LinuxPodSandboxStatus(namespaces=pb.Namespace(options=options)),
        labels=config.labels,
        annotations=config.annotations,
        runtime_handler=sandbox.runtime_handler,
    )


def container_item(container: Container) -> pb.Container:
    """Return a container as ListContainers shows it."""
    config = container.config
    return pb.Container(
        id=container.id,
        pod_sandbox_id=container.sandbox_id,
        metadata=config.metadata,
        image=config.image,
        image_ref=container.image_id,
        image_id=container.image_id,
        state=_CONTAINER_STATES[container.state],
        created_at=container.created_at,
        labels=config.labels,
        annotations=config.annotations,
    )


def container_status(container: Container) -> pb.ContainerStatus:
    """Return a container as ContainerStatus shows it."""
    config = container.config
    image = pb.ImageSpec()
    image.CopyFrom(config.image)
    image.image = container.image_name
    image.ClearField("user_specified_image")  # containerd tells what the image is called, not what it was asked for
    return pb.ContainerStatus(
        id=container.id,
        metadata=config.metadata,
        state=_CONTAINER_STATES[container.state],
        created_at=container.created_at,
        started_at=container.started_at,
        finished_at=container.finished_at,
        exit_code=container.exit_code,
        image=image,
        image_ref=container.image_digest,
        image_id=container.image_id,
        reason=container.reason,
        message=container.message,
        labels=config.labels,
        annotations=config.annotations,
        mounts=config.mounts,
        log_path=container.log_path,
        resources=pb.ContainerResources(linux=container.resources),
        user=_user(container),
        stop_signal=config.stop_signal or pb.SIGTERM,
    )


def image_item(image: Image) -> pb.Image:
    """Return an image as ListImages and ImageStatus show it."""
    user = image.user.partition(":")[0]  # the group is not shown
    return pb.Image(
        id=image.id,
        repo_tags=image.tags,
        repo_digests=image.digests,
        size=image.size_bytes,
        pinned=image.pinned,
        uid=pb.Int64Value(value=int(user)) if user.isdecimal() else None,
        username="" if user.isdecimal() else user,
    )


def image_names(image: Image) -> tuple[str, str]:
    """Return what ContainerStatus calls an image, and its `image_ref`: first tag or else digest; first digest or id."""
    digest = image.digests[0] if image.digests else image.id
    return (image.tags[0] if image.tags else digest), digest


def _user(container: Container) -> pb.ContainerUser:
    groups = sorted({container.gid, *container.groups})
    return pb.ContainerUser(
        linux=pb.LinuxContainerUser(uid=container.uid, gid=container.gid, supplemental_groups=groups)
    )
