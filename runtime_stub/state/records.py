"""This module is what the runtime remembers of one sandbox, one container and one image.

Records are values: a change makes a new one. Configurations are kept in their wire form, which takes a quarter of a
message's memory; `config` decodes one each time it is asked for, in some ten microseconds. Times are Unix nanoseconds,
0 while they have not happened, as in CRI.
"""

from dataclasses import dataclass
from enum import IntEnum

from kubeletsim.pb import cri_pb2 as pb


class SandboxState(IntEnum):
    """CRI's PodSandboxState, by its wire numbers."""

    READY = 0
    NOTREADY = 1


class ContainerState(IntEnum):
    """CRI's ContainerState, by its wire numbers."""

    CREATED = 0
    RUNNING = 1
    EXITED = 2
    UNKNOWN = 3


class EventType(IntEnum):
    """CRI's ContainerEventType, by its wire numbers."""

    CREATED = 0
    STARTED = 1
    STOPPED = 2
    DELETED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One pod sandbox."""

    id: str
    wire_config: bytes
    """The caller's PodSandboxConfig."""
    runtime_handler: str = ""
    state: SandboxState = SandboxState.READY
    created_at: int
    pid: int
    """The simulated pause process; 0 after it was stopped."""
    ips: tuple[str, ...] = ()
    """Primary address first; empty with host networking and after the network was torn down."""

    @property
    def config(self) -> pb.PodSandboxConfig:
        """The caller's configuration; changing it changes nothing here."""
        return pb.PodSandboxConfig.FromString(self.wire_config)

    @property
    def host_network(self) -> bool:
        """Whether the pod lives in the node's network namespace."""
        return uses_host_network(self.config)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container. What the image resolved to is kept, since the image may be removed while the container lives."""

    id: str
    sandbox_id: str
    wire_config: bytes
    """The caller's ContainerConfig."""
    image_id: str
    image_name: str
    """The image's first tag, else its first digest, else its id: what ContainerStatus calls the image."""
    image_digest: str
    """The image's first repository digest: ContainerStatus' `image_ref`."""
    log_path: str = ""
    """Absolute path of the log file; empty when the caller wants none."""
    state: ContainerState = ContainerState.CREATED
    created_at: int
    started_at: int = 0
    finished_at: int = 0
    exit_code: int = 0
    reason: str = ""
    message: str = ""
    pid: int = 0
    steps_done: int = 0
    """How many steps of its program the process has behind it; from there it goes on after a restart of the stub."""
    wire_resources: bytes
    """LinuxContainerResources in force: those of the configuration until UpdateContainerResources changes them."""
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    """Who its first process is; the groups without `gid`."""

    @property
    def config(self) -> pb.ContainerConfig:
        """The caller's configuration; changing it changes nothing here."""
        return pb.ContainerConfig.FromString(self.wire_config)

    @property
    def resources(self) -> pb.LinuxContainerResources:
        """The limits in force."""
        return pb.LinuxContainerResources.FromString(self.wire_resources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image: content under all the names it was pulled by."""

    id: str
    """`sha256:` and the digest of the image's configuration."""
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size_bytes: int
    pinned: bool = False
    user: str = ""
    """Of the image's configuration: `uid`, `uid:group`, `name` or `name:group`."""


Record = Sandbox | Container | Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something a subscriber of GetContainerEvents learns; `sandbox` is the pod's sandbox as the event left it."""

    type: EventType
    container_id: str
    sandbox: Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a state change leaves to be done outside: records to write down, records to forget, events to tell."""

    saved: tuple[Record, ...] = ()
    removed: tuple[Record, ...] = ()
    events: tuple[Event, ...] = ()


def uses_host_network(config: pb.PodSandboxConfig) -> bool:
    """Tell whether a sandbox configuration asks for the node's network namespace (`NamespaceMode` NODE)."""
    return bool(config.linux.security_context.namespace_options.network == pb.NODE)


def shares_pid_namespace(config: pb.ContainerConfig) -> bool:
    """Tell whether a container asks for its pod's PID namespace, where the sandbox's process is the init.

    Without any options it is taken to have its own, although containerd reads an absent mode as POD.
    """
    context = config.linux.security_context
    return context.HasField("namespace_options") and context.namespace_options.pid == pb.POD


def exit_reason(exit_code: int) -> str:
    """Return containerd's reason of an exit that has no reason of its own."""
    return "Completed" if exit_code == 0 else "Error"
