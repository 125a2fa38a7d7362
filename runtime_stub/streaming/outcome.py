"""This module is how a command or an attachment ended, as clients are told on the error stream.

From version 4 of the protocol it is a Status object in JSON; earlier versions know a text, and nothing when all went
well. Upstream: cri-streaming's remotecommand/exec.go, attach.go and httpstream.go.
"""

import json
from dataclasses import dataclass
from typing import Any

FIRST_JSON_VERSION = 4


@dataclass(frozen=True, slots=True)
class Success:
    """It ended with 0."""


@dataclass(frozen=True, slots=True)
class ExitedNonZero:
    """The command ended with another exit code."""

    argv: tuple[str, ...]
    exit_code: int


@dataclass(frozen=True, slots=True)
class Failed:
    """It could not be done."""

    message: str


Outcome = Success | ExitedNonZero | Failed


def status_bytes(outcome: Outcome, *, version: int) -> bytes:
    """Return what goes onto the error stream in a version of the protocol."""
    status = _status(outcome)
    if version >= FIRST_JSON_VERSION:
        return json.dumps(status, separators=(",", ":")).encode()
    return str(status.get("message", "")).encode()


def _status(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Success():
            return {"metadata": {}, "status": "Success"}
        case ExitedNonZero(argv, exit_code):
            command = f"error executing command [{' '.join(argv)}], exit code {exit_code}"
            return {
                "metadata": {},
                "status": "Failure",
                "message": f"command terminated with non-zero exit code: {command}",
                "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": str(exit_code)}]},
            }
        case Failed(message):
            return {
                "metadata": {},
                "status": "Failure",
                "message": f"Internal error occurred: {message}",
                "reason": "InternalError",
                "details": {"causes": [{"message": message}]},
                "code": 500,
            }
