"""What can go wrong in a sync, as types: a container that does not start, a pod that does not stop.

`StartFailure` becomes one `ActionFailure` of the sync's `SyncError`. Spans carry Go's type names of errors, because
that is what a backend that knows kubelets groups by; `go_type` gives them.
"""

from kubeletsim.model.errors import ActionFailure, CRIError, KubeletSimError, SyncError
from kubeletsim.model.pod import AnyContainer

AGGREGATE = "k8s.io/apimachinery/pkg/util/errors.aggregate"
GRPC_STATUS = "*status.Error"
PLAIN_ERROR = "*errors.errorString"
WRAPPED_ERROR = "*fmt.wrapError"


class StartFailure(KubeletSimError):
    """A container was not started.

    Args:
        reason: upstream's error value, which becomes the container's waiting reason: `ErrImagePull`.
        message: what happened; becomes the waiting message.
        backoff_until: Unix seconds before which trying again is pointless; None when this is no backoff.
        told: what an event says of it; the message unless given.
    """

    def __init__(
        self, reason: str, message: str, *, backoff_until: float | None = None, told: str | None = None
    ) -> None:
        self.reason = reason
        self.message = message
        self.told = message if told is None else told
        self.backoff_until = backoff_until
        super().__init__(f"{reason}: {message}")

    def of(self, container: AnyContainer) -> ActionFailure:
        """Return the failure of that container's start."""
        return ActionFailure("StartContainer", container.name, self.reason, self.message, self.backoff_until)


class SyncFailure(ActionFailure):
    """A sync that was given up between two actions; its text names no action."""

    __slots__ = ()

    def __init__(self, message: str) -> None:
        super().__init__("SyncPod", "", "", message)

    def __str__(self) -> str:
        return f"failed to SyncPod: {self.message}"


class MountFailure(KubeletSimError):
    """A pod's directories or volumes are not there and cannot be made."""


class ContainersStillRunning(KubeletSimError):
    """The runtime reported every container of a terminating pod stopped, and yet some run."""


class PodNotKilledInTime(KubeletSimError):
    """A pod that had to end is still there after its grace period and more; its worker goes on trying."""


def go_type(error: Exception) -> str:
    """Return the type name that Go's tracing SDK gives the error at this place."""
    match error:
        case SyncError():
            return AGGREGATE
        case CRIError():
            return GRPC_STATUS
        case MountFailure():
            return WRAPPED_ERROR
        case _:
            return PLAIN_ERROR
