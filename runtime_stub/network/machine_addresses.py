"""This module is what the kernel knows of this machine's network: its addresses, and what listens."""

import ipaddress
import re
import socket
from pathlib import Path

from runtime_stub.shell.context import Socket
from runtime_stub.state.addresses import Network

_LOCAL = re.compile(r"\|-- (\S+)\n\s+/32 host LOCAL")
_LINK_LOCAL_SCOPE = "20"
_LISTENING = "0A"
"""TCP_LISTEN, as /proc/net/tcp has it."""
_PROC_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def machine_addresses() -> list[str]:
    """Return the addresses of this machine's interfaces, loopback first."""
    return list(dict.fromkeys(["127.0.0.1", *_ipv4(), *_ipv6()]))


def is_bindable(network: Network) -> bool:
    """Tell whether addresses of a range are this machine's, so that its processes reach what listens there."""
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(network[2]), 0))
    except OSError:
        return False
    return True


def listening_sockets() -> list[Socket]:
    """Return the TCP sockets of this machine that listen."""
    found = []
    for path in map(Path, _PROC_TABLES):
        try:
            lines = path.read_text().splitlines()[1:]
        except OSError:
            continue  # not a Linux, or no IPv6
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING:
                address, _, port = fields[1].rpartition(":")
                found.append(Socket(_readable(address), int(port, 16)))
    return found


def _readable(address: str) -> str:
    if len(address) > 8:
        return "::" if not int(address, 16) else "::1"
    return ".".join(str(byte) for byte in reversed(bytes.fromhex(address)))


def _ipv4() -> list[str]:
    try:
        return _LOCAL.findall(Path("/proc/net/fib_trie").read_text())
    except OSError:  # not a Linux
        try:
            return socket.gethostbyname_ex(socket.gethostname())[2]
        except OSError:
            return []


def _ipv6() -> list[str]:
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return []
    fields = [line.split() for line in lines]
    return [str(ipaddress.IPv6Address(int(one[0], 16))) for one in fields if one[3] != _LINK_LOCAL_SCOPE]
