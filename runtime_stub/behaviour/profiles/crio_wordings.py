"""This module is CRI-O 1.36's wording of errors, read from its source (server/, internal/oci, and the image library).

It knows few gRPC codes: NOT_FOUND for lookups, UNKNOWN otherwise. Bad requests have the code and the field of
`bad_requests` before its text.
"""

from collections.abc import Mapping

from runtime_stub.behaviour.profiles.bad_requests import Texts, name_fields
from runtime_stub.behaviour.profiles.containerd_wordings import FAILURES as CONTAINERD_FAILURES
from runtime_stub.behaviour.profiles.containerd_wordings import TEXTS as CONTAINERD_TEXTS
from runtime_stub.behaviour.refusals import Wording
from runtime_stub.state.refusals import Reason

_GONE = "ID does not exist"
_CONTAINER = "container with ID starting with {id} not found: "
_SANDBOX = "PodSandbox with ID starting with {id} not found: "
_FIND_CONTAINER = "could not find container {id:q}: " + _CONTAINER
_STALLED = "kubelet may be retrying requests that are timing out in CRI-O due to system load. Currently at stage "
_RESERVED = " name k8s_{name} for id {id}: name is reserved"
_SOURCE = "unable to pull image or OCI artifact: pull image err: initializing source docker://{image}: "
_ARTIFACT = "; artifact err: pull artifact: initializing source docker://{image}: "
_PING = "pinging container registry {registry}: Get {ping:q}: {cause}"
_DENIED = "reading manifest {tag} in {name}: unauthorized: authentication required"

FAILURES: Mapping[Reason, Wording] = {
    **CONTAINERD_FAILURES,
    Reason.SANDBOX_NAME_RESERVED: ("UNKNOWN", _STALLED + "sandbox creating: error reserving pod" + _RESERVED),
    Reason.CONTAINER_NAME_RESERVED: ("UNKNOWN", _STALLED + "container creating: error reserving ctr" + _RESERVED),
    Reason.START_FAILED: ("UNKNOWN", "failed to start container {id}: container create failed: {cause}"),
    Reason.EXEC_FAILED: ("UNKNOWN", "command error: exec failed: {cause}, stdout: , stderr: , exit code -1"),
    Reason.FORWARD_NOT_RUNNING: ("UNKNOWN", "sandbox {id} is not running"),
    Reason.REGISTRY_UNRESOLVED: ("UNKNOWN", _SOURCE + _PING + _ARTIFACT + _PING),
    Reason.PULL_DENIED: ("UNKNOWN", _SOURCE + _DENIED + _ARTIFACT + _DENIED),
    Reason.NETWORK_EXHAUSTED: (
        "UNKNOWN",
        (
            'failed to create pod network sandbox {id}: plugin type="bridge" failed (add): '
            "no IP addresses available in range set: {ranges}"
        ),
    ),
}

TEXTS: Texts = {
    **CONTAINERD_TEXTS,
    Reason.SANDBOX_METADATA_MISSING: "setting sandbox config: metadata is nil",
    Reason.CONTAINER_METADATA_MISSING: "setting container config: metadata is nil",
    Reason.HANDLER_UNKNOWN: "failed to find runtime handler {handler} from runtime list",
    Reason.SANDBOX_ID_UNUSABLE: "could not find pod {id:q}: {cause}",
    Reason.SANDBOX_NOT_FOUND: "could not find pod {id:q}: " + _SANDBOX + _GONE,
    Reason.SANDBOX_OF_CONTAINER_NOT_FOUND: "specified sandbox not found: {id}: " + _SANDBOX + _GONE,
    Reason.STATS_SANDBOX_NOT_FOUND: _SANDBOX + _GONE,
    Reason.FORWARD_SANDBOX_NOT_FOUND: _SANDBOX + _GONE,
    Reason.SANDBOX_NOT_RUNNING: "CreateContainer failed as the sandbox was stopped: {id}",
    Reason.FORWARD_NOT_READY: "sandbox is not running",
    Reason.CONTAINER_ID_UNUSABLE: _FIND_CONTAINER + "{cause}",
    Reason.CONTAINER_NOT_FOUND: _FIND_CONTAINER + _GONE,
    Reason.EXEC_CONTAINER_NOT_FOUND: _FIND_CONTAINER + _GONE,
    Reason.EXEC_URL_CONTAINER_NOT_FOUND: _FIND_CONTAINER + _GONE,
    Reason.ATTACH_CONTAINER_NOT_FOUND: _FIND_CONTAINER + _GONE,
    Reason.STATS_CONTAINER_NOT_FOUND: _CONTAINER + _GONE,
    Reason.NOT_STARTABLE: "container {id} is not in created state: {state}",
    Reason.COMMAND_MISSING: "exec command cannot be empty",
    Reason.STREAM_NOT_RUNNING: "container is not created or running",
    Reason.STREAMS_INVALID: "unable to prepare {verb} endpoint: rpc error: code = InvalidArgument desc = {cause}",
    Reason.GROUP_WITHOUT_USER: "user group is specified without user or username",
}

OWN_CODES: Mapping[Reason, Wording] = {
    Reason.EXEC_NOT_RUNNING: (
        "NOT_FOUND",
        (
            "container_id: container is not created or running: "
            "checking if PID of {id} is running failed: container process not found"
        ),
    ),
}
"""Bad requests that CRI-O itself gives a code that says whose fault it is."""

WORDINGS: Mapping[Reason, Wording] = {**FAILURES, **name_fields(TEXTS), **OWN_CODES}
