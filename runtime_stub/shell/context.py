"""This module is what a process finds around it: files, user, environment, other processes, the network, the time.

A context is shared by the processes of a container; whatever is not pure in it hides behind a Protocol.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from posixpath import join, normpath
from typing import Protocol

from runtime_stub.network.stream import End
from runtime_stub.shell.accounts import Identity
from runtime_stub.shell.bell import Bell
from runtime_stub.shell.files import Files
from runtime_stub.shell.program import Program, Read, Step, Steps
from runtime_stub.shell.signals import Mailbox

ByteSteps = Generator[Step, bytes | None, bytes]
"""A part of a process that yields bytes in the end."""


@dataclass(frozen=True, slots=True)
class Socket:
    """A port on which somebody listens."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface."""

    name: str
    addresses: tuple[str, ...]
    """Each with the length of its network's prefix: `10.1.2.3/16`."""


class Network(Protocol):
    """The network namespace of a container."""

    @property
    def addresses(self) -> Sequence[str]:
        """The pod's addresses."""

    def interfaces(self) -> Sequence[Interface]:
        """Return the network interfaces, loopback first."""

    def gateway(self) -> str:
        """Return the address of the default route; empty when there is none."""

    def listening(self) -> Sequence[Socket]:
        """Return the TCP sockets that listen."""

    def listen(self, port: int, accept: Callable[[End], None]) -> Callable[[], None]:
        """Take connections on a port; return what ends that. Raises OSError: the port is taken."""

    def connect(self, address: str, port: int) -> End:
        """Connect; return this side's end. Raises OSError: nobody listens, no such host, no way to it."""

    def check(self, address: str) -> None:
        """Find out whether there is a host at an address. Raises OSError: there is none, or no way to it."""

    def lookup(self, name: str) -> Sequence[str]:
        """Return the addresses that DNS has for a fully qualified name; none for one that it does not know."""


def _nobody(signum: int) -> None:
    """Send a signal to nobody."""
    del signum


@dataclass(slots=True)
class Context:
    """Surroundings of the processes of one container."""

    files: Files
    identity: Identity
    hostname: str
    environment: Mapping[str, str]
    working_directory: str
    network: Network
    now: Callable[[], float]
    """Unix seconds."""
    bell: Bell = field(default_factory=Bell)
    """Rings when something has come for one of the processes."""
    memory_limit_bytes: int = 0
    """0 for none."""
    is_busybox: bool = True
    """Whether a command outside busybox cannot exist."""
    unknown: Program = ()
    """What a command does that may exist and is not emulated."""
    processes: dict[int, list[str]] = field(default_factory=dict)
    """Argument lists by process id, of the container's own numbering."""

    main_pid: int = 1
    """The container's own first process, which is PID 1 unless the pod shares its process namespace."""
    mailboxes: dict[int, Mailbox] = field(default_factory=dict)
    """Of processes that do something about signals, by their id."""
    enders: dict[int, Callable[[], None]] = field(default_factory=dict)
    """What ends processes that go on by themselves, by their id."""
    signal_init: Callable[[int], None] = _nobody
    """Sends a signal to the container's first process."""

    def mailbox(self, pid: int) -> Mailbox:
        """Return where a process' signals wait for it."""
        return self.mailboxes.setdefault(pid, Mailbox(self.bell))

    def catches(self, pid: int, signum: int) -> bool:
        """Hand a process a signal; tell whether it deals with it itself."""
        mailbox = self.mailboxes.get(pid)
        return mailbox is not None and mailbox.take(signum)

    def begin(self, argv: Sequence[str]) -> int:
        """Note a process, and return its id."""
        pid = max(self.processes, default=0) + 1
        self.processes[pid] = list(argv)
        self.mailboxes.pop(pid, None)
        return pid

    def end(self, pid: int) -> None:
        """Forget a process."""
        self.processes.pop(pid, None)
        self.enders.pop(pid, None)


class Input:
    """Standard input; this one is at its end from the start."""

    is_terminal = False

    def __init__(self, data: bytes = b"") -> None:
        self._rest = data

    def chunk(self) -> Steps:
        """Put more bytes into the rest; return 0 at the end."""
        return 0
        yield  # a generator like the others

    def read(self) -> ByteSteps:
        """Return some bytes; none at the end."""
        if not self._rest:
            yield from self.chunk()
        data, self._rest = self._rest, b""
        return data

    def everything(self) -> ByteSteps:
        """Return all that comes."""
        pieces = []
        while data := (yield from self.read()):
            pieces.append(data)
        return b"".join(pieces)

    def line(self) -> ByteSteps:
        """Return a line with its newline, or what is left without one; nothing at the end."""
        while b"\n" not in self._rest:
            if not (yield from self.chunk()):
                line, self._rest = self._rest, b""
                return line
        head, newline, self._rest = self._rest.partition(b"\n")
        return head + newline

    def close(self) -> None:
        """Read no more."""


class Console(Input):
    """Standard input that somebody types.

    Args:
        is_terminal: ^D ends what one command reads, not what the next one does.
    """

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self.is_terminal = is_terminal
        self._ended = False

    def chunk(self) -> Steps:
        """Wait for what is typed."""
        if self._ended:
            return 0
        data = (yield Read()) or b""
        self._ended = not data and not self.is_terminal
        self._rest += data
        return int(bool(data))


@dataclass(slots=True)
class Call:
    """A command being called."""

    argv: Sequence[str]
    context: Context
    stdin: Input
    environment: Mapping[str, str]
    directory: str
    pid: int = 0
    """The process it is; 0 for one that is not in the list."""

    @property
    def name(self) -> str:
        """What it was called."""
        return self.argv[0].rpartition("/")[2]

    @property
    def arguments(self) -> list[str]:
        """Everything after its name."""
        return list(self.argv[1:])

    @property
    def files(self) -> Files:
        """The container's file system."""
        return self.context.files

    def path(self, text: str) -> str:
        """Return the absolute path that a text means here."""
        return absolute(text, self.directory)


def absolute(text: str, directory: str) -> str:
    """Return an absolute path without `.` and `..`."""
    path = normpath(join(directory, text))
    return path[1:] if path.startswith("//") else path
