"""This module is the address of a container runtime as users write it: `unix:///run/containerd/containerd.sock`.

A kubelet on Linux accepts unix sockets, with or without `unix://`; abstract sockets and TCP are additions, so that a
runtime in another container or on another machine can be driven. Counterpart: pkg/kubelet/util/util_unix.go.
"""

import logging
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from kubeletsim.model.errors import ConfigError, Fault

log = logging.getLogger(__name__)

LONGEST_SOCKET_PATH = 107
"""Bytes that fit into Linux' sockaddr_un beside the terminating zero."""
RULE = (
    "must be unix:///absolute/path, unix-abstract:name, or dns:///host:port (also host:port), "
    "as in unix:///run/containerd/containerd.sock"
)
_SCHEME = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):(?P<rest>(?!\d+$).*)")
_HOST_PORT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9][A-Za-z0-9._-]*):(?P<port>\d{1,5})")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a runtime listens, in the spellings its users need."""

    url: str
    """For people: `unix:///run/x.sock`."""
    target: str
    """For gRPC, with special characters escaped."""
    address: str
    """For spans: the socket's path, `@name`, or `host:port`."""

    def __str__(self) -> str:
        return self.url


def parse_endpoint(text: str, *, field: str = "containerRuntimeEndpoint") -> Endpoint:
    """Read an endpoint; a bare absolute path is taken as a unix socket, with a warning, as a kubelet does.

    Args:
        text: as written in the configuration or on the command line.
        field: where it was written; named in errors and in the warning.

    Raises:
        ConfigError: nothing that can be dialled is meant.
    """
    if text.startswith("/"):
        log.warning("%s: %s has no scheme; taken as unix://%s", field, text, text)
        return _unix(text, text, field)
    if _HOST_PORT.fullmatch(text):
        return _tcp(text, text, field)
    found = _SCHEME.fullmatch(text)
    scheme, rest = (found["scheme"], found["rest"]) if found else ("", text)
    match scheme:
        case "unix":
            return _unix(rest.removeprefix("//"), text, field)
        case "unix-abstract":
            return _abstract(rest, text, field)
        case "dns" | "tcp":
            return _tcp(rest.removeprefix("//").removeprefix("/"), text, field)
        case _:
            raise _fault(text, field)


def _unix(path: str, text: str, field: str) -> Endpoint:
    if not path.startswith("/") or path.endswith("/") or "\0" in path:
        raise _fault(text, field)
    if len(path.encode()) > LONGEST_SOCKET_PATH:
        raise _fault(text, field, f"a socket's path must have at most {LONGEST_SOCKET_PATH} bytes")
    path = str(PurePosixPath(path))
    return Endpoint(url=f"unix://{path}", target=f"unix:{quote(path)}", address=path)


def _abstract(name: str, text: str, field: str) -> Endpoint:
    if not name or "\0" in name:
        raise _fault(text, field)
    if len(name.encode()) > LONGEST_SOCKET_PATH:
        raise _fault(text, field, f"an abstract socket's name must have at most {LONGEST_SOCKET_PATH} bytes")
    return Endpoint(url=f"unix-abstract:{name}", target=f"unix-abstract:{quote(name)}", address=f"@{name}")


def _tcp(host_port: str, text: str, field: str) -> Endpoint:
    found = _HOST_PORT.fullmatch(host_port)
    if not found or not 0 < int(found["port"]) < 65536:
        raise _fault(text, field)
    return Endpoint(url=f"dns:///{host_port}", target=f"dns:///{host_port}", address=host_port)


def _fault(text: str, field: str, rule: str = RULE) -> ConfigError:
    return ConfigError([Fault(field, text, rule)])
