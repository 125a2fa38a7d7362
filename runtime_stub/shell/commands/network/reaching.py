"""This module is the way of a command to somebody else: from a name to addresses, and from there to a connection."""

import errno
import ipaddress
import os
from collections.abc import Generator, Sequence

from runtime_stub.network.stream import End
from runtime_stub.shell.context import Call
from runtime_stub.shell.program import Step, Wait, news

LOOKUP_SECONDS = 0.001
ROUND_TRIP_SECONDS = 0.0002
NO_HOST_SECONDS = 3.1
"""How long a kernel asks for a neighbour that does not answer."""
DEFAULT_SERVER = "127.0.0.1"


def host_entries(call: Call, name: str) -> list[str]:
    """Return the addresses that /etc/hosts has for a name."""
    found = []
    for line in _lines(call, "/etc/hosts"):
        address, *names = line.split("#")[0].split() or [""]
        if name.lower() in (one.lower() for one in names) and _is_address(address):
            found.append(address)
    return found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def resolver(call: Call) -> tuple[str, list[str], int]:
    """Return what /etc/resolv.conf says: the first server, the domains to search, and `ndots`."""
    server, domains, dots = "", [], 1
    for line in _lines(call, "/etc/resolv.conf"):
        keyword, *values = line.split() or [""]
        if keyword == "nameserver" and values and not server:
            server = values[0]
        elif keyword in ("search", "domain"):
            domains = values
        elif keyword == "options":
            numbers = [one.partition(":")[2] for one in values if one.startswith("ndots:")]
            dots = int(numbers[-1]) if numbers and numbers[-1].isdecimal() else dots
    return server or DEFAULT_SERVER, domains, dots


def candidates(name: str, domains: Sequence[str], dots: int) -> list[str]:
    """Return the fully qualified names that a name may mean, in the order in which they are tried."""
    if name.endswith("."):
        return [name]
    searched = [f"{name}.{domain}" for domain in domains]
    return [name, *searched] if name.count(".") >= dots else [*searched, name]


def addresses(call: Call, name: str) -> Generator[Step, bytes | None, list[str]]:
    """Return the addresses of a host; none when it has none. Asking takes a moment."""
    try:
        return [str(ipaddress.ip_address(name.strip("[]")))]
    except ValueError:
        pass
    if found := host_entries(call, name):
        return found
    _, domains, dots = resolver(call)
    for candidate in candidates(name, domains, dots):
        yield _moment(call, LOOKUP_SECONDS)
        if found := list(call.context.network.lookup(candidate)):
            return found
    return []


def connected(call: Call, address: str, port: int, *, timeout_seconds: float = 0) -> Generator[Step, bytes | None, End]:
    """Return a connection whose news rings the container's bell.

    Args:
        call: who connects.
        address: where to.
        port: there.
        timeout_seconds: how long to try; 0 for as long as a kernel does.

    Raises:
        OSError: there is none.
    """
    yield _moment(call, ROUND_TRIP_SECONDS)
    try:
        end = call.context.network.connect(address, port)
    except OSError as error:
        if error.errno != errno.EHOSTUNREACH:
            raise
        patience = min(NO_HOST_SECONDS, timeout_seconds or NO_HOST_SECONDS)
        yield Wait(patience, heeds_signals=True)
        if patience < NO_HOST_SECONDS:
            raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error
        raise
    end.on_news = call.context.bell.ring
    return end


def arrived(call: Call, end: End, *, timeout_seconds: float = 0) -> Generator[Step, bytes | None, bytes]:
    """Return what comes next from a connection; nothing at its end.

    Raises:
        TimeoutError: nothing comes in time.
        ConnectionResetError: the other side is gone.
    """
    began = call.context.now()
    while not end.has_data and not end.is_over:
        left = timeout_seconds - (call.context.now() - began) if timeout_seconds else float("inf")
        if left <= 0:
            raise TimeoutError
        yield news(call.context.bell, left)
    return end.read()


def _moment(call: Call, seconds: float) -> Wait:
    """Return a moment of the network: what a restarted stub cannot do again, so it begins here anew."""
    return news(call.context.bell, seconds)


def _lines(call: Call, path: str) -> list[str]:
    try:
        return call.files.read(path).decode(errors="replace").splitlines()
    except OSError:
        return []
