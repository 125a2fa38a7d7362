"""What a kubelet asks of a runtime: the sandbox and container configurations, field by field as in CRI v1.

`pods/requests.py` fills these in, `clients/cri_convert.py` puts them on the wire. A None or
empty field is absent there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from kubeletsim.model.ids import NO_IMAGE, ImageID, PodUID


class NamespaceMode(Enum):
    """CRI's NamespaceMode."""

    POD = 0
    CONTAINER = 1
    NODE = 2
    TARGET = 3


class MountPropagation(Enum):
    """CRI's MountPropagation."""

    PRIVATE = 0
    HOST_TO_CONTAINER = 1
    BIDIRECTIONAL = 2


class SeccompType(Enum):
    """CRI's SecurityProfile.ProfileType."""

    RUNTIME_DEFAULT = 0
    UNCONFINED = 1
    LOCALHOST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityProfile:
    """A seccomp or AppArmor profile."""

    type: SeccompType
    localhost_ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SELinuxOption:
    """SELinux label parts."""

    user: str = ""
    role: str = ""
    type: str = ""
    level: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IDMapping:
    """One range of a user namespace."""

    host_id: int
    container_id: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceOptions:
    """Which namespaces are shared, and with whom."""

    network: NamespaceMode = NamespaceMode.POD
    pid: NamespaceMode = NamespaceMode.CONTAINER
    ipc: NamespaceMode = NamespaceMode.POD
    target_id: str = ""
    userns: NamespaceMode = NamespaceMode.NODE
    userns_uids: tuple[IDMapping, ...] = ()
    userns_gids: tuple[IDMapping, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinuxResources:
    """CRI's LinuxContainerResources; 0 and None mean unset, as on the wire."""

    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    memory_limit_in_bytes: int = 0
    oom_score_adj: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    hugepage_limits: tuple[tuple[str, int], ...] = ()
    """Pairs of page size (`2MB`) and limit in bytes."""
    unified: Mapping[str, str] = field(default_factory=dict)
    memory_swap_limit_in_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSecurityContext:
    """CRI's LinuxSandboxSecurityContext."""

    namespace_options: NamespaceOptions = NamespaceOptions()
    selinux: SELinuxOption | None = None
    run_as_user: int | None = None
    run_as_group: int | None = None
    readonly_rootfs: bool = False
    supplemental_groups: tuple[int, ...] = ()
    supplemental_groups_strict: bool = False
    privileged: bool = False
    seccomp: SecurityProfile | None = None
    apparmor: SecurityProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LinuxSandboxConfig:
    """CRI's LinuxPodSandboxConfig."""

    cgroup_parent: str = ""
    security_context: SandboxSecurityContext = SandboxSecurityContext()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    overhead: LinuxResources | None = None
    resources: LinuxResources | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DNSConfig:
    """Resolver settings of a sandbox."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMapping:
    """One container port; host_port 0 means it is not published on the host."""

    protocol: str = "TCP"
    """`TCP`, `UDP` or `SCTP`."""
    container_port: int
    host_port: int = 0
    host_ip: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """CRI's PodSandboxConfig."""

    name: str
    namespace: str
    uid: PodUID
    attempt: int = 0
    hostname: str = ""
    log_directory: str = ""
    dns_config: DNSConfig | None = None
    port_mappings: tuple[PortMapping, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    linux: LinuxSandboxConfig | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """How an image is named in a request."""

    image: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    user_specified_image: str = ""
    runtime_handler: str = ""
    image_ref: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthConfig:
    """Registry credentials of one pull."""

    username: str = ""
    password: str = ""
    auth: str = ""
    server_address: str = ""
    identity_token: str = ""
    registry_token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One mount of a container."""

    container_path: str
    host_path: str = ""
    readonly: bool = False
    selinux_relabel: bool = False
    propagation: MountPropagation = MountPropagation.PRIVATE
    uid_mappings: tuple[IDMapping, ...] = ()
    gid_mappings: tuple[IDMapping, ...] = ()
    recursive_read_only: bool = False
    image: ImageSpec | None = None
    image_sub_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One host device of a container."""

    container_path: str
    host_path: str
    permissions: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSecurityContext:
    """CRI's LinuxContainerSecurityContext."""

    add_capabilities: tuple[str, ...] = ()
    drop_capabilities: tuple[str, ...] = ()
    add_ambient_capabilities: tuple[str, ...] = ()
    privileged: bool = False
    namespace_options: NamespaceOptions = NamespaceOptions()
    selinux: SELinuxOption | None = None
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_username: str = ""
    readonly_rootfs: bool = False
    supplemental_groups: tuple[int, ...] = ()
    supplemental_groups_strict: bool = False
    no_new_privs: bool = False
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    seccomp: SecurityProfile | None = None
    apparmor: SecurityProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerConfig:
    """CRI's ContainerConfig."""

    name: str
    attempt: int = 0
    image: ImageSpec
    image_id: ImageID = NO_IMAGE
    """For the caller's own use; CRI has no place for it, the image is what `image` names."""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    envs: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    devices: tuple[Device, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    log_path: str = ""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    resources: LinuxResources | None = None
    security_context: ContainerSecurityContext | None = None
    cdi_devices: tuple[str, ...] = ()
    stop_signal: int = 0
    """CRI's Signal number; 0 leaves it to the image."""
