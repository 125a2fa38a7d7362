"""This module is containerd 2.4's wording of errors, as its CRI plugin's sources and the recordings have it.

UNKNOWN is what containerd answers for every error without a class of its own. A lookup that finds nothing brings
NOT_FOUND along; the code here is that of an id that cannot be looked up, being empty or short for several.
"""

from collections.abc import Mapping

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

WORDINGS: Mapping[Reason, Wording] = {
    Reason.SANDBOX_METADATA_MISSING: ("UNKNOWN", "sandbox config must include metadata"),
    Reason.CONTAINER_METADATA_MISSING: ("UNKNOWN", "container config must include metadata"),
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
    Reason.HANDLER_UNKNOWN: (
        "UNKNOWN",
        "unable to get OCI runtime for sandbox {id:q}: no runtime for {handler:q} is configured",
    ),
    Reason.SANDBOX_NOT_FOUND: ("UNKNOWN", "an error occurred when try to find sandbox: {cause}"),
    Reason.SANDBOX_OF_CONTAINER_NOT_FOUND: ("UNKNOWN", "failed to find sandbox id {id:q}: {cause}"),
    Reason.SANDBOX_NOT_RUNNING: ("UNKNOWN", "sandbox container {id:q} is not running"),
    Reason.CONTAINER_NOT_FOUND: ("UNKNOWN", _FIND_CONTAINER),
    Reason.EXEC_CONTAINER_NOT_FOUND: (
        "UNKNOWN",
        "failed to exec in container: failed to find container {id:q} in store: {cause}",
    ),
    Reason.STATS_CONTAINER_NOT_FOUND: ("UNKNOWN", "failed to find container: {cause}"),
    Reason.STATS_SANDBOX_NOT_FOUND: ("UNKNOWN", "an error occurred when trying to find sandbox {id}: {cause}"),
    Reason.GROUP_WITHOUT_USER: (
        "UNKNOWN",
        (
            "failed to generate container {id:q} spec: failed to generate user string: "
            "user group {group:q} is specified without user"
        ),
    ),
    Reason.NOT_STARTABLE: ("UNKNOWN", "failed to set starting state for container {id:q}: {cause}"),
    Reason.NOT_REMOVABLE: ("UNKNOWN", "failed to set removing state for container {id:q}: {cause}"),
    Reason.NOT_UPDATABLE: ("UNKNOWN", "failed to update resources: container {id:q} is in removing state"),
    Reason.START_FAILED: ("UNKNOWN", _OCI_CREATE),
    Reason.EXEC_NOT_RUNNING: ("UNKNOWN", "failed to exec in container: container is in {state} state"),
    Reason.EXEC_FAILED: ("UNKNOWN", _OCI_EXEC),
    Reason.EXEC_TIMEOUT: (
        "DEADLINE_EXCEEDED",
        "failed to exec in container: timeout {timeout} exceeded: context deadline exceeded",
    ),
    Reason.EXEC_URL_CONTAINER_NOT_FOUND: ("UNKNOWN", "failed to find container {id:q} in store: {cause}"),
    Reason.ATTACH_CONTAINER_NOT_FOUND: ("UNKNOWN", "failed to find container in store: {cause}"),
    Reason.STREAM_NOT_RUNNING: ("UNKNOWN", "container is in {state} state"),
    Reason.STREAMS_INVALID: (
        "INVALID_ARGUMENT",
        "failed to prepare {verb} endpoint: rpc error: code = InvalidArgument desc = {cause}",
    ),
    Reason.TOO_MANY_STREAMS: ("RESOURCE_EXHAUSTED", "maximum number of in flight requests exceeded"),
    Reason.FORWARD_SANDBOX_NOT_FOUND: ("UNKNOWN", "failed to find sandbox {id:q}: {cause}"),
    Reason.FORWARD_NOT_READY: ("UNKNOWN", "sandbox container is not running"),
    Reason.FORWARD_NOT_RUNNING: ("UNKNOWN", _FORWARD + "sandbox container {id:q} is not running"),
    Reason.PORT_REFUSED: (
        "UNKNOWN",
        _FORWARD
        + (
            "failed to connect to localhost:{port} inside namespace {id:q}, IPv4: dial tcp4 127.0.0.1:{port}: "
            "connect: connection refused IPv6 dial tcp6 [::1]:{port}: connect: connection refused"
        ),
    ),
    Reason.LOG_NOT_RUNNING: ("UNKNOWN", "container is not running"),
    Reason.LOG_FAILED: ("UNKNOWN", "failed to create containerd task: failed to create container loggers: {cause}"),
    Reason.NO_STATS: ("UNKNOWN", "unexpected metrics response: []"),
    Reason.IMAGE_UNRESOLVED: ("NOT_FOUND", "failed to resolve image {image:q}: not found"),
    Reason.IMAGE_REFERENCE_INVALID: ("UNKNOWN", "failed to parse image reference {image:q}: {cause}"),
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
    Reason.NETWORK_CONFIG_INVALID: ("UNKNOWN", "failed to parse pod CIDR {pod_cidr:q}: {cause}"),
    Reason.USER_NAMESPACE_INVALID: (
        "UNKNOWN",
        "failed to start sandbox {id:q}: failed to generate sandbox container spec options: user namespace: {cause}",
    ),
    Reason.USER_UNKNOWN: ("UNKNOWN", "failed to resolve the user of container {id:q}: {cause}"),
    Reason.MOUNT_INVALID: ("UNKNOWN", "failed to mount at {path:q}: {cause}"),
    Reason.IMAGE_MOUNT_FAILED: ("UNKNOWN", "ImageVolumeMountFailed: mount at {path:q}: {cause}"),
    Reason.CHECKPOINT_NOT_RUNNING: (
        "FAILED_PRECONDITION",
        "container {id:q} is in {state} state. only running containers can be checkpointed",
    ),
    Reason.CHECKPOINT_FAILED: ("UNKNOWN", "failed to checkpoint container {id:q}: {cause}"),
    Reason.INITIALIZING: ("UNAVAILABLE", "server is not initialized yet"),
    Reason.INJECTED: ("UNKNOWN", "{message}"),
    Reason.EVENTS_LAGGED: ("RESOURCE_EXHAUSTED", "event subscriber fell {events} events behind"),
}
