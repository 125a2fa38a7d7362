"""This module is the profile: everything in which one simulated runtime differs from another."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime_stub.behaviour.latency import Latency
from runtime_stub.behaviour.plan import Plans
from runtime_stub.behaviour.refusals import Wordings


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One runtime, as data."""

    name: str
    runtime_name: str
    """What Version answers; a kubelet makes it the prefix of container ids in pod status."""
    runtime_version: str
    plans: Plans
    """What happens inside a call, by RPC name."""
    latencies: Mapping[str, Latency]
    """How long the plans' pieces of work take, by name."""
    wordings: Wordings
    excepted: tuple[str, ...] = ()
    """RPCs whose failure is an `exception` event of their span, too."""
    conditions: tuple[str, ...] = ()
    """Types of Status conditions besides RuntimeReady and NetworkReady; always true."""
    runtime_handlers: tuple[str, ...] = ("runc",)
    """Names of runtime handlers that are configured from the start, besides the empty one."""
    returns_existing: bool = False
    """A sandbox or container of the same name as a finished one is that one, rather than a refusal."""
    exec_timeout_text: str = ""
    """What ExecSync answers on stderr, with exit code -1, when a command takes too long; empty: it fails."""
    status_info: tuple[str, ...] = ("config", "python", "cniconfig", "lastCNILoadStatus", "lastCNILoadStatus.default")
    """What a verbose Status tells, by key."""
    lists_container_filesystem: bool = False
    """ImageFsInfo names the file system for containers, too, which is the same."""
    image_id_prefix: str = "sha256:"
    transfer: str = "pull.fetch_megabyte"
    """The piece of work that fetches a layer, by its latency's name."""
    snapshotter: str = "overlayfs"
    runtime_type: str = "io.containerd.runc.v2"
    facts: Mapping[str, str] = field(default_factory=dict)
    """Facts that every call of the profile has, for attributes that never change."""
