"""TCP connections to pods, and how their failures read: in Go's words, because events carry them.

Upstream: pkg/probe/tcp.
"""

import asyncio
import os
import socket
from contextlib import suppress

from kubeletsim.model.errors import KubeletSimError

LOOPBACK = "127.0.0.1"
"""Where Go connects to when no host is named."""


class DialFailure(KubeletSimError):
    """No connection came about."""


async def dial(host: str, port: int, *, timeout_seconds: float) -> None:
    """Connect and hang up; an empty host is this machine.

    Raises:
        DialFailure: nobody took the connection in time; the text is Go's.
    """
    try:
        async with asyncio.timeout(timeout_seconds):
            _, writer = await asyncio.open_connection(host or LOOPBACK, port)
    except (OSError, TimeoutError) as error:  # TimeoutError is an OSError too; both are named for the reader
        raise DialFailure(dial_text(host, port, error)) from error
    writer.close()
    with suppress(OSError):  # it connected; how it parts says nothing
        await writer.wait_closed()


def dial_text(host: str, port: int, error: Exception) -> str:
    """Return what Go says about a connection that did not come about."""
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {host}: no such host"
    address = join_host_port(host, port)
    if isinstance(error, TimeoutError):
        return f"dial tcp {address}: i/o timeout"
    cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    number = error.errno if isinstance(error, OSError) else None
    # asyncio puts its own sentence in place of the system's; the number is what it keeps.
    known = _system_text(number) if number is not None else None
    return f"dial tcp {address}: connect: {known or cause}"


def join_host_port(host: str, port: int) -> str:
    """Return host and port as an address, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _system_text(number: int) -> str | None:
    """Return Go's text of a system error, which is the C library's in lower case."""
    return os.strerror(number).lower() if number > 0 else None
