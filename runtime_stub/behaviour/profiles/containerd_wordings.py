"""This module is containerd 2.4's wording of errors, as its CRI plugin's sources and the recordings have it.

UNKNOWN is what containerd answers for every error without a class of its own. Bad requests have the code and the field
of `bad_requests` instead, before containerd's text, unless a recording shows them.
"""

from collections.abc import Mapping

from runtime_stub.behaviour.profiles.bad_requests import Texts, name_fields
from runtime_stub.behaviour.refusals import Wording
from runtime_stub.state.refusals import Reason

_FIND_CONTAINER = "an error occurred when try to find container {id:q}: {cause}"
_OCI_CREATE = (
    "failed to create containerd task: failed to create shim task: OCI runtime create failed: "
    "runc create failed: unable to start container process: {cause}"
)
_OCI_EXEC = (
    "failed to exec in container: failed to start exec {exec_id:q}: OCI runtime exec failed: "
    "exec failed: unable to start container process: {cause}"
)
_FORWARD = "error forwarding port {port} to pod {id}, uid : failed to execute portforward in network namespace: "
_PULL = "failed to pull and unpack image {image:q}: "

FAILURES: Mapping[Reason, Wording] = {
    Reason.SANDBOX_NAME_RESERVED: (
        "FAILED_PRECONDITION",
        "failed to reserve sandbox name {name:q}: name {name:q} is reserved for {holder:q}",
    ),
    Reason.CONTAINER_NAME_RESERVED: (
        "FAILED_PRECONDITION",
        (
            "failed to reserve container name {name:q}; check if another CreateContainer request is in progress: "
            "name {name:q} is reserved for {holder:q}"
        ),
    ),
    Reason.START_FAILED: ("UNKNOWN", _OCI_CREATE),
    Reason.EXEC_FAILED: ("UNKNOWN", _OCI_EXEC),
    Reason.EXEC_TIMEOUT: (
        "DEADLINE_EXCEEDED",
        "failed to exec in container: timeout {timeout} exceeded: context deadline exceeded",
    ),
    Reason.TOO_MANY_STREAMS: ("RESOURCE_EXHAUSTED", "maximum number of in flight requests exceeded"),
    Reason.FORWARD_NOT_RUNNING: ("UNKNOWN", _FORWARD + "sandbox container {id:q} is not running"),
    Reason.PORT_REFUSED: (
        "UNKNOWN",
        _FORWARD
        + (
            "failed to connect to localhost:{port} inside namespace {id:q}, IPv4: dial tcp4 127.0.0.1:{port}: "
            "connect: connection refused IPv6 dial tcp6 [::1]:{port}: connect: connection refused"
        ),
    ),
    Reason.REGISTRY_UNRESOLVED: (
        "UNKNOWN",
        _PULL + "failed to resolve image: failed to do request: Head {url:q}: {cause}",
    ),
    Reason.PULL_DENIED: (
        "UNKNOWN",
        (
            _PULL
            + "failed to resolve image: pull access denied, repository does not exist or may require authorization: "
            "server message: insufficient_scope: authorization failed"
        ),
    ),
    Reason.NETWORK_EXHAUSTED: (
        "UNKNOWN",
        (
            'failed to setup network for sandbox {id:q}: plugin type="bridge" failed (add): '
            "no IP addresses available in range set: {ranges}"
        ),
    ),
    # A kubelet knows this one by how its text begins.
    Reason.IMAGE_MOUNT_FAILED: ("INVALID_ARGUMENT", "ImageVolumeMountFailed: config.mounts: {path:q}: {cause}"),
    Reason.INITIALIZING: ("UNAVAILABLE", "server is not initialized yet"),
    Reason.INJECTED: ("UNKNOWN", "{message}"),
    Reason.EVENTS_LAGGED: ("RESOURCE_EXHAUSTED", "event subscriber fell {events} events behind"),
}
"""What goes wrong without the caller's doing."""

TEXTS: Texts = {
    Reason.SANDBOX_METADATA_MISSING: "sandbox config must include metadata",
    Reason.CONTAINER_METADATA_MISSING: "container config must include metadata",
    Reason.HANDLER_UNKNOWN: "unable to get OCI runtime for sandbox {id:q}: no runtime for {handler:q} is configured",
    Reason.SANDBOX_ID_UNUSABLE: "an error occurred when try to find sandbox: {cause}",
    Reason.CONTAINER_ID_UNUSABLE: _FIND_CONTAINER,
    Reason.SANDBOX_NOT_FOUND: "an error occurred when try to find sandbox: {cause}",
    Reason.SANDBOX_OF_CONTAINER_NOT_FOUND: "failed to find sandbox id {id:q}: {cause}",
    Reason.SANDBOX_NOT_RUNNING: "sandbox container {id:q} is not running",
    Reason.SANDBOX_OF_START_NOT_RUNNING: "sandbox container {id:q} is not running",
    Reason.EXEC_CONTAINER_NOT_FOUND: "failed to exec in container: failed to find container {id:q} in store: {cause}",
    Reason.STATS_CONTAINER_NOT_FOUND: "failed to find container: {cause}",
    Reason.STATS_SANDBOX_NOT_FOUND: "an error occurred when trying to find sandbox {id}: {cause}",
    Reason.GROUP_WITHOUT_USER: (
        "failed to generate container {id:q} spec: failed to generate user string: "
        "user group {group:q} is specified without user"
    ),
    Reason.NOT_STARTABLE: "failed to set starting state for container {id:q}: {cause}",
    Reason.NOT_REMOVABLE: "failed to set removing state for container {id:q}: {cause}",
    Reason.NOT_UPDATABLE: "failed to update resources: container {id:q} is in removing state",
    Reason.COMMAND_MISSING: "args must not be empty",
    Reason.EXEC_URL_CONTAINER_NOT_FOUND: "failed to find container {id:q} in store: {cause}",
    Reason.ATTACH_CONTAINER_NOT_FOUND: "failed to find container in store: {cause}",
    Reason.STREAM_NOT_RUNNING: "container is in {state} state",
    Reason.STREAMS_INVALID: "failed to prepare {verb} endpoint: rpc error: code = InvalidArgument desc = {cause}",
    Reason.FORWARD_SANDBOX_NOT_FOUND: "failed to find sandbox {id:q}: {cause}",
    Reason.FORWARD_NOT_READY: "sandbox container is not running",
    Reason.LOG_NOT_RUNNING: "container is not running",
    Reason.LOG_FAILED: "failed to create containerd task: failed to create container loggers: {cause}",
    Reason.NO_STATS: "unexpected metrics response: []",
    Reason.NO_SANDBOX_STATS: "unexpected metrics response: []",
    Reason.IMAGE_UNRESOLVED: "failed to resolve image {image:q}: not found",
    Reason.IMAGE_REFERENCE_INVALID: "failed to parse image reference {image:q}: {cause}",
    Reason.NETWORK_CONFIG_INVALID: "failed to parse pod CIDR {pod_cidr:q}: {cause}",
    Reason.USER_NAMESPACE_INVALID: (
        "failed to start sandbox {id:q}: failed to generate sandbox container spec options: user namespace: {cause}"
    ),
    Reason.USER_UNKNOWN: "failed to resolve the user of container {id:q}: {cause}",
    Reason.MOUNT_INVALID: "failed to mount at {path:q}: {cause}",
    Reason.CHECKPOINT_NOT_RUNNING: (
        "container {id:q} is in {state} state. only running containers can be checkpointed"
    ),
    Reason.CHECKPOINT_FAILED: "failed to checkpoint container {id:q}: {cause}",
}
"""What it says of bad requests, after the field."""

RECORDED: Mapping[Reason, Wording] = {
    Reason.CONTAINER_NOT_FOUND: ("NOT_FOUND", _FIND_CONTAINER),
    Reason.EXEC_NOT_RUNNING: ("UNKNOWN", "failed to exec in container: container is in {state} state"),
}
"""Bad requests of which there are recordings."""

WORDINGS: Mapping[Reason, Wording] = {**FAILURES, **name_fields(TEXTS), **RECORDED}
