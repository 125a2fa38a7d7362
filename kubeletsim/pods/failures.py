"""What can go wrong in a sync, as types: a container that does not start, a pod that does not stop.

`StartFailure` becomes one `ActionFailure` of the sync's `SyncError`. Spans carry Go's type names of errors, because
that is what a backend that knows kubelets groups by; `go_type` gives them.
"""

from kubeletsim.model.errors import ActionFailure, KubeletSimError, SyncError
from kubeletsim.model.pod import AnyContainer

AGGREGATE = "k8s.io/apimachinery/pkg/util/errors.aggregate"
PLAIN_ERROR = "*errors.errorString"


class StartFailure(KubeletSimError):
    """A container was not started.

    Args:
        reason: upstream's error value, which becomes the container's waiting reason: `ErrImagePull`.
        message: what happened; becomes the waiting message.
        backoff_until: Unix seconds before which trying again is pointless; None when this is no backoff.
    """

    def __init__(self, reason: str, message: str, *, backoff_until: float | None = None) -> None:
        self.reason = reason
        self.message = message
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


class ContainersStillRunning(KubeletSimError):
    """The runtime reported every container of a terminating pod stopped, and yet some run."""


def go_type(error: Exception) -> str:
    """Return the type name that Go's tracing SDK gives the error at this place."""
    return AGGREGATE if isinstance(error, SyncError) else PLAIN_ERROR
