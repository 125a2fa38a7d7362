"""This module is the address the stub listens on: what users write, what gRPC wants, and whose socket file it is.

gRPC's core unlinks whatever file is at the path before it binds, also that of a runtime that is alive. So the path is
looked at first: a socket that nobody answers on is left over from a process that died and may go; one that answers, or
a file that is no socket, is a reason to stop.
"""

import errno
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MAX_SOCKET_PATH_BYTES = 107
"""Linux' sun_path without its closing zero."""

_PROBE_SECONDS = 1.0


class ListenError(Exception):
    """The address cannot be listened on; the message says why."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A parsed address."""

    target: str
    """What gRPC binds to."""
    address: str
    """What spans show as `server.address`: a socket path, `@name`, or `host:port`."""
    path: Path | None = None
    """The socket file, if there is one."""


def parse_listen(text: str) -> Listener:
    """Return the listener that a user's text means.

    Raises:
        ListenError: it means none.
    """
    scheme, colon, rest = text.partition(":")
    if text.startswith("/") or scheme == "unix":
        path = text if text.startswith("/") else rest.removeprefix("//")
        if not path.startswith("/"):
            raise ListenError(f"{text}: a unix socket needs an absolute path, such as unix:///run/runtime-stub.sock")
        if len(path.encode()) > MAX_SOCKET_PATH_BYTES:
            raise ListenError(f"{text}: the path is longer than a unix socket's {MAX_SOCKET_PATH_BYTES} bytes")
        return Listener(f"unix:{path}", path, Path(path))
    if scheme == "unix-abstract" and rest:
        return Listener(text, f"@{rest}")
    address = rest.removeprefix("//") if scheme == "tcp" else text
    host, colon, port = address.rpartition(":")
    if not host or not colon or not port.isdecimal():
        raise ListenError(f"{text}: must be unix:///path, unix-abstract:name or tcp://host:port")
    return Listener(address, address)


@contextmanager
def claimed(listener: Listener) -> Iterator[None]:
    """Make way for the listener's socket file, and remove it at the end.

    Raises:
        ListenError: something that is alive, or is no socket, is in the way.
    """
    path = listener.path
    if path is None:
        yield
        return
    _make_way(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ListenError(f"{path}: its directory cannot be made: {error.strerror}") from error
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()


def _make_way(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ListenError(f"{path}: {error.strerror}") from error
    if not stat.S_ISSOCK(mode):
        raise ListenError(f"{path}: exists and is not a socket; move it away or listen elsewhere")
    if _is_alive(path):
        raise ListenError(f"{path}: another process is listening there")
    path.unlink()


def _is_alive(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_SECONDS)
        return probe.connect_ex(str(path)) not in (errno.ECONNREFUSED, errno.ENOENT)
