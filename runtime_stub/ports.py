"""This module is the ports of the simulated network: what containers listen on, and real sockets where possible.

`Ports` keeps the books. `PortServer` brings the sockets of this machine in line with them: an address of a pod is
listened on if it is one of this machine's (any of 127.0.0.0/8 is), a host port on loopback unless the request names an
address. Whoever connects gets the answers of a web server.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from runtime_stub.shell.context import Socket
from runtime_stub.state.records import Sandbox
from runtime_stub.streaming.pod_http import HTTPAnswers

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
_READ_BYTES = 16 * 1024
_LISTENING = "0A"
"""TCP_LISTEN, as /proc/net/tcp has it."""
_PROC_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


class Ports:
    """Who listens where."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._sockets: dict[str, dict[Socket, int]] = {}
        self._sandboxes: dict[str, str] = {}

    def open(self, container_id: str, sandbox: Sandbox, port: int) -> None:
        """Note that a container listens on a port of its pod."""
        sockets = self._sockets.setdefault(container_id, {})
        self._sandboxes[container_id] = sandbox.id
        for address in [LOOPBACK] if sandbox.host_network else sandbox.ips:
            sockets[Socket(address, port)] = port
        if not sandbox.host_network:
            for mapping in sandbox.config.port_mappings:
                if mapping.container_port == port and mapping.host_port:
                    sockets[Socket(mapping.host_ip or LOOPBACK, mapping.host_port)] = port
        self.changed.set()

    def close(self, container_id: str) -> None:
        """Note that a container listens no more."""
        if self._sockets.pop(container_id, None):
            self._sandboxes.pop(container_id, None)
            self.changed.set()

    def wanted(self) -> set[Socket]:
        """Return every socket that should be listened on."""
        return {socket for sockets in self._sockets.values() for socket in sockets}

    def of_sandbox(self, sandbox_id: str) -> list[Socket]:
        """Return what the containers of a sandbox listen on, as they see it."""
        ports = {
            port
            for id_, sockets in self._sockets.items()
            if self._sandboxes[id_] == sandbox_id
            for port in sockets.values()
        }
        return [Socket("0.0.0.0", port) for port in sorted(ports)]


class PodNetwork:
    """The network of a pod (`shell.context.Network`): the host's, or its own."""

    def __init__(self, ports: Ports, sandbox: Sandbox) -> None:
        self._ports = ports
        self._sandbox = sandbox

    def listening(self) -> Sequence[Socket]:
        """Return the TCP sockets that listen."""
        return _host_sockets() if self._sandbox.host_network else self._ports.of_sandbox(self._sandbox.id)


class PortServer:
    """The sockets of this machine."""

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._servers: dict[Socket, asyncio.Server] = {}

    async def run(self) -> None:
        """Open and close sockets as the books say; never returns."""
        try:
            while True:
                self._ports.changed.clear()
                await self._reconcile()
                await self._ports.changed.wait()
        finally:
            for server in self._servers.values():
                server.close()

    async def _reconcile(self) -> None:
        wanted = self._ports.wanted()
        for socket in [one for one in self._servers if one not in wanted]:
            server = self._servers.pop(socket)
            server.close()
        for socket in wanted - self._servers.keys():
            try:
                self._servers[socket] = await asyncio.start_server(_answer, socket.address, socket.port)
            except OSError as error:  # not an address of this machine, in use, or a port for root alone
                log.debug("%s port %d answers port-forward only: %s", socket.address, socket.port, error)


@asynccontextmanager
async def answering(ports: Ports) -> AsyncIterator[None]:
    """Answer on the ports that are in the books, as long as the block lasts."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(PortServer(ports).run(), name="runtime-stub/ports")
        try:
            yield
        finally:
            task.cancel()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    answers = HTTPAnswers()
    try:
        while not answers.closed and (received := await reader.read(_READ_BYTES)):
            writer.write(answers.feed(received))
            await writer.drain()
    except ConnectionError:
        pass  # the client has left
    finally:
        writer.close()


def _host_sockets() -> list[Socket]:
    """Return the sockets of this machine that listen."""
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
