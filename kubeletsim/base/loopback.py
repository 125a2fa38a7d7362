"""The loopback interface: addresses that only this machine reaches, and names that no DNS server had a say in.

A server without accounts is safe there from everybody but the pages in the user's own browser. Those are told apart by
the Host they ask for: a name that was rebound to 127.0.0.1 is not ours.
"""

import ipaddress


def is_loopback(host: str) -> bool:
    """Tell whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_own_name(host: str) -> bool:
    """Tell whether a Host header is one that no DNS server had a say in."""
    name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
    if name.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def parse_loopback(text: str) -> tuple[str, int]:
    """Return host and port of an address such as `127.0.0.1:7070`; port 0 is any free one.

    Raises:
        ValueError: it is none, or others could reach it; the message says what is allowed.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isdecimal() or int(port) > 65535 or not is_loopback(host):
        raise ValueError("must be an address on loopback, such as 127.0.0.1:7070")
    return host, int(port)
