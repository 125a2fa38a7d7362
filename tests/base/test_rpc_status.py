"""gRPC's outcomes in Go's words."""

import grpc
import pytest

from kubeletsim.base.rpc_status import go_code, go_message, never_connected

C = grpc.StatusCode
NO_FILE = (
    "failed to connect to all addresses; last error: FAILED_PRECONDITION: unix:/run/a b.sock: connect failed: "
    "addr: unix:/run/a b.sock error: No such file or directory"
)
DIAL = "failed to connect to all addresses; last error: "


@pytest.mark.parametrize(
    ("code", "spelling"),
    [
        (C.OK, "OK"),
        (C.CANCELLED, "Canceled"),
        (C.UNKNOWN, "Unknown"),
        (C.DEADLINE_EXCEEDED, "DeadlineExceeded"),
        (C.NOT_FOUND, "NotFound"),
        (C.RESOURCE_EXHAUSTED, "ResourceExhausted"),
        (C.FAILED_PRECONDITION, "FailedPrecondition"),
        (C.UNIMPLEMENTED, "Unimplemented"),
        (C.DATA_LOSS, "DataLoss"),
    ],
)
def test_codes_are_spelled_as_in_go(code: grpc.StatusCode, spelling: str) -> None:
    assert go_code(code) == spelling


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (C.DEADLINE_EXCEEDED, "Deadline Exceeded", "context deadline exceeded"),
        (C.DEADLINE_EXCEEDED, "timeout 1s exceeded", "timeout 1s exceeded"),
        (C.CANCELLED, "Locally cancelled by application!", "context canceled"),
        (C.CANCELLED, "the server gave up", "the server gave up"),
        (
            C.RESOURCE_EXHAUSTED,
            "Stream removed (CLIENT: Received message larger than max (5003 vs. 2000))",
            "grpc: received message larger than max (5003 vs. 2000)",
        ),
        (C.UNAVAILABLE, "Socket closed", "error reading from server: EOF"),
        (C.UNAVAILABLE, "Stream removed (Socket closed)", "error reading from server: EOF"),
        (C.UNAVAILABLE, "server is not initialized yet", "server is not initialized yet"),
        (
            C.UNAVAILABLE,
            NO_FILE,
            (
                'connection error: desc = "transport: Error while dialing: dial unix /run/a b.sock: connect: '
                'no such file or directory"'
            ),
        ),
        (
            C.UNAVAILABLE,
            DIAL + "FAILED_PRECONDITION: unix-abstract:n: connect failed: addr: unix-abstract:n error: "
            "Connection refused",
            'connection error: desc = "transport: Error while dialing: dial unix @n: connect: connection refused"',
        ),
        (
            C.UNAVAILABLE,
            DIAL + "UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused",
            (
                'connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: '
                'connection refused"'
            ),
        ),
        (C.UNKNOWN, None, ""),
    ],
)
def test_texts_of_the_client_core_read_as_gos(code: grpc.StatusCode, text: str | None, expected: str) -> None:
    assert go_message(code, text) == expected


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (C.UNAVAILABLE, NO_FILE, True),
        (C.UNAVAILABLE, "errors resolving nohost.invalid:1: [address lookup failed]", True),
        (C.UNAVAILABLE, "Socket closed", False),
        (C.UNAVAILABLE, None, False),
        (C.UNKNOWN, NO_FILE, False),
    ],
)
def test_a_call_without_a_connection_is_told_apart(code: grpc.StatusCode, text: str | None, expected: bool) -> None:
    assert never_connected(code, text) is expected
