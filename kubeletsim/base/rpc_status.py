"""This module is the outcome of a gRPC call in the words of gRPC's Go implementation.

Kubelet and runtimes are Go programs, so codes (`DeadlineExceeded`) and texts (`connection error: desc = …`) in events,
logs and spans read as Go prints them. What happened is decided by the code alone; texts are translated for readers.
Counterparts: google.golang.org/grpc/codes and internal/transport.
"""

import re

import grpc

_GO_SPELLING = {grpc.StatusCode.OK: "OK", grpc.StatusCode.CANCELLED: "Canceled"}
_NEVER_CONNECTED = re.compile(r"failed to connect to all addresses|errors resolving ")
_DIAL_FAILED = re.compile(
    r"failed to connect to all addresses; last error: \w+: (?P<target>.+?): "
    r"(?:connect failed: addr: .+ error|Failed to connect to remote host): (?P<reason>.+)"
)
_BROKEN = re.compile(r"(Stream removed \()?(Socket closed|recvmsg:\s*Connection reset by peer)\)?")
_TOO_LARGE = re.compile(r"received message larger than max \(\d+ vs\. \d+\)", re.IGNORECASE)


def go_code(code: grpc.StatusCode) -> str:
    """Return the code as Go spells it: `NotFound`, `DeadlineExceeded`, `Canceled`, `OK`."""
    return _GO_SPELLING.get(code) or code.name.title().replace("_", "")


def never_connected(code: grpc.StatusCode, details: str | None) -> bool:
    """Tell whether a call failed because there was no connection to send it on."""
    return code is grpc.StatusCode.UNAVAILABLE and bool(_NEVER_CONNECTED.match(details or ""))


def go_message(code: grpc.StatusCode, details: str | None) -> str:
    """Return the text Go's client would give for what this client's core reports.

    Texts that a server sent pass unchanged, as do the core's own texts without a counterpart in Go.
    """
    text = details or ""
    match code:
        case grpc.StatusCode.DEADLINE_EXCEEDED if text == "Deadline Exceeded":
            return "context deadline exceeded"
        case grpc.StatusCode.CANCELLED if text.startswith(("Locally cancelled", "Cancelled upon garbage")):
            return "context canceled"
        case grpc.StatusCode.RESOURCE_EXHAUSTED if found := _TOO_LARGE.search(text):
            return f"grpc: {found.group().lower()}"
        case grpc.StatusCode.UNAVAILABLE if _BROKEN.fullmatch(text):
            return "error reading from server: EOF"
        case grpc.StatusCode.UNAVAILABLE if failed := _DIAL_FAILED.fullmatch(text):
            dial = f"dial {_go_target(failed['target'])}: connect: {failed['reason'].lower()}"
            return f'connection error: desc = "transport: Error while dialing: {dial}"'
    return text


def _go_target(target: str) -> str:
    scheme, _, rest = target.partition(":")
    match scheme:
        case "unix":
            return f"unix {rest}"
        case "unix-abstract":
            return f"unix @{rest}"
        case _:
            return f"tcp {rest}"
