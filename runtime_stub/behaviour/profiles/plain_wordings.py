"""This module is the plain wording of errors: a code that says whose fault it is, and a text that names the field.

What kubelets look for in texts stays containerd's: the prefix of a failed image mount, what a registry or runc says.
"""

from collections.abc import Mapping

from runtime_stub.behaviour.profiles.containerd_wordings import WORDINGS as CONTAINERD_WORDINGS
from runtime_stub.behaviour.refusals import Wording
from runtime_stub.state.refusals import Reason

_SANDBOX_ID = ("INVALID_ARGUMENT", "pod_sandbox_id: {id:q}: {cause}")
_CONTAINER_ID = ("INVALID_ARGUMENT", "container_id: {id:q}: {cause}")
_RESERVED = ("FAILED_PRECONDITION", "config.metadata: {name:q} is reserved for {holder:q}")
_NOT_RUNNING = ("FAILED_PRECONDITION", "container_id: {state}: must be CONTAINER_RUNNING")
_SECURITY = "config.linux.security_context"

WORDINGS: Mapping[Reason, Wording] = {
    **CONTAINERD_WORDINGS,
    Reason.SANDBOX_METADATA_MISSING: ("INVALID_ARGUMENT", "config.metadata: required"),
    Reason.CONTAINER_METADATA_MISSING: ("INVALID_ARGUMENT", "config.metadata: required"),
    Reason.SANDBOX_NAME_RESERVED: _RESERVED,
    Reason.CONTAINER_NAME_RESERVED: _RESERVED,
    Reason.HANDLER_UNKNOWN: ("INVALID_ARGUMENT", "runtime_handler: {handler:q}: not configured"),
    Reason.SANDBOX_NOT_FOUND: _SANDBOX_ID,
    Reason.SANDBOX_OF_CONTAINER_NOT_FOUND: _SANDBOX_ID,
    Reason.STATS_SANDBOX_NOT_FOUND: _SANDBOX_ID,
    Reason.FORWARD_SANDBOX_NOT_FOUND: _SANDBOX_ID,
    Reason.CONTAINER_NOT_FOUND: _CONTAINER_ID,
    Reason.EXEC_CONTAINER_NOT_FOUND: _CONTAINER_ID,
    Reason.STATS_CONTAINER_NOT_FOUND: _CONTAINER_ID,
    Reason.EXEC_URL_CONTAINER_NOT_FOUND: _CONTAINER_ID,
    Reason.ATTACH_CONTAINER_NOT_FOUND: _CONTAINER_ID,
    Reason.SANDBOX_NOT_RUNNING: ("FAILED_PRECONDITION", "pod_sandbox_id: {id:q}: must be SANDBOX_READY"),
    Reason.FORWARD_NOT_READY: ("FAILED_PRECONDITION", "pod_sandbox_id: must be SANDBOX_READY"),
    Reason.NOT_STARTABLE: ("FAILED_PRECONDITION", "container_id: {id:q}: {cause}"),
    Reason.NOT_REMOVABLE: ("FAILED_PRECONDITION", "container_id: {id:q}: {cause}"),
    Reason.NOT_UPDATABLE: ("FAILED_PRECONDITION", "container_id: {id:q}: is being removed"),
    Reason.EXEC_NOT_RUNNING: _NOT_RUNNING,
    Reason.STREAM_NOT_RUNNING: _NOT_RUNNING,
    Reason.CHECKPOINT_NOT_RUNNING: _NOT_RUNNING,
    Reason.LOG_NOT_RUNNING: ("FAILED_PRECONDITION", "container_id: must be CONTAINER_RUNNING"),
    Reason.LOG_FAILED: ("FAILED_PRECONDITION", "log_path: {cause}"),
    Reason.NO_STATS: ("FAILED_PRECONDITION", "container_id, pod_sandbox_id: must run"),
    Reason.STREAMS_INVALID: ("INVALID_ARGUMENT", "stdin, stdout, stderr, tty: {cause}"),
    Reason.GROUP_WITHOUT_USER: (
        "INVALID_ARGUMENT",
        _SECURITY + ".run_as_group: {group}: needs run_as_user or run_as_username",
    ),
    Reason.USER_UNKNOWN: ("INVALID_ARGUMENT", _SECURITY + ": {cause}"),
    Reason.USER_NAMESPACE_INVALID: ("INVALID_ARGUMENT", _SECURITY + ".namespace_options.userns_options: {cause}"),
    Reason.MOUNT_INVALID: ("INVALID_ARGUMENT", "config.mounts: {path:q}: {cause}"),
    Reason.IMAGE_UNRESOLVED: ("NOT_FOUND", "config.image.image: {image:q}: not found"),
    Reason.IMAGE_REFERENCE_INVALID: ("INVALID_ARGUMENT", "image.image: {image:q}: {cause}"),
    Reason.NETWORK_CONFIG_INVALID: (
        "INVALID_ARGUMENT",
        "runtime_config.network_config.pod_cidr: {pod_cidr:q}: {cause}",
    ),
    Reason.CHECKPOINT_FAILED: ("INVALID_ARGUMENT", "location: {cause}"),
}
