"""This module is what answers inside a pod: which ports are served, and an HTTP server's side of a connection.

Rules, which the manual repeats: a sandbox has a server when one of its containers runs a process that serves until it
is stopped. It listens on port 80 and on the container ports of the sandbox's port mappings, and answers every request
with 200. Nothing listens anywhere else.
"""

import re
from collections.abc import Iterable

from runtime_stub.shell.program import FOREVER, Program, Wait
from runtime_stub.state.records import Sandbox

HTTP_PORT = 80
MAX_HEAD_BYTES = 16 * 1024

_BODY = b"<!DOCTYPE html><title>runtime-stub</title><p>A simulated web server answers.\n"
_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d{1,18})[ \t]*\r?$")
_CLOSE = re.compile(rb"(?im)^connection:[ \t]*close[ \t]*\r?$")


def serves(sandbox: Sandbox, programs: Iterable[Program], port: int) -> bool:
    """Tell whether something listens on a port of a sandbox, in which some programs run."""
    mapped = {mapping.container_port for mapping in sandbox.config.port_mappings}
    return (port == HTTP_PORT or port in mapped) and any(_is_server(program) for program in programs)


class HTTPAnswers:
    """The server's side of one connection: HTTP/1, as far as a probe or a browser needs it."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._to_skip = 0
        self.closed = False
        """Whether the server has said its last word."""

    def feed(self, received: bytes) -> bytes:
        """Take what the client sends, and return the answers to the requests that are whole."""
        self._received += received
        answers = b""
        while not self.closed and self._skip_body() and (head := self._head()) is not None:
            answers += self._answer(head)
        return answers

    def _skip_body(self) -> bool:
        """Drop what is left of a request's body; tell whether it is behind us."""
        skipped = min(self._to_skip, len(self._received))
        del self._received[:skipped]
        self._to_skip -= skipped
        return not self._to_skip

    def _head(self) -> bytes | None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0 and len(self._received) <= MAX_HEAD_BYTES:
            return None
        head = bytes(self._received[:end]) if end >= 0 else b""
        del self._received[: end + 4]
        return head

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        version = rest.partition(b"\r\n")[0].rpartition(b" ")[2]
        if not version.startswith(b"HTTP/1."):
            self.closed = True
            return b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        found = _LENGTH.search(head)
        self._to_skip = int(found[1]) if found else 0
        self.closed = version == b"HTTP/1.0" or bool(_CLOSE.search(head))
        ending = b"close" if self.closed else b"keep-alive"
        fields = b"Content-Type: text/html\r\nContent-Length: %d\r\nConnection: %s\r\n" % (len(_BODY), ending)
        return b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + (b"" if method == b"HEAD" else _BODY)


def _is_server(program: Program) -> bool:
    return any(isinstance(step, Wait) and step.seconds == FOREVER and step.heeds_signals for step in program)
