"""This module is the plain wording of errors: a code that says whose fault it is, and a text that names the field.

What kubelets look for in texts stays containerd's: the prefix of a failed image mount, what a registry or runc says.
"""

from collections.abc import Mapping

from runtime_stub.behaviour.profiles.bad_requests import Texts, name_fields
from runtime_stub.behaviour.profiles.containerd_wordings import FAILURES
from runtime_stub.behaviour.refusals import Wording
from runtime_stub.state.refusals import Reason

_LOOKUP = "{id:q}: {cause}"
_RESERVED = ("FAILED_PRECONDITION", "config.metadata: {name:q} is reserved for {holder:q}")
_READY = "{id:q}: must be SANDBOX_READY"
_NOT_RUNNING = "{state}: must be CONTAINER_RUNNING"

TEXTS: Texts = {
    Reason.SANDBOX_METADATA_MISSING: "required",
    Reason.CONTAINER_METADATA_MISSING: "required",
    Reason.HANDLER_UNKNOWN: "{handler:q}: not configured",
    Reason.SANDBOX_ID_UNUSABLE: _LOOKUP,
    Reason.CONTAINER_ID_UNUSABLE: _LOOKUP,
    Reason.SANDBOX_NOT_FOUND: _LOOKUP,
    Reason.SANDBOX_OF_CONTAINER_NOT_FOUND: _LOOKUP,
    Reason.STATS_SANDBOX_NOT_FOUND: _LOOKUP,
    Reason.FORWARD_SANDBOX_NOT_FOUND: _LOOKUP,
    Reason.CONTAINER_NOT_FOUND: _LOOKUP,
    Reason.EXEC_CONTAINER_NOT_FOUND: _LOOKUP,
    Reason.STATS_CONTAINER_NOT_FOUND: _LOOKUP,
    Reason.EXEC_URL_CONTAINER_NOT_FOUND: _LOOKUP,
    Reason.ATTACH_CONTAINER_NOT_FOUND: _LOOKUP,
    Reason.SANDBOX_NOT_RUNNING: _READY,
    Reason.SANDBOX_OF_START_NOT_RUNNING: "sandbox {id:q}: must be SANDBOX_READY",
    Reason.FORWARD_NOT_READY: "must be SANDBOX_READY",
    Reason.NO_SANDBOX_STATS: "must be SANDBOX_READY",
    Reason.NOT_STARTABLE: _LOOKUP,
    Reason.NOT_REMOVABLE: _LOOKUP,
    Reason.NOT_UPDATABLE: "{id:q}: is being removed",
    Reason.EXEC_NOT_RUNNING: _NOT_RUNNING,
    Reason.STREAM_NOT_RUNNING: _NOT_RUNNING,
    Reason.CHECKPOINT_NOT_RUNNING: _NOT_RUNNING,
    Reason.LOG_NOT_RUNNING: "must be CONTAINER_RUNNING",
    Reason.NO_STATS: "must be CONTAINER_RUNNING",
    Reason.LOG_FAILED: "{cause}",
    Reason.COMMAND_MISSING: "required",
    Reason.STREAMS_INVALID: "{cause}",
    Reason.GROUP_WITHOUT_USER: "{group}: needs run_as_user or run_as_username",
    Reason.USER_UNKNOWN: "{cause}",
    Reason.USER_NAMESPACE_INVALID: "{cause}",
    Reason.MOUNT_INVALID: "{path:q}: {cause}",
    Reason.IMAGE_UNRESOLVED: "{image:q}: not found",
    Reason.IMAGE_REFERENCE_INVALID: "{image:q}: {cause}",
    Reason.NETWORK_CONFIG_INVALID: "{pod_cidr:q}: {cause}",
    Reason.CHECKPOINT_FAILED: "{cause}",
}

WORDINGS: Mapping[Reason, Wording] = {
    **FAILURES,
    Reason.SANDBOX_NAME_RESERVED: _RESERVED,
    Reason.CONTAINER_NAME_RESERVED: _RESERVED,
    **name_fields(TEXTS),
}
