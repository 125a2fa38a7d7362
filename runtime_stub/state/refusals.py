"""This module is the refusal: what a request asked for and the rules of this runtime forbid.

A refusal says what happened, not how a runtime words it: the profile's table turns the kind and its facts into a gRPC
code and a text (`behaviour.refusals`), so that containerd and CRI-O differ in data only.
"""

from enum import Enum, unique


@unique
class Reason(Enum):
    """Everything a call can be refused for; the value is the key of a profile's table of texts."""

    SANDBOX_METADATA_MISSING = "sandbox metadata missing"
    CONTAINER_METADATA_MISSING = "container metadata missing"
    SANDBOX_NAME_RESERVED = "sandbox name reserved"
    CONTAINER_NAME_RESERVED = "container name reserved"
    HANDLER_UNKNOWN = "runtime handler unknown"
    SANDBOX_ID_UNUSABLE = "sandbox id that cannot be looked up"
    CONTAINER_ID_UNUSABLE = "container id that cannot be looked up"
    SANDBOX_NOT_FOUND = "sandbox not found"
    SANDBOX_OF_CONTAINER_NOT_FOUND = "sandbox of a new container not found"
    SANDBOX_NOT_RUNNING = "sandbox not running"
    SANDBOX_OF_START_NOT_RUNNING = "sandbox of a container to start not running"
    CONTAINER_NOT_FOUND = "container not found"
    EXEC_CONTAINER_NOT_FOUND = "container of an exec not found"
    STATS_CONTAINER_NOT_FOUND = "container of a stats request not found"
    STATS_SANDBOX_NOT_FOUND = "sandbox of a stats request not found"
    GROUP_WITHOUT_USER = "group without user"
    NOT_STARTABLE = "container cannot be started"
    NOT_REMOVABLE = "container cannot be removed"
    NOT_UPDATABLE = "container cannot be updated"
    START_FAILED = "process could not be started"
    COMMAND_MISSING = "command missing"
    EXEC_NOT_RUNNING = "exec in a container that does not run"
    EXEC_FAILED = "exec could not be started"
    EXEC_TIMEOUT = "exec took too long"
    EXEC_URL_CONTAINER_NOT_FOUND = "container of an exec's URL not found"
    ATTACH_CONTAINER_NOT_FOUND = "container of an attach not found"
    STREAM_NOT_RUNNING = "stream of a container that does not run"
    STREAMS_INVALID = "streams that make no sense"
    TOO_MANY_STREAMS = "too many streams nobody has come for"
    FORWARD_SANDBOX_NOT_FOUND = "sandbox of a port-forward not found"
    FORWARD_NOT_READY = "port-forward to a sandbox that is not ready"
    FORWARD_NOT_RUNNING = "connection to a sandbox that is not ready any more"
    PORT_REFUSED = "connection to a port where nothing listens"
    LOG_NOT_RUNNING = "log of a container that does not run"
    LOG_FAILED = "log file could not be reopened"
    NO_STATS = "no stats of a container that does not run"
    NO_SANDBOX_STATS = "no stats of a sandbox that is not ready"
    IMAGE_UNRESOLVED = "image of a new container not found"
    IMAGE_REFERENCE_INVALID = "image reference invalid"
    REGISTRY_UNRESOLVED = "registry host not found"
    PULL_DENIED = "registry asks for other credentials"
    NETWORK_EXHAUSTED = "no address left for a pod"
    NETWORK_CONFIG_INVALID = "pod CIDR invalid"
    USER_NAMESPACE_INVALID = "user namespace cannot be made"
    USER_UNKNOWN = "user of a new container unknown"
    MOUNT_INVALID = "mount cannot be made"
    IMAGE_MOUNT_FAILED = "image cannot be mounted"
    CHECKPOINT_NOT_RUNNING = "checkpoint of a container that does not run"
    CHECKPOINT_FAILED = "checkpoint could not be written"
    EVENTS_LAGGED = "event subscriber too slow"
    INITIALIZING = "runtime not ready yet"
    INJECTED = "a rule says so"


class Refusal(Exception):  # a refusal is an answer of the simulated runtime, not an error of ours
    """A call that is answered with an error.

    Args:
        reason: what is wrong.
        code: the gRPC code's name where it depends on the facts; otherwise the profile's table decides.
        facts: what the text mentions, by name.
    """

    def __init__(self, reason: Reason, /, *, code: str | None = None, **facts: str | int) -> None:
        self.reason = reason
        self.code = code
        self.facts = facts
        super().__init__(reason.value, facts)

    @property
    def holder(self) -> str:
        """Who has the name that was asked for; empty when that is not what was wrong."""
        return str(self.facts.get("holder", ""))


def lookup_refusal(reason: Reason, *, unusable: Reason, id_: str, cause: str) -> Refusal:
    """Return the refusal of a failed lookup: `reason` if nothing has the id, `unusable` if it says too little."""
    return Refusal(reason if cause == NOT_FOUND else unusable, id=id_, cause=cause)


NOT_FOUND = "not found"
"""containerd's text of a lookup that found nothing (`errdefs.ErrNotFound`)."""
