"""The runtime as the kubelet sees it: what sandboxes, containers and images report about themselves.

Protobuf stops in `clients/cri_convert.py`; from there on these values are all there is. Times are Unix nanoseconds as
in CRI, 0 where they have not happened.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

from kubeletsim.model.ids import NO_IMAGE
from kubeletsim.model.ids import ContainerID as ContainerID
from kubeletsim.model.ids import ImageID as ImageID
from kubeletsim.model.ids import PodUID as PodUID
from kubeletsim.model.ids import SandboxID as SandboxID
from kubeletsim.model.requests import LinuxResources, Mount


class Attempt(Protocol):
    """A sandbox or a container: one of several instances of the same thing."""

    @property
    def attempt(self) -> int:
        """How many there were before it."""

    @property
    def created_at(self) -> int:
        """When it was made."""


A = TypeVar("A", bound=Attempt)


def newest_first(instances: Iterable[A]) -> tuple[A, ...]:
    """Return instances with the newest of each thing before its older ones.

    Upstream goes by the time of creation alone, and so takes the wrong one for the newest after the machine's clock has
    been put back: it restarts a container that runs. Attempts only ever grow.
    """
    return tuple(sorted(instances, key=lambda one: (one.attempt, one.created_at), reverse=True))


class SandboxState(Enum):
    """CRI's PodSandboxState."""

    READY = 0
    NOTREADY = 1


class ContainerState(Enum):
    """CRI's ContainerState."""

    CREATED = 0
    RUNNING = 1
    EXITED = 2
    UNKNOWN = 3


class CgroupDriver(Enum):
    """CRI's CgroupDriver; the value is the KubeletConfiguration's spelling."""

    SYSTEMD = "systemd"
    CGROUPFS = "cgroupfs"


class ContainerEventType(Enum):
    """CRI's ContainerEventType."""

    CREATED = 0
    STARTED = 1
    STOPPED = 2
    DELETED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeVersion:
    """Answer of Version: who the runtime is."""

    version: str
    runtime_name: str
    runtime_version: str
    runtime_api_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeCondition:
    """One condition of Status, such as RuntimeReady or NetworkReady."""

    type: str
    status: bool
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeHandler:
    """One runtime handler of Status; the default one has an empty name."""

    name: str
    recursive_read_only_mounts: bool = False
    user_namespaces: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStatus:
    """Answer of Status."""

    conditions: tuple[RuntimeCondition, ...]
    handlers: tuple[RuntimeHandler, ...] = ()
    supplemental_groups_policy: bool = False
    user_namespaces_host_network: bool = False
    info: Mapping[str, str] = field(default_factory=dict)

    @property
    def default_handler(self) -> RuntimeHandler:
        """The handler of pods without a RuntimeClass; one that can nothing where the runtime lists none."""
        return next((handler for handler in self.handlers if not handler.name), RuntimeHandler(name=""))

    def condition(self, type_: str) -> RuntimeCondition | None:
        """Return the condition of that type, or None where the runtime does not report it."""
        return next((condition for condition in self.conditions if condition.type == type_), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A pod sandbox as ListPodSandbox shows it."""

    id: SandboxID
    name: str
    namespace: str
    uid: PodUID
    attempt: int = 0
    state: SandboxState
    created_at: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    runtime_handler: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus(Sandbox):
    """A pod sandbox as PodSandboxStatus shows it."""

    ips: tuple[str, ...] = ()
    """Primary address first; empty with host networking or when the network is gone."""
    has_network: bool = True
    """Whether the answer carried a network part at all."""
    host_network: bool = False
    info: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container as ListContainers shows it."""

    id: ContainerID
    sandbox_id: SandboxID
    name: str
    attempt: int = 0
    state: ContainerState
    image: str = ""
    """The image's reference as it was asked for."""
    image_id: ImageID = NO_IMAGE
    image_ref: str = ""
    created_at: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerUser:
    """Who a container's first process runs as: CRI's LinuxContainerUser."""

    uid: int
    gid: int
    supplemental_groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerStatus:
    """A container as ContainerStatus shows it."""

    id: ContainerID
    name: str
    attempt: int = 0
    state: ContainerState
    created_at: int = 0
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    image: str = ""
    image_id: ImageID = NO_IMAGE
    image_ref: str = ""
    reason: str = ""
    message: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    log_path: str = ""
    info: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    resources: LinuxResources | None = None
    """The limits in force; None where the runtime does not report them."""
    user: ContainerUser | None = None
    stop_signal: int = 0
    """CRI's Signal number; 0 where the runtime does not report it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimePod:
    """What one relist knows of a pod: the containers and sandboxes that carry its uid, newest first."""

    uid: PodUID
    name: str
    namespace: str
    sandboxes: tuple[Sandbox, ...] = ()
    containers: tuple[Container, ...] = ()

    @property
    def has_ready_sandbox(self) -> bool:
        """Whether the pod has a sandbox that works."""
        return any(sandbox.state is SandboxState.READY for sandbox in self.sandboxes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedPod:
    """The full observed state of a pod: kubecontainer.PodStatus upstream. Newest first in both tuples."""

    uid: PodUID
    name: str = ""
    namespace: str = ""
    sandboxes: tuple[SandboxStatus, ...] = ()
    containers: tuple[ContainerStatus, ...] = ()
    ips: tuple[str, ...] = ()
    observed_at: float = 0.0
    """When the statuses were read, in the clock's monotonic seconds."""

    @property
    def has_ready_sandbox(self) -> bool:
        """Whether the pod has a sandbox that works."""
        return any(sandbox.state is SandboxState.READY for sandbox in self.sandboxes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image as ListImages and ImageStatus show it."""

    id: ImageID
    repo_tags: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()
    size_bytes: int = 0
    uid: int | None = None
    username: str = ""
    pinned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesystemUsage:
    """One file system of ImageFsInfo."""

    timestamp: int
    mountpoint: str
    used_bytes: int | None = None
    inodes_used: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFsInfo:
    """Answer of ImageFsInfo."""

    image_filesystems: tuple[FilesystemUsage, ...] = ()
    container_filesystems: tuple[FilesystemUsage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """Answer of ExecSync; a nonzero exit code is a result, not an error."""

    stdout: bytes
    stderr: bytes
    exit_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerEvent:
    """One message of GetContainerEvents."""

    container_id: ContainerID
    type: ContainerEventType
    created_at: int
    sandbox: SandboxStatus | None
    containers: tuple[ContainerStatus, ...] = ()


class PodLifecycleEventType(Enum):
    """What the PLEG says has happened; the value is upstream's spelling."""

    CONTAINER_STARTED = "ContainerStarted"
    CONTAINER_DIED = "ContainerDied"
    CONTAINER_REMOVED = "ContainerRemoved"
    CONTAINER_CHANGED = "ContainerChanged"
    """It is in a state that may mean anything; nobody acts on it, so it is never delivered."""
    POD_SYNC = "PodSync"
    """More has changed than one container."""


@dataclass(frozen=True, slots=True)
class PodLifecycleEvent:
    """One change in a pod; a sandbox's counts as a container's, as upstream."""

    uid: PodUID
    type: PodLifecycleEventType
    container_id: str = ""
    """Of the container, or of the sandbox."""
