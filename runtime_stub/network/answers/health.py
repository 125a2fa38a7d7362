"""This module is a gRPC server's side of a connection that serves grpc.health.v1.Health, and nothing else.

HTTP/2 is the library h2's, which is imported with the first such connection. The two messages have one field each and
are read and written by hand. Upstream: google.golang.org/grpc/health/server.go.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from h2.events import Event

Health = Callable[[str], str | None]
"""A service's status by its name, the whole server's by the empty one; None for a service that is not known."""

STATUSES = {"UNKNOWN": 0, "SERVING": 1, "NOT_SERVING": 2, "SERVICE_UNKNOWN": 3}

_CHECK, _WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
_OK, _INVALID_ARGUMENT, _NOT_FOUND, _UNIMPLEMENTED = 0, 3, 5, 12
_PREFIX_BYTES = 5
"""Of a gRPC message: whether it is compressed, and its length."""
_MAX_REQUEST_BYTES = 4096
_SERVICE_FIELD = 0x0A


class HealthAnswers:
    """The server's side of one connection (`answers.Answers`)."""

    def __init__(self, health: Health) -> None:
        from h2.config import H2Configuration  # 3 MB and 30 ms that only gRPC servers need
        from h2.connection import H2Connection

        self._health = health
        self._connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._connection.initiate_connection()
        self._paths: dict[int, str] = {}
        self._requests: dict[int, bytearray] = {}
        self.closed = False

    def feed(self, received: bytes) -> bytes:
        """Take what the client sends, and return the answers to the calls that are whole."""
        from h2.exceptions import ProtocolError

        try:
            for event in self._connection.receive_data(received) if received else ():
                self._take(event)
        except ProtocolError:
            self.closed = True
        return bytes(self._connection.data_to_send())

    def _take(self, event: "Event") -> None:
        from h2 import events

        match event:
            case events.RequestReceived():
                fields = {str(name): str(value) for name, value in event.headers or ()}
                self._paths[event.stream_id or 0] = fields.get(":path", "")
                self._requests[event.stream_id or 0] = bytearray()
            case events.DataReceived():
                request = self._requests.get(event.stream_id or 0, bytearray())
                if len(request) <= _MAX_REQUEST_BYTES:
                    request += event.data or b""
                self._connection.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
            case events.StreamEnded():
                self._answer(event.stream_id or 0)
            case events.StreamReset():
                self._forget(event.stream_id or 0)
            case events.ConnectionTerminated():
                self.closed = True

    def _forget(self, stream: int) -> tuple[str, bytes]:
        return self._paths.pop(stream, ""), bytes(self._requests.pop(stream, b""))

    def _answer(self, stream: int) -> None:
        path, request = self._forget(stream)
        if path not in (_CHECK, _WATCH):
            self._fail(stream, _UNIMPLEMENTED, f"unknown method {path}")
            return
        service = _service(request[_PREFIX_BYTES:])
        if service is None:
            self._fail(stream, _INVALID_ARGUMENT, "the request is no HealthCheckRequest")
            return
        status = self._health(service)
        if status is None and path == _CHECK:
            self._fail(stream, _NOT_FOUND, "unknown service")
            return
        message = b"\x08" + bytes([STATUSES[status or "SERVICE_UNKNOWN"]])
        self._connection.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        self._connection.send_data(stream, b"\0" + len(message).to_bytes(4) + message)
        if path == _CHECK:  # a watch goes on
            self._connection.send_headers(stream, [("grpc-status", str(_OK))], end_stream=True)

    def _fail(self, stream: int, code: int, text: str) -> None:
        fields = [
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-status", str(code)),
            ("grpc-message", text),
        ]
        self._connection.send_headers(stream, fields, end_stream=True)


def _service(message: bytes) -> str | None:
    """Return the service that a HealthCheckRequest names; None when the message is none."""
    if not message:
        return ""
    if message[0] != _SERVICE_FIELD:
        return None
    length, at, shift = 0, 1, 0
    while at < len(message):
        length |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if message[at - 1] < 0x80:
            return message[at : at + length].decode("utf-8", "replace") if at + length == len(message) else None
    return None
