"""This module is what a new sandbox or container may not ask for, beyond what the state forbids.

Upstream: internal/cri/server/podsandbox/sandbox_run_linux.go (user namespaces), container_create_linux.go (mounts),
container_image_mount.go.
"""

from collections.abc import Callable

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.state.records import Image
from runtime_stub.state.refusals import Reason, Refusal


def check_user_namespace(config: pb.PodSandboxConfig, *, id_: str) -> None:
    """Refuse user namespaces that cannot be: modes other than POD and NODE, mappings other than one that has id 0."""
    options = config.linux.security_context.namespace_options
    if not options.HasField("userns_options"):
        return
    wanted = options.userns_options
    if wanted.mode == pb.NODE:
        return
    if wanted.mode != pb.POD:
        cause = f"unsupported user namespace mode: {pb.NamespaceMode.Name(wanted.mode)}"
        raise Refusal(Reason.USER_NAMESPACE_INVALID, id=id_, cause=cause)
    for kind, mappings in (("uid", wanted.uids), ("gid", wanted.gids)):
        if len(mappings) != 1:
            cause = f"only one {kind} mapping is supported, got {len(mappings)} mappings"
        elif mappings[0].container_id != 0:
            cause = f"container {kind} 0 must be mapped"
        elif not mappings[0].length:
            cause = f"the length of the {kind} mapping must not be 0"
        else:
            continue
        raise Refusal(Reason.USER_NAMESPACE_INVALID, id=id_, cause=cause)


def check_mounts(
    config: pb.ContainerConfig, *, find: Callable[[str], Image | None], holds: Callable[[Image, str], bool]
) -> None:
    """Refuse mounts that cannot be made, and note in image mounts which image they mean.

    Args:
        config: a new container's; it is ours to write to.
        find: the image that a text names, if it is present.
        holds: whether an image has a file or directory at a path.
    """
    for mount in config.mounts:
        if mount.recursive_read_only and not mount.readonly:
            raise Refusal(Reason.MOUNT_INVALID, path=mount.container_path, cause="recursive read-only needs readonly")
        if mount.recursive_read_only and mount.propagation != pb.PROPAGATION_PRIVATE:
            cause = f"recursive read-only needs private propagation, got {_propagation(mount)}"
            raise Refusal(Reason.MOUNT_INVALID, path=mount.container_path, cause=cause)
        if mount.HasField("image") and mount.image.image:
            _check_image_mount(mount, find=find, holds=holds)


def _check_image_mount(
    mount: pb.Mount, *, find: Callable[[str], Image | None], holds: Callable[[Image, str], bool]
) -> None:
    def refuse(cause: str) -> Refusal:
        return Refusal(Reason.IMAGE_MOUNT_FAILED, path=mount.container_path, cause=cause)

    if mount.host_path:
        raise refuse("host_path and image exclude each other")
    if not mount.readonly:
        raise refuse("an image can only be mounted read-only")
    if (image := find(mount.image.image)) is None:
        raise refuse(f'image "{mount.image.image}" is not present')
    if mount.image_sub_path and not holds(image, mount.image_sub_path):
        raise refuse(f'"{mount.image_sub_path}" is not in the image')
    mount.image.image_ref = image.id


def _propagation(mount: pb.Mount) -> str:
    known = mount.propagation in pb.MountPropagation.values()
    return pb.MountPropagation.Name(mount.propagation) if known else str(int(mount.propagation))
