"""What a request for a stream wants: its query and its headers. Pure.

Upstream: NewOptions and NewV4Options in staging/src/k8s.io/cri-streaming/pkg/streaming/{remotecommand,portforward},
IsUpgradeRequest and the WebSocket tests of staging/src/k8s.io/streaming/pkg/httpstream.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubeletsim.model.errors import KubeletSimError, go_quote

WEBSOCKET_PROTOCOL = "Sec-WebSocket-Protocol"
TUNNEL_PREFIX = "SPDY/3.1+"
TUNNEL_SUFFIX = ".k8s.io"
MAX_PORT = 65535


class BadOptions(KubeletSimError):
    """The query makes no sense; the text goes to the client with 400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """Which streams of a command a client takes part in."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool


def read_stream_options(query: Mapping[str, str]) -> StreamOptions:
    """Read the flags of exec and attach: `1` means yes and nothing else does. A terminal has no stderr of its own.

    Raises:
        BadOptions: no stream is wanted.
    """
    stdin, stdout, stderr, tty = (query.get(name) == "1" for name in ("input", "output", "error", "tty"))
    stderr = stderr and not tty
    if not (stdin or stdout or stderr):
        raise BadOptions("you must specify at least 1 of stdin, stdout, stderr")
    return StreamOptions(stdin=stdin, stdout=stdout, stderr=stderr, tty=tty)


def read_ports(values: Sequence[str]) -> list[int]:
    """Read the `port` parameters of a WebSocket that forwards ports.

    Raises:
        BadOptions: there are none, or one is no port.
    """
    if not values:
        raise BadOptions('query parameter "port" is required')
    ports = []
    for value in values:
        if not value:
            raise BadOptions('query parameter "port" cannot be empty')
        ports += [_port(text, value) for text in value.split(",")]
    return ports


def is_upgrade(connection: Iterable[str]) -> bool:
    """Tell by the values of the Connection header whether a request wants another protocol."""
    return any("upgrade" in value.lower() for value in connection)


def is_websocket(connection: Iterable[str], upgrade: str) -> bool:
    """Tell by the Connection and Upgrade headers whether that protocol is WebSocket."""
    words = [word.strip().lower() for value in connection for word in value.split(",")]
    return "upgrade" in words and upgrade.lower() == "websocket"


def tunnelled_protocols(offers: Iterable[str]) -> list[str]:
    """Return the SPDY protocols that a WebSocket client offers to tunnel; empty where it wants something else.

    Args:
        offers: the values of the Sec-WebSocket-Protocol header.
    """
    names = [name.strip() for value in offers for name in value.split(",")]
    return [
        name.removeprefix(TUNNEL_PREFIX)
        for name in names
        if name.startswith(TUNNEL_PREFIX) and name.endswith(TUNNEL_SUFFIX)
    ]


def _port(text: str, value: str) -> int:
    if not re.fullmatch(r"\d+", text, re.ASCII):
        raise BadOptions(
            f"unable to parse {go_quote(value)} as a port: strconv.ParseUint: parsing {go_quote(text)}: invalid syntax"
        )
    if int(text) > MAX_PORT:
        raise BadOptions(
            f"unable to parse {go_quote(value)} as a port: "
            f"strconv.ParseUint: parsing {go_quote(text)}: value out of range"
        )
    if int(text) < 1:
        raise BadOptions(f"port {go_quote(value)} must be > 0")
    return int(text)
