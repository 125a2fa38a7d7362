"""This module is the bad request: whose fault a refusal is, and the field of the request that it is about.

A real containerd or CRI-O answers UNKNOWN to most of what a caller gets wrong, which tells a program nothing. Here each
profile words such refusals as its runtime does, and this table puts the code of whose fault it is and the field in
front of them. What the recordings show stays as recorded.
"""

from collections.abc import Mapping

from runtime_stub.behaviour.refusals import Wording, Wordings
from runtime_stub.state.refusals import Reason

Texts = Mapping[Reason, str]
"""What a profile says of each bad request, without the field."""

_SECURITY = "config.linux.security_context"
_NO_SANDBOX = ("NOT_FOUND", "pod_sandbox_id")
_NO_CONTAINER = ("NOT_FOUND", "container_id")
_SANDBOX_STATE = ("FAILED_PRECONDITION", "pod_sandbox_id")
_CONTAINER_STATE = ("FAILED_PRECONDITION", "container_id")

BAD_REQUESTS: Mapping[Reason, tuple[str, str]] = {
    Reason.SANDBOX_METADATA_MISSING: ("INVALID_ARGUMENT", "config.metadata"),
    Reason.CONTAINER_METADATA_MISSING: ("INVALID_ARGUMENT", "config.metadata"),
    Reason.HANDLER_UNKNOWN: ("INVALID_ARGUMENT", "runtime_handler"),
    Reason.SANDBOX_ID_UNUSABLE: ("INVALID_ARGUMENT", "pod_sandbox_id"),
    Reason.CONTAINER_ID_UNUSABLE: ("INVALID_ARGUMENT", "container_id"),
    Reason.SANDBOX_NOT_FOUND: _NO_SANDBOX,
    Reason.SANDBOX_OF_CONTAINER_NOT_FOUND: _NO_SANDBOX,
    Reason.STATS_SANDBOX_NOT_FOUND: _NO_SANDBOX,
    Reason.FORWARD_SANDBOX_NOT_FOUND: _NO_SANDBOX,
    Reason.CONTAINER_NOT_FOUND: _NO_CONTAINER,
    Reason.EXEC_CONTAINER_NOT_FOUND: _NO_CONTAINER,
    Reason.STATS_CONTAINER_NOT_FOUND: _NO_CONTAINER,
    Reason.EXEC_URL_CONTAINER_NOT_FOUND: _NO_CONTAINER,
    Reason.ATTACH_CONTAINER_NOT_FOUND: _NO_CONTAINER,
    Reason.SANDBOX_NOT_RUNNING: _SANDBOX_STATE,
    Reason.FORWARD_NOT_READY: _SANDBOX_STATE,
    Reason.NO_SANDBOX_STATS: _SANDBOX_STATE,
    Reason.SANDBOX_OF_START_NOT_RUNNING: _CONTAINER_STATE,
    Reason.NOT_STARTABLE: _CONTAINER_STATE,
    Reason.NOT_REMOVABLE: _CONTAINER_STATE,
    Reason.NOT_UPDATABLE: _CONTAINER_STATE,
    Reason.EXEC_NOT_RUNNING: _CONTAINER_STATE,
    Reason.STREAM_NOT_RUNNING: _CONTAINER_STATE,
    Reason.CHECKPOINT_NOT_RUNNING: _CONTAINER_STATE,
    Reason.LOG_NOT_RUNNING: _CONTAINER_STATE,
    Reason.NO_STATS: _CONTAINER_STATE,
    Reason.LOG_FAILED: ("FAILED_PRECONDITION", "log_path"),
    Reason.COMMAND_MISSING: ("INVALID_ARGUMENT", "cmd"),
    Reason.STREAMS_INVALID: ("INVALID_ARGUMENT", "stdin, stdout, stderr, tty"),
    Reason.GROUP_WITHOUT_USER: ("INVALID_ARGUMENT", _SECURITY + ".run_as_group"),
    Reason.USER_UNKNOWN: ("INVALID_ARGUMENT", _SECURITY),
    Reason.USER_NAMESPACE_INVALID: ("INVALID_ARGUMENT", _SECURITY + ".namespace_options.userns_options"),
    Reason.MOUNT_INVALID: ("INVALID_ARGUMENT", "config.mounts"),
    Reason.IMAGE_UNRESOLVED: ("NOT_FOUND", "config.image.image"),
    Reason.IMAGE_REFERENCE_INVALID: ("INVALID_ARGUMENT", "image.image"),
    Reason.NETWORK_CONFIG_INVALID: ("INVALID_ARGUMENT", "runtime_config.network_config.pod_cidr"),
    Reason.CHECKPOINT_FAILED: ("INVALID_ARGUMENT", "location"),
}
"""The gRPC code and the field of each refusal that is the caller's doing."""


def name_fields(texts: Texts) -> Wordings:
    """Return the wordings of bad requests: the code that is due, and the field before the text."""
    return {reason: _wording(reason, text) for reason, text in texts.items()}


def _wording(reason: Reason, text: str) -> Wording:
    code, field = BAD_REQUESTS[reason]
    return code, f"{field}: {text}"
