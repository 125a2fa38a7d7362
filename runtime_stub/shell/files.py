"""This module is the file system that a container sees: its image's files, what it has changed, and what is mounted.

Pure: the image's files and the changes are dictionaries by absolute path. What the CRI mounts from the host comes in as
a `Volume` that somebody else implements. Failures are OSErrors with the kernel's numbers, worded by the commands.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from posixpath import dirname, normpath
from typing import Protocol

FILE_MODE = stat.S_IFREG | 0o644
PROGRAM_MODE = stat.S_IFREG | 0o755
DIRECTORY_MODE = stat.S_IFDIR | 0o755
DEVICE_MODE = stat.S_IFCHR | 0o666
PSEUDO_MODE = stat.S_IFREG | 0o444


@dataclass(frozen=True, slots=True)
class Facts:
    """What `stat` shows."""

    mode: int
    size: int = 0
    modified_at: float = 0.0
    uid: int = 0
    gid: int = 0

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_program(self) -> bool:
        """Whether it is a file that may be run."""
        return not self.is_directory and bool(self.mode & 0o111)


class Volume(Protocol):
    """A tree of files; paths begin with a slash and are relative to its root. Every method may raise OSError."""

    def look(self, path: str) -> Facts:
        """Return what is there."""

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""

    def read(self, path: str) -> bytes:
        """Return a file's contents."""

    def write(self, path: str, data: bytes, *, append: bool) -> None:
        """Make or change a file."""

    def change_mode(self, path: str, mode: int) -> None:
        """Change a file's permissions, if those of this volume change at all."""

    def make_directory(self, path: str) -> None:
        """Make a directory in one that is there."""

    def remove(self, path: str) -> None:
        """Remove a file or an empty directory."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """A volume at its place."""

    path: str
    volume: Volume
    read_only: bool = False


def failure(number: int, path: str) -> OSError:
    """Return the error of a system call."""
    return OSError(number, os.strerror(number), path)


@dataclass(slots=True)
class Memory:
    """A volume in memory: files that are given, with changes on top. None hides a given file."""

    given: Mapping[str, bytes]
    now: Callable[[], float]
    changed: dict[str, bytes | None] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    """Permissions that were changed."""

    def look(self, path: str) -> Facts:
        """Return what is there."""
        if path == "/" or self._get(f"{path}/") is not None:
            mode = stat.S_IFDIR | self.modes.get(path, DIRECTORY_MODE & 0o7777)
            return Facts(mode, 4096, self.times.get(path, 0.0))
        data = self._file(path)
        is_program = path not in self.changed and ("bin" in dirname(path) or data.startswith(b"#!"))
        default = PROGRAM_MODE if is_program else FILE_MODE
        mode = stat.S_IFREG | self.modes.get(path, default & 0o7777)
        return Facts(mode, len(data), self.times.get(path, 0.0))

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""
        if not self.look(path).is_directory:
            raise failure(errno.ENOTDIR, path)
        start = len(path.rstrip("/")) + 1
        prefix = path.rstrip("/") + "/"
        found = {
            name[start:].rstrip("/")
            for name in (*self.given, *self.changed)
            if name.startswith(prefix) and "/" not in name[start:-1] and len(name) > start
            if self._get(name) is not None
        }
        return sorted(found)

    def read(self, path: str) -> bytes:
        """Return a file's contents."""
        if self._get(f"{path}/") is not None:
            raise failure(errno.EISDIR, path)
        return self._file(path)

    def write(self, path: str, data: bytes, *, append: bool) -> None:
        """Make or change a file."""
        if path == "/" or self._get(f"{path}/") is not None:
            raise failure(errno.EISDIR, path)
        self._need_parent(path)
        before = (self._get(path) or b"") if append else b""
        self.changed[path] = before + data
        self.times[path] = self.now()

    def change_mode(self, path: str, mode: int) -> None:
        """Change the permissions of what is there."""
        self.look(path)
        self.modes[path] = mode

    def make_directory(self, path: str) -> None:
        """Make a directory in one that is there."""
        if path == "/" or self._get(path) is not None or self._get(f"{path}/") is not None:
            raise failure(errno.EEXIST, path)
        self._need_parent(path)
        self.changed[f"{path}/"] = b""
        self.times[path] = self.now()

    def remove(self, path: str) -> None:
        """Remove a file or an empty directory."""
        if path == "/":
            raise failure(errno.EBUSY, path)
        if self._get(f"{path}/") is not None:
            if self.names(path):
                raise failure(errno.ENOTEMPTY, path)
            self.changed[f"{path}/"] = None
        else:
            self._file(path)
            self.changed[path] = None
        self.modes.pop(path, None)

    def _get(self, key: str) -> bytes | None:
        return self.changed[key] if key in self.changed else self.given.get(key)

    def _file(self, path: str) -> bytes:
        if (data := self._get(path)) is None:
            raise failure(errno.ENOENT, path)
        return data

    def _need_parent(self, path: str) -> None:
        parent = dirname(path)
        if parent != "/" and self._get(f"{parent}/") is None:
            raise failure(errno.ENOTDIR if self._get(parent) is not None else errno.ENOENT, path)


@dataclass(slots=True)
class Pseudo:
    """A volume like /proc: files whose contents are made when they are read, and nothing else can be done."""

    made: Mapping[str, Callable[[], bytes]]

    def look(self, path: str) -> Facts:
        """Return what is there."""
        if path in self.made:
            return Facts(PSEUDO_MODE)
        if path == "/" or any(name.startswith(f"{path}/") for name in self.made):
            return Facts(stat.S_IFDIR | 0o555)
        raise failure(errno.ENOENT, path)

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""
        if not self.look(path).is_directory:
            raise failure(errno.ENOTDIR, path)
        prefix = path.rstrip("/") + "/"
        return sorted({name[len(prefix) :].partition("/")[0] for name in self.made if name.startswith(prefix)})

    def read(self, path: str) -> bytes:
        """Return a file's contents."""
        if self.look(path).is_directory:
            raise failure(errno.EISDIR, path)
        return self.made[path]()

    def write(self, path: str, data: bytes, *, append: bool) -> None:
        """Refuse."""
        del data, append
        raise failure(errno.EROFS, path)

    make_directory = remove = lambda self, path: self.write(path, b"", append=False)

    def change_mode(self, path: str, mode: int) -> None:
        """Refuse."""
        del mode
        raise failure(errno.EROFS, path)


@dataclass(slots=True)
class Devices:
    """The volume /dev: a few character devices."""

    zero_bytes: int = 1 << 20
    """How much of an endless device one reading yields."""

    def look(self, path: str) -> Facts:
        """Return what is there."""
        if path == "/":
            return Facts(DIRECTORY_MODE)
        if path.lstrip("/") not in _DEVICES:
            raise failure(errno.ENOENT, path)
        return Facts(DEVICE_MODE)

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""
        if path != "/":
            raise failure(errno.ENOTDIR, path)
        return sorted(_DEVICES)

    def read(self, path: str) -> bytes:
        """Return what comes out of a device."""
        self.look(path)
        return b"\0" * self.zero_bytes if path in ("/zero", "/urandom", "/random") else b""

    def write(self, path: str, data: bytes, *, append: bool) -> None:
        """Let data disappear."""
        del data, append
        self.look(path)

    def change_mode(self, path: str, mode: int) -> None:
        """Leave a device as it is."""
        del mode
        self.look(path)

    def make_directory(self, path: str) -> None:
        """Refuse."""
        raise failure(errno.EPERM, path)

    remove = make_directory


_DEVICES = frozenset({"null", "zero", "full", "random", "urandom", "tty", "console"})


class Files:
    """Everything a container sees.

    Args:
        mounts: volumes; the root's is among them, at `/`.
        masked: paths that look like an empty file or directory which cannot be run.
        read_only: paths below which nothing can be changed.
    """

    def __init__(self, mounts: Iterable[Mounted], *, masked: Iterable[str] = (), read_only: Iterable[str] = ()) -> None:
        # The longest path wins, and of equal ones the last that was mounted: sorting keeps their order.
        self._mounts = list(mounts)[::-1]
        self._mounts.sort(key=lambda one: -len(one.path))
        self._masked = tuple(normpath(path) for path in masked)
        self._read_only = tuple(normpath(path) for path in read_only)

    def look(self, path: str) -> Facts:
        """Return what is at a path."""
        if self.is_masked(path):
            return Facts(DEVICE_MODE)
        if any(one.path.startswith(f"{path.rstrip('/')}/") for one in self._mounts if one.path != "/"):
            return Facts(DIRECTORY_MODE)  # on the way to a mount
        mounted, inner = self._at(path)
        return mounted.volume.look(inner)

    def exists(self, path: str) -> bool:
        """Tell whether anything is at a path."""
        try:
            self.look(path)
        except OSError:
            return False
        return True

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""
        if self.is_masked(path):
            return []
        prefix = path.rstrip("/") + "/"
        below = {one.path[len(prefix) :].partition("/")[0] for one in self._mounts if one.path.startswith(prefix)}
        mounted, inner = self._at(path)
        try:
            return sorted({*mounted.volume.names(inner), *below} - {""})
        except FileNotFoundError:
            if below:
                return sorted(below - {""})
            raise

    def read(self, path: str) -> bytes:
        """Return a file's contents."""
        if self.is_masked(path):
            return b""
        mounted, inner = self._at(path)
        return mounted.volume.read(inner)

    def write(self, path: str, data: bytes, *, append: bool = False) -> None:
        """Make or change a file."""
        mounted, inner = self._writable(path)
        mounted.volume.write(inner, data, append=append)

    def change_mode(self, path: str, mode: int) -> None:
        """Change the permissions of a file or directory; those of the host's stay."""
        mounted, inner = self._writable(path)
        mounted.volume.change_mode(inner, mode)

    def make_directory(self, path: str) -> None:
        """Make a directory."""
        if self.exists(path):
            raise failure(errno.EEXIST, path)
        mounted, inner = self._writable(path)
        mounted.volume.make_directory(inner)

    def remove(self, path: str) -> None:
        """Remove a file or an empty directory."""
        if any(one.path == path for one in self._mounts):
            raise failure(errno.EBUSY, path)
        mounted, inner = self._writable(path)
        mounted.volume.look(inner)
        mounted.volume.remove(inner)

    def is_masked(self, path: str) -> bool:
        """Tell whether a path, or one above it, is masked."""
        return any(path == one or path.startswith(f"{one}/") for one in self._masked)

    def _at(self, path: str) -> tuple[Mounted, str]:
        for mounted in self._mounts:
            if path == mounted.path or path.startswith(mounted.path.rstrip("/") + "/"):
                return mounted, "/" + path[len(mounted.path.rstrip("/")) + 1 :]
        raise failure(errno.ENOENT, path)

    def _writable(self, path: str) -> tuple[Mounted, str]:
        mounted, inner = self._at(path)
        if mounted.read_only or any(path == one or path.startswith(f"{one}/") for one in self._read_only):
            raise failure(errno.EROFS, path)
        return mounted, inner
