"""This module is the sockets of this machine that stand in front of what containers listen on.

An address of a pod can be listened on if it is one of this machine's: any of 127.0.0.0/8 is, others can be made so
(docs/runtime-stub.md). Ports of the host are listened on at every address of this machine, for clients on it: what a
simulated container serves does not leave it unless the request names an address.
"""

import asyncio
import errno
import ipaddress
import logging
import os
import resource
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from runtime_stub.network.carrying import carry
from runtime_stub.network.ports import MACHINE, Ports, reach
from runtime_stub.network.stream import WINDOW_BYTES
from runtime_stub.shell.context import Socket

log = logging.getLogger(__name__)

Addresses = Callable[[], Sequence[str]]


class HostSockets:
    """The listening sockets, and the connections that came by them.

    Args:
        ports: who is behind each socket.
        addresses: returns those of this machine.
        limit: how many sockets may listen; calls and streams need descriptors, too.
    """

    def __init__(self, ports: Ports, addresses: Addresses, *, limit: int) -> None:
        self._ports = ports
        self._addresses = addresses
        self._limit = limit
        self._servers: dict[Socket, list[asyncio.Server]] = {}
        self._open_count = 0
        self._dirty: dict[Socket, None] = dict.fromkeys(ports.sockets())
        self._changed = asyncio.Event()
        self._told: set[int | None] = set()
        ports.on_change = self._note

    async def run(self) -> None:
        """Open and close sockets as the books say; never returns."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    while self._dirty:
                        socket = next(iter(self._dirty))
                        del self._dirty[socket]
                        await self._agree(socket, tasks)
                    self._changed.clear()
                    await self._changed.wait()
        finally:
            for server in (one for servers in self._servers.values() for one in servers):
                server.close()

    def _note(self, socket: Socket) -> None:
        self._dirty[socket] = None
        self._changed.set()

    async def _agree(self, socket: Socket, tasks: asyncio.TaskGroup) -> None:
        """Bring one socket in line with the books."""
        wanted = self._ports.behind(socket) is not None
        if wanted and socket not in self._servers:
            addresses = self._addresses() if socket.address == MACHINE else [socket.address]
            servers = [await self._open(Socket(one, socket.port), socket, tasks) for one in addresses]
            self._servers[socket] = [one for one in servers if one is not None]
            self._open_count += len(self._servers[socket])
        elif not wanted:
            for server in self._servers.pop(socket, ()):
                server.close()
                self._open_count -= 1

    async def _open(self, at: Socket, socket: Socket, tasks: asyncio.TaskGroup) -> asyncio.Server | None:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.create_task(self._serve(socket, reader, writer), name=f"runtime-stub/port/{at.address}:{at.port}")

        if self._open_count >= self._limit:
            self._complain(at, OSError(errno.EMFILE, os.strerror(errno.EMFILE)))
            return None
        try:
            return await asyncio.start_server(connected, at.address, at.port, limit=WINDOW_BYTES)
        except OSError as error:
            self._complain(at, error)
            return None

    def _complain(self, at: Socket, error: OSError) -> None:
        """Say what cannot be reached, and why; what concerns every socket alike is said once."""
        remedy = _REMEDIES.get(error.errno or 0, "")
        level = logging.DEBUG if error.errno in self._told or error.errno == errno.EADDRNOTAVAIL else logging.WARNING
        if error.errno != errno.EADDRINUSE:
            self._told.add(error.errno)
        log.log(level, "a simulated port is not open at %s port %d: %s%s", at.address, at.port, error.strerror, remedy)

    async def _serve(self, socket: Socket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection of a client of this machine."""
        peer, here = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        listener = self._ports.behind(socket)
        try:
            if listener is not None and (socket.address != MACHINE or self._is_local(peer[0])):
                end = reach(listener, near=_text(peer), far=_text(here))
                await carry(end, _SocketSide(reader, writer))
        except Exception:
            log.exception("a connection to port %d has failed", socket.port)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _is_local(self, address: str) -> bool:
        return ipaddress.ip_address(address).is_loopback or address in self._addresses()


class _SocketSide:
    """A client's socket as `carry` needs it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """Return what the client sends; nothing at the end."""
        return await self._reader.read(WINDOW_BYTES)

    async def write(self, data: bytes) -> None:
        """Send bytes, and wait while there are too many."""
        if self._writer.is_closing():  # uvloop has an error of its own for that
            raise ConnectionResetError(errno.ECONNRESET, "the client is gone")
        self._writer.write(data)
        await self._writer.drain()

    async def end(self) -> None:
        """Send nothing more."""
        if self._writer.can_write_eof() and not self._writer.is_closing():
            self._writer.write_eof()


@asynccontextmanager
async def opened(ports: Ports, addresses: Addresses, *, limit: int | None = None) -> AsyncIterator[None]:
    """Let this machine's processes reach what the books say, as long as the block lasts.

    Args:
        ports: the books.
        addresses: returns those of this machine.
        limit: how many sockets may listen; half of what the process may open, unless given.
    """
    sockets = HostSockets(ports, addresses, limit=_most_sockets() if limit is None else limit)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(sockets.run(), name="runtime-stub/ports")
        try:
            yield
        finally:
            task.cancel()


_REMEDIES = {
    errno.EACCES: "; ports below net.ipv4.ip_unprivileged_port_start are for root",
    errno.EADDRINUSE: "; a process of this machine has it, and is what a probe would find",
    errno.EMFILE: "; raise the limit of open files",
}


def _most_sockets() -> int:
    """Return half of the files that this process may open, after allowing itself as many as it may allow itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft < hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return soft // 2 if soft != resource.RLIM_INFINITY else _MANY


_MANY = 1 << 20


def _text(address: tuple[object, ...]) -> str:
    return f"{address[0]}:{address[1]}"
