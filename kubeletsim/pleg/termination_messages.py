"""The last words of a container: what it wrote into its termination file, or else the end of its log.

The kubelet mounts a file at the container's terminationMessagePath; the runtime's status tells where it is on this
machine. Under FallbackToLogsOnError an empty or missing file of a container that failed is replaced by its log's end.

Upstream: convertToKubeContainerStatus and getTerminationMessage in pkg/kubelet/kuberuntime/kuberuntime_container.go.
"""

import os
from dataclasses import replace
from pathlib import Path

from kubeletsim.model.labels import TERMINATION_MESSAGE_PATH_ANNOTATION, TERMINATION_MESSAGE_POLICY_ANNOTATION
from kubeletsim.model.runtime import ContainerState, ContainerStatus

MAX_FILE_BYTES = 4096
MAX_LOG_BYTES = 2048
MAX_LOG_LINES = 80
LOG_WINDOW_BYTES = 32 * 1024
"""As much of a log's end as may hold the message: the runtime writes no line of much more than 16 KiB."""


def with_termination_message(status: ContainerStatus) -> ContainerStatus:
    """Return the status of an ended container with its last words behind the runtime's own; any other as it is."""
    if status.state is not ContainerState.EXITED:
        return status
    policy = status.annotations.get(TERMINATION_MESSAGE_POLICY_ANNOTATION)
    # What cannot even be started has no log.
    may_use_log = policy == "FallbackToLogsOnError" and status.exit_code != 0 and status.reason != "ContainerCannotRun"
    words = _from_file(status)
    if not words and may_use_log:
        words = _from_log(status.log_path)
    if not words:
        return status
    return replace(status, message=f"{status.message}: {words}" if status.message else words)


def _from_file(status: ContainerStatus) -> str:
    path = status.annotations.get(TERMINATION_MESSAGE_PATH_ANNOTATION, "")
    place = next((mount.host_path for mount in status.mounts if path and mount.container_path == path), "")
    if not place:
        return ""
    try:
        return _tail(Path(place), MAX_FILE_BYTES).decode(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"Error on reading termination log {place}: {error}"


def _from_log(log_path: str) -> str:
    if not log_path:
        return ""
    try:
        window = _tail(Path(log_path), LOG_WINDOW_BYTES)
    except OSError as error:
        return f"Error on reading termination message from logs: {error}"
    text = b"".join(_content(line) for line in window.splitlines()[-MAX_LOG_LINES:])
    return text[-MAX_LOG_BYTES:].decode(errors="replace")


def _content(line: bytes) -> bytes:
    """Return what a container wrote with a line of its log: `<time> <stream> <F or P> <content>`; P goes on."""
    parts = line.split(b" ", 3)
    if len(parts) < 4 or parts[1] not in (b"stdout", b"stderr"):
        return b""  # cut off at the window's beginning, or no line of a log
    return parts[3] + (b"" if parts[2].startswith(b"P") else b"\n")


def _tail(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - size))
        return file.read(size)
