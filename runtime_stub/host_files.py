"""This module is a directory or file of the host as a container sees it when the CRI asks for a mount.

Symbolic links that lead out of the mount lead nowhere, so that nothing is touched that the request does not name.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from runtime_stub.shell.files import Facts, failure

MAX_READ_BYTES = 16 * 1024 * 1024
"""More of a file than this is not read."""


@dataclass(frozen=True, slots=True)
class HostVolume:
    """A volume on the host (`shell.files.Volume`).

    Args:
        root: what is mounted; a link is followed.
        read_only: nothing below it can be changed, except in file systems mounted further down.
        recursive: not even there.
    """

    root: str
    read_only: bool = False
    recursive: bool = False

    def look(self, path: str) -> Facts:
        """Return what is there."""
        facts = self._inside(path).stat()
        return Facts(facts.st_mode, facts.st_size, facts.st_mtime, facts.st_uid, facts.st_gid)

    def names(self, path: str) -> list[str]:
        """Return the names in a directory."""
        return sorted(one.name for one in self._inside(path).iterdir())

    def read(self, path: str) -> bytes:
        """Return a file's contents; only regular files are read, since others may never end."""
        inside = self._inside(path)
        if inside.is_dir():
            raise failure(errno.EISDIR, path)
        if not inside.is_file():
            raise failure(errno.ENOENT if not inside.exists() else errno.EPERM, path)
        with inside.open("rb") as file:
            return file.read(MAX_READ_BYTES)

    def write(self, path: str, data: bytes, *, append: bool) -> None:
        """Make or change a file."""
        inside = self._writable(path)
        if inside.exists() and not inside.is_file():
            raise failure(errno.EISDIR if inside.is_dir() else errno.EPERM, path)
        with inside.open("ab" if append else "wb") as file:
            file.write(data)
        os.utime(inside)

    def change_mode(self, path: str, mode: int) -> None:
        """Leave a file's permissions to its owner."""
        del mode
        self._writable(path).stat()

    def make_directory(self, path: str) -> None:
        """Make a directory in one that is there."""
        self._writable(path).mkdir()

    def remove(self, path: str) -> None:
        """Remove a file or an empty directory."""
        inside = self._writable(path)
        if inside.is_dir():
            inside.rmdir()
        else:
            inside.unlink()

    def _inside(self, path: str) -> Path:
        root = os.path.realpath(self.root)
        inside = os.path.realpath(root + path) if path != "/" else root
        if inside != root and not inside.startswith(root.rstrip("/") + "/"):
            raise failure(errno.ENOENT, path)
        return Path(inside)

    def _writable(self, path: str) -> Path:
        inside = self._inside(path)
        if self.read_only and (self.recursive or self._is_own(inside)):
            raise failure(errno.EROFS, path)
        return inside

    def _is_own(self, inside: Path) -> bool:
        """Tell whether a path is in the mounted file system rather than in one mounted below it."""
        while not inside.exists():
            inside = inside.parent
        return inside.stat().st_dev == Path(self.root).stat().st_dev
