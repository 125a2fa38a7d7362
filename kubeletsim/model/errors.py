"""The error tree: whose fault it is, and what to do about it, is the type.

KubeletSimError
├─ ConfigError              fix the file or the flags; the process exits 2
├─ StartupError             the node cannot start (socket, port, certificate); the process exits 1
├─ ManifestError            one manifest is bad; it is logged and skipped, the others go on
├─ CRIError                 the runtime answered with an error, or did not answer
│  ├─ RuntimeUnavailable    socket down, or the connection broke: try again
│  ├─ DeadlineExceeded      no answer in time: try again
│  ├─ NotFound              the world moved on; for a stop or a removal this is success
│  └─ BadAnswer             the runtime answered without a field that the kubelet needs
└─ SyncError               a pod's sync failed; the worker tries again after a delay
"""

from collections.abc import Sequence
from dataclasses import dataclass


class KubeletSimError(Exception):
    """Anything this project raises on purpose."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a configuration: where, what was found there, and what is allowed."""

    path: str
    """Dotted JSON path such as `tracing.samplingRatePerMillion`, or a flag such as `--node-ip`."""
    value: object
    """What was found there; None when the field is missing."""
    rule: str
    """What is allowed, as the end of the sentence "the value …": `must be between 0 and 1000000`."""

    def __str__(self) -> str:
        shown = "" if self.value is None else f" {self.value!r}:"
        return f"{self.path}:{shown} {self.rule}"


class ConfigError(KubeletSimError):
    """The configuration cannot be used; `faults` holds every reason found, not only the first."""

    def __init__(self, faults: Sequence[Fault], *, source: str = "") -> None:
        self.faults = tuple(faults)
        self.source = source
        prefix = f"{source}: " if source else ""
        super().__init__("\n".join(f"{prefix}{fault}" for fault in self.faults))


class StartupError(KubeletSimError):
    """The node cannot start although its configuration is valid: a port in use, no runtime, no certificate."""


class ManifestError(KubeletSimError):
    """A pod manifest cannot be used; the message says where and why."""


class CRIError(KubeletSimError):
    """A CRI call failed. `code` is the gRPC code in Go's spelling, `desc` the runtime's own text."""

    def __init__(self, desc: str, *, code: str = "Unknown", rpc: str = "") -> None:
        self.code = code
        self.desc = desc
        self.rpc = rpc
        super().__init__(f"rpc error: code = {code} desc = {desc}")


class RuntimeUnavailable(CRIError):
    """The runtime's socket is down or the connection broke."""


class DeadlineExceeded(CRIError):
    """The runtime did not answer before the call's deadline."""


class NotFound(CRIError):
    """The sandbox, container or image is gone."""


class BadAnswer(CRIError):
    """The runtime's answer lacks a field that `staging/src/k8s.io/cri-client` insists on."""

    def __init__(self, desc: str, *, rpc: str = "") -> None:
        super().__init__(desc, rpc=rpc)
        self.args = (desc,)


@dataclass(frozen=True, slots=True)
class ActionFailure:
    """One action of a sync that failed (`kubecontainer.SyncResult` upstream)."""

    action: str
    """`CreatePodSandbox`, `StartContainer`, `KillContainer`, …: upstream's SyncAction."""
    target: str
    """The container's name, or the pod as `name_namespace(uid)`."""
    reason: str
    """Upstream's error value: `ErrImagePull`, `CrashLoopBackOff`, `CreateContainerError`, …."""
    message: str
    backoff_until: float | None = None
    """Unix seconds until which trying again is pointless; None when this is no backoff."""

    def __str__(self) -> str:
        return f'failed to "{self.action}" for {go_quote(self.target)} with {self.reason}: {go_quote(self.message)}'


class SyncError(KubeletSimError):
    """A pod's sync failed; reads like upstream's aggregate: one text bare, several in brackets."""

    def __init__(self, failures: Sequence[ActionFailure]) -> None:
        self.failures = tuple(failures)
        texts = list(dict.fromkeys(str(failure) for failure in self.failures))
        super().__init__(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")


def go_quote(text: str) -> str:
    """Quote text as Go's %q does, so that messages match upstream's to the letter."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(escapes.get(char, char) for char in text) + '"'
