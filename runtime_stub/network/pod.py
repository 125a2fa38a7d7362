"""This module is the network of a pod as its containers see it (`shell.context.Network`): the host's, or its own.

Nothing leads out of the machine. A pod reaches itself by loopback and its addresses, the other pods by theirs, and the
host's ports (host networking, host ports) by any address of this machine and by the first address of the pods' range,
which is the gateway. In those ranges other addresses are hosts that do not answer; beyond them there is no route.
"""

import errno
import ipaddress
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from runtime_stub.network.names import records
from runtime_stub.network.ports import HOST, Accept, Ports, namespace_of
from runtime_stub.network.stream import End
from runtime_stub.shell.context import Interface, Socket
from runtime_stub.state.addresses import Network
from runtime_stub.state.records import Sandbox

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FIRST_CLIENT_PORT = 32_768
LAST_CLIENT_PORT = 60_999


@dataclass(slots=True, kw_only=True)
class Fabric:
    """What the networks of all pods have in common."""

    ports: Ports
    sandboxes: Callable[[], Sequence[Sandbox]]
    ranges: Callable[[], Sequence[Network]] = tuple
    """Where pods' addresses come from."""
    machine_sockets: Callable[[], Sequence[Socket]] = tuple
    """What listens on this machine, for `netstat` in the host's network."""
    machine_addresses: Callable[[], Sequence[str]] = tuple
    _last_client_port: int = field(default=FIRST_CLIENT_PORT)

    def client_port(self) -> int:
        """Return a port for who connects."""
        self._last_client_port += 1
        if self._last_client_port > LAST_CLIENT_PORT:
            self._last_client_port = FIRST_CLIENT_PORT
        return self._last_client_port

    def at(self, address: str) -> Sandbox | None:
        """Return the pod that has an address."""
        return next((one for one in self.sandboxes() if address in one.ips), None)


class PodNetwork:
    """The network that one container finds.

    Args:
        fabric: what it is part of.
        sandbox: the container's.
        container_id: whose listeners are its.
    """

    def __init__(self, fabric: Fabric, sandbox: Sandbox, container_id: str) -> None:
        self._fabric = fabric
        self._sandbox = sandbox
        self._namespace = namespace_of(sandbox)
        self._container_id = container_id

    @property
    def addresses(self) -> Sequence[str]:
        """The pod's addresses."""
        if self._namespace != HOST:
            return self._sandbox.ips
        return [one for one in self._fabric.machine_addresses() if not ipaddress.ip_address(one).is_loopback]

    def interfaces(self) -> Sequence[Interface]:
        """Return the network interfaces, loopback first."""
        addresses = tuple(f"{one}/{self._prefix_length(one)}" for one in self.addresses)
        return [Interface("lo", ("127.0.0.1/8", "::1/128")), Interface("eth0", addresses)]

    def gateway(self) -> str:
        """Return the address of the default route; empty when there is none."""
        first = self.addresses[:1]
        network = self._range_of(ipaddress.ip_address(first[0])) if first else None
        return str(network[1]) if network is not None else ""

    def listening(self) -> Sequence[Socket]:
        """Return the TCP sockets that listen."""
        if self._namespace == HOST:
            return self._fabric.machine_sockets()
        return self._fabric.ports.of_sandbox(self._sandbox.id)

    def listen(self, port: int, accept: Accept) -> Callable[[], None]:
        """Take connections on a port; return what ends that.

        Raises:
            OSError: the port is taken.
        """
        listener = self._fabric.ports.listen(self._container_id, self._sandbox, port, accept)
        return lambda: self._fabric.ports.leave(listener)

    def connect(self, address: str, port: int) -> End:
        """Connect to a port; return this side's end.

        Raises:
            OSError: nobody listens there, there is no such host, or no way to it.
        """
        namespace = self._namespace_at(ipaddress.ip_address(address))
        near = f"{self._source(address)}:{self._fabric.client_port()}"
        return self._fabric.ports.connect(namespace, port, near=near, far=f"{address}:{port}")

    def check(self, address: str) -> None:
        """Find out whether there is a host at an address.

        Raises:
            OSError: there is none, or no way to it.
        """
        self._namespace_at(ipaddress.ip_address(address))

    def lookup(self, name: str) -> Sequence[str]:
        """Return the addresses that the cluster's DNS has for a name; none for one that it does not know."""
        return records(name, self._fabric.sandboxes())

    def _source(self, address: str) -> str:
        """Return the address a connection to another comes from."""
        version = ipaddress.ip_address(address).version
        own = [one for one in self.addresses if ipaddress.ip_address(one).version == version]
        return own[0] if own else "127.0.0.1" if version == 4 else "::1"

    def _namespace_at(self, address: Address) -> str:
        text = str(address)
        if text in self._sandbox.ips:
            return self._namespace
        if (other := self._fabric.at(text)) is not None:
            return namespace_of(other)
        if (network := self._range_of(address)) is not None:
            if address == network[1]:
                return HOST
            raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
        if address.is_loopback or address.is_unspecified:
            return self._namespace
        if text in self._fabric.machine_addresses():
            return HOST
        raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))

    def _range_of(self, address: Address) -> Network | None:
        return next((one for one in self._fabric.ranges() if address in one), None)

    def _prefix_length(self, address: str) -> int:
        parsed = ipaddress.ip_address(address)
        network = self._range_of(parsed)
        return network.prefixlen if network is not None else 24 if parsed.version == 4 else 64
