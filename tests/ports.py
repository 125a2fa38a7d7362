"""TCP ports for programs that must be told one before they listen.

A port that the kernel proposes is anybody's again once it is let go, and another test's next connection may get it.
These lie below the range that the kernel gives to clients, and each process of the tests has a hundred of its own.
"""

import socket
from collections.abc import Iterator
from functools import cache
from itertools import cycle

FIRST, LAST = 20_000, 32_767
BLOCK = 100


def free_port() -> int:
    """Return a port on which nobody listens; this process gives it out again only after all others of its block."""
    _, ports = _block()
    return next(port for port in ports if _is_free(port))


@cache
def _block() -> tuple[socket.socket, Iterator[int]]:
    """Claim a block until this process ends: the claim is an abstract Unix socket, of which nothing stays behind."""
    for first in range(FIRST, LAST - BLOCK, BLOCK):
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0kubeletsim/tests/ports/{first}")
        except OSError:
            claim.close()
            continue
        return claim, cycle(range(first, first + BLOCK))
    raise AssertionError("every block of ports is somebody's")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
