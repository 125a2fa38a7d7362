"""How a command ended, as the runtime says it over SPDY, and as a client hears it over WebSocket. Pure.

Upstream: errorDecoderV4 in client-go's tools/remotecommand/v4.go, streamtranslator.go in apiserver's pkg/util/proxy.
"""

import json
import re
from typing import Any

from kubeletsim.model.errors import go_quote

NON_ZERO_EXIT = "NonZeroExitCode"
EXIT_CODE = "ExitCode"

Status = dict[str, Any]
"""A Status object of Kubernetes' meta/v1, as JSON types."""


def translate(said: bytes) -> Status:
    """Return the status for the client from what the runtime's error stream has brought; silence is success."""
    if not said:
        return _success()
    try:
        status = json.loads(said)
        outcome = status["status"]
    except (ValueError, KeyError, TypeError) as error:
        text = said.decode(errors="replace")
        return internal_error(f"error stream protocol error: {error} in {go_quote(text)}")
    if outcome == "Success":
        return _success()
    if outcome != "Failure":
        return internal_error("error stream protocol error: unknown error")
    if status.get("reason") != NON_ZERO_EXIT:
        return internal_error(str(status.get("message", "")))
    return _exit(status)


def internal_error(text: str) -> Status:
    """Return the status of a stream that has failed on this side of the command."""
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"Internal error occurred: {text}",
        "reason": "InternalError",
        "details": {"causes": [{"message": text}]},
        "code": 500,
    }


def _success() -> Status:
    return {"metadata": {}, "status": "Success"}


def _exit(status: Status) -> Status:
    causes = (status.get("details") or {}).get("causes") or []
    code = next((str(cause.get("message", "")) for cause in causes if cause.get("reason") == EXIT_CODE), None)
    if code is None:
        return internal_error(f"error stream protocol error: no {EXIT_CODE} cause given")
    if not re.fullmatch(r"\d{1,3}", code, re.ASCII) or int(code) > 255:
        return internal_error(f"error stream protocol error: invalid exit code value {go_quote(code)}")
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: command terminated with exit code {code}",
        "reason": NON_ZERO_EXIT,
        "details": {"causes": [{"reason": EXIT_CODE, "message": code}]},
    }
