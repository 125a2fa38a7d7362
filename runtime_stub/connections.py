"""This module is the cutting of connections, as happens when a runtime crashes: no goodbye, the socket just ends.

gRPC has no call for it. The sockets are its own, but they are this process's, so they are found among the open file
descriptors by the address they were accepted on, and shut down. Whoever is connected reads an end of file.
"""

import logging
import os
import socket
import stat
from contextlib import closing, suppress
from pathlib import Path

from runtime_stub.listener import Listener

log = logging.getLogger(__name__)

_DESCRIPTORS = Path("/dev/fd")
"""The open files of this process: Linux and macOS have it."""


def cut(listener: Listener) -> int:
    """Cut every connection that was accepted on an address, and return how many there were."""
    count = 0
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208  # names, not paths
        with suppress(OSError, ValueError):  # closed meanwhile, or the listing's own
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                count += _cut(os.dup(int(name)), listener.address)
    log.info("cut %d connections", count)
    return count


def _cut(descriptor: int, address: str) -> bool:
    with closing(socket.socket(fileno=descriptor)) as found:
        if _local_address(found) != address:
            return False
        found.getpeername()  # OSError for the socket that listens
        found.shutdown(socket.SHUT_RDWR)
        return True


def _local_address(found: socket.socket) -> str:
    """Return an address as `Listener.address` has it."""
    name = found.getsockname()
    if found.family == socket.AF_UNIX:
        return "@" + name[1:].decode(errors="replace") if isinstance(name, bytes) else str(name)
    host, port = name[0], name[1]
    return f"{host.removeprefix('::ffff:')}:{port}"
