"""This module is the books of the simulated network: who listens on which port of which pod, and how one gets there.

A network namespace is a sandbox's, by its id, or the host's, which pods with host networking share and host ports are
in. Sockets of this machine stand in front of listeners (`sockets`); the books say which, and tell when that changes.
"""

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from runtime_stub.network.stream import End, connection
from runtime_stub.shell.context import Socket
from runtime_stub.state.records import Sandbox

HOST = ""
"""The host's network namespace."""

MACHINE = "*"
"""In place of an address: all addresses of this machine, for clients on it."""

Accept = Callable[[End], None]
"""Takes the listener's end of each new connection."""


@dataclass(slots=True, eq=False)
class Listener:
    """Somebody who takes connections."""

    container_id: str
    namespace: str
    port: int
    accept: Accept
    host_port: int = 0
    """The port of the host that leads here, besides."""
    outside: tuple[Socket, ...] = ()
    """Sockets of this machine that lead here."""


def namespace_of(sandbox: Sandbox) -> str:
    """Return the network namespace in which a sandbox's containers are."""
    return HOST if sandbox.host_network else sandbox.id


class Ports:
    """Who listens where."""

    def __init__(self) -> None:
        self.on_change: Callable[[Socket], None] = _ignore
        """Called when somebody else, or nobody, is behind a socket of this machine."""
        self._listeners: dict[tuple[str, int], list[Listener]] = {}
        self._of_container: dict[str, list[Listener]] = {}
        self._outside: dict[Socket, list[Listener]] = {}

    def listen(
        self, container_id: str, sandbox: Sandbox, port: int, accept: Accept, *, shared: bool = False
    ) -> Listener:
        """Let a container listen on a port of its pod.

        Args:
            container_id: whose listener it is; it ends with the container.
            sandbox: the container's.
            port: of the container.
            accept: takes each connection.
            shared: it does not matter that somebody listens there already; the older one is asked first.

        Raises:
            OSError: the port is taken.
        """
        namespace = namespace_of(sandbox)
        if not shared and self._listeners.get((namespace, port)):
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        config = sandbox.config
        mappings = [one for one in config.port_mappings if one.container_port == port and one.host_port]
        mapping = mappings[0] if mappings and namespace else None
        outside = [Socket(address, port) for address in (sandbox.ips if namespace else [MACHINE])]
        if mapping is not None:
            outside.append(Socket(_host_address(mapping.host_ip), mapping.host_port))
        host_port = mapping.host_port if mapping is not None else 0
        listener = Listener(container_id, namespace, port, accept, host_port, tuple(outside))
        self._of_container.setdefault(container_id, []).append(listener)
        for key in _keys(listener):
            self._listeners.setdefault(key, []).append(listener)
        for socket in listener.outside:
            self._outside.setdefault(socket, []).append(listener)
            self.on_change(socket)
        return listener

    def leave(self, listener: Listener) -> None:
        """Take no more connections; those that are there go on."""
        remaining = self._of_container.get(listener.container_id, [])
        if listener not in remaining:
            return
        remaining.remove(listener)
        if not remaining:
            del self._of_container[listener.container_id]
        for key in _keys(listener):
            _drop(self._listeners, key, listener)
        for socket in listener.outside:
            _drop(self._outside, socket, listener)
            self.on_change(socket)

    def close(self, container_id: str) -> None:
        """Forget what a container listened on."""
        for listener in list(self._of_container.get(container_id, ())):
            self.leave(listener)

    def leave_port(self, container_id: str, port: int) -> None:
        """Forget that a container listened on a port."""
        for listener in list(self._of_container.get(container_id, ())):
            if listener.port == port:
                self.leave(listener)

    def of_sandbox(self, sandbox_id: str) -> list[Socket]:
        """Return what the containers of a sandbox with a network of its own listen on, as they see it."""
        ports = {port for (namespace, port) in self._listeners if namespace == sandbox_id}
        return [Socket("0.0.0.0", port) for port in sorted(ports)]

    def behind(self, socket: Socket) -> Listener | None:
        """Return who takes the connections of a socket of this machine."""
        found = self._outside.get(socket)
        return found[0] if found else None

    def sockets(self) -> list[Socket]:
        """Return the sockets of this machine that lead somewhere."""
        return list(self._outside)

    def connect(self, namespace: str, port: int, *, near: str = "", far: str = "") -> End:
        """Connect to a port; return the client's end.

        Args:
            namespace: a sandbox's id, or `HOST`.
            port: the port there.
            near: the client's address, as messages show it.
            far: the listener's.

        Raises:
            ConnectionRefusedError: nobody listens there.
        """
        found = self._listeners.get((namespace, port))
        if not found:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        return reach(found[0], near=near, far=far)


def reach(listener: Listener, *, near: str = "", far: str = "") -> End:
    """Connect to a listener; return the client's end."""
    client, server = connection(near, far)
    listener.accept(server)
    return client


def _keys(listener: Listener) -> Iterable[tuple[str, int]]:
    yield (listener.namespace, listener.port)
    if listener.host_port:
        yield (HOST, listener.host_port)


def _host_address(host_ip: str) -> str:
    return MACHINE if host_ip in ("", "0.0.0.0", "::") else host_ip


def _drop(
    table: "dict[tuple[str, int], list[Listener]] | dict[Socket, list[Listener]]", key: object, one: Listener
) -> None:
    found = table[key]  # type: ignore[index]
    found.remove(one)
    if not found:
        del table[key]  # type: ignore[arg-type]


def _ignore(_: Socket) -> None:
    pass
