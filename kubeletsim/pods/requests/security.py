"""What a container may do and what it sees: users, capabilities, namespaces, profiles, hidden paths.

Upstream: pkg/kubelet/kuberuntime/security_context.go, pkg/securitycontext/util.go, pkg/kubelet/kuberuntime/helpers.go.
"""

from lightkube.models.core_v1 import (
    AppArmorProfile,
    EphemeralContainer,
    Pod,
    PodSecurityContext,
    SeccompProfile,
    SecurityContext,
    SELinuxOptions,
)

from kubeletsim.model.pod import (
    AnyContainer,
    all_containers,
    describe,
    spec,
    uses_host_network,
)
from kubeletsim.model.requests import (
    ContainerSecurityContext,
    IDMapping,
    NamespaceMode,
    NamespaceOptions,
    SandboxSecurityContext,
    SeccompType,
    SecurityProfile,
    SELinuxOption,
)
from kubeletsim.model.runtime import Image
from kubeletsim.pods.requests.node import NodeFacts, RequestError

MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


def sandbox_security(pod: Pod, *, userns: IDMapping | None = None) -> SandboxSecurityContext:
    """Return the security context of the pod's sandbox; `userns` is the range of a pod with hostUsers false."""
    context = spec(pod).securityContext or PodSecurityContext()
    return SandboxSecurityContext(
        namespace_options=namespace_options(pod, userns=userns),
        selinux=_selinux(context.seLinuxOptions),
        run_as_user=context.runAsUser,
        run_as_group=context.runAsGroup,
        supplemental_groups=_supplemental_groups(context),
        supplemental_groups_strict=context.supplementalGroupsPolicy == "Strict",
        privileged=any(c.securityContext is not None and c.securityContext.privileged for c in all_containers(pod)),
        seccomp=SecurityProfile(type=SeccompType.RUNTIME_DEFAULT),
    )


def container_security(
    pod: Pod, container: AnyContainer, *, image: Image | None, node: NodeFacts, userns: IDMapping | None = None
) -> ContainerSecurityContext:
    """Return the security context of a container.

    Raises:
        RequestError: the container must not run as root but would, or nobody can tell.
    """
    whole = spec(pod).securityContext or PodSecurityContext()
    own = container.securityContext or SecurityContext()
    user = own.runAsUser if own.runAsUser is not None else whole.runAsUser
    username = ""
    non_root = own.runAsNonRoot if own.runAsNonRoot is not None else whole.runAsNonRoot
    if non_root:
        _check_non_root(pod, container, user=user, image=image)
    if user is None:
        user, username = _image_user(image)
    unmasked = own.procMount == "Unmasked"
    capabilities = own.capabilities
    target = container.targetContainerName if isinstance(container, EphemeralContainer) else None
    return ContainerSecurityContext(
        add_capabilities=tuple((capabilities.add or []) if capabilities is not None else []),
        drop_capabilities=tuple((capabilities.drop or []) if capabilities is not None else []),
        privileged=bool(own.privileged),
        namespace_options=namespace_options(pod, userns=userns, shares_pids_of_target=bool(target)),
        selinux=_selinux(own.seLinuxOptions or whole.seLinuxOptions),
        run_as_user=user,
        run_as_group=own.runAsGroup if own.runAsGroup is not None else whole.runAsGroup,
        run_as_username=username,
        readonly_rootfs=bool(own.readOnlyRootFilesystem),
        supplemental_groups=_supplemental_groups(whole),
        supplemental_groups_strict=whole.supplementalGroupsPolicy == "Strict",
        no_new_privs=own.allowPrivilegeEscalation is False,
        masked_paths=() if unmasked else MASKED_PATHS + node.extra_masked_paths,
        readonly_paths=() if unmasked else READONLY_PATHS,
        seccomp=_seccomp(own.seccompProfile or whole.seccompProfile, node=node),
        apparmor=_apparmor(own.appArmorProfile or whole.appArmorProfile),
    )


def namespace_options(
    pod: Pod, *, userns: IDMapping | None = None, shares_pids_of_target: bool = False
) -> NamespaceOptions:
    """Return which namespaces a sandbox or container of the pod shares with whom.

    The id of a debug container's target is filled in by whoever knows the running containers.
    """
    wanted = spec(pod)
    pid = NamespaceMode.CONTAINER
    if wanted.hostPID:
        pid = NamespaceMode.NODE
    elif shares_pids_of_target:
        pid = NamespaceMode.TARGET
    elif wanted.shareProcessNamespace:
        pid = NamespaceMode.POD
    own_users = wanted.hostUsers is False
    mappings = (userns,) if own_users and userns is not None else ()
    return NamespaceOptions(
        network=NamespaceMode.NODE if uses_host_network(pod) else NamespaceMode.POD,
        pid=pid,
        ipc=NamespaceMode.NODE if wanted.hostIPC else NamespaceMode.POD,
        userns=NamespaceMode.POD if own_users else NamespaceMode.NODE,
        userns_uids=mappings,
        userns_gids=mappings,
    )


def _check_non_root(pod: Pod, container: AnyContainer, *, user: int | None, image: Image | None) -> None:
    """Refuse a container that must not run as root but would (verifyRunAsNonRoot upstream, its texts included)."""
    who = f'(pod: "{describe(pod)}", container: {container.name})'
    if user == 0:
        raise RequestError(f"container's runAsUser breaks non-root policy {who}")
    if user is not None:
        return
    image_user, image_username = _image_user(image)
    if image_username:
        raise RequestError(
            f"container has runAsNonRoot and image has non-numeric user ({image_username}), "
            f"cannot verify user is non-root {who}"
        )
    if image_user == 0:
        raise RequestError(f"container has runAsNonRoot and image will run as root {who}")


def _image_user(image: Image | None) -> tuple[int | None, str]:
    """Return the user an image asks for by number or by name; one that asks for none runs as root."""
    if image is not None and image.uid is not None:
        return image.uid, ""
    if image is not None and image.username:
        return None, image.username
    return 0, ""


def _supplemental_groups(context: PodSecurityContext) -> tuple[int, ...]:
    own = () if context.fsGroup is None else (context.fsGroup,)
    return (*own, *(context.supplementalGroups or []))


def _selinux(options: SELinuxOptions | None) -> SELinuxOption | None:
    if options is None:
        return None
    return SELinuxOption(
        user=options.user or "", role=options.role or "", type=options.type or "", level=options.level or ""
    )


def _seccomp(profile: SeccompProfile | None, *, node: NodeFacts) -> SecurityProfile:
    if profile is None:
        default = SeccompType.RUNTIME_DEFAULT if node.seccomp_default else SeccompType.UNCONFINED
        return SecurityProfile(type=default)
    if profile.type == "Localhost":
        path = f"{node.root_dir}/seccomp/{profile.localhostProfile}"
        return SecurityProfile(type=SeccompType.LOCALHOST, localhost_ref=path)
    return SecurityProfile(type=_PROFILE_TYPES[profile.type])


def _apparmor(profile: AppArmorProfile | None) -> SecurityProfile | None:
    if profile is None:
        return None
    return SecurityProfile(type=_PROFILE_TYPES[profile.type], localhost_ref=profile.localhostProfile or "")


_PROFILE_TYPES = {
    "RuntimeDefault": SeccompType.RUNTIME_DEFAULT,
    "Unconfined": SeccompType.UNCONFINED,
    "Localhost": SeccompType.LOCALHOST,
}
