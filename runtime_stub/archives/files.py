"""This module is where the files of an archive of images are: in a directory, or in a tar of one."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol


class ArchiveError(ValueError):  # a SettingsError once the archive's path is known
    """This is no archive of images; the text says what is wrong."""


class ArchiveFiles(Protocol):
    """The files of an archive by their names in it. A missing one is an ArchiveError."""

    def open(self, name: str) -> IO[bytes]:
        """Open a file to read."""

    def size(self, name: str) -> int:
        """Return a file's size in bytes."""

    def has(self, name: str) -> bool:
        """Tell whether there is such a file."""


@contextmanager
def opened(path: Path) -> Iterator[ArchiveFiles]:
    """Open an archive as long as the block lasts.

    Raises:
        ArchiveError: it is something else.
        OSError: it cannot be read.
    """
    if path.is_dir():
        yield _Directory(path)
        return
    try:
        tar = tarfile.open(path)  # noqa: SIM115  # closed below
    except tarfile.ReadError as error:
        raise ArchiveError("neither a directory nor a tar") from error
    with tar:
        yield _Tar(tar)


class _Directory:
    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, name: str) -> IO[bytes]:
        """Open a file to read."""
        return self._file(name).open("rb")

    def size(self, name: str) -> int:
        """Return a file's size in bytes."""
        return self._file(name).stat().st_size

    def has(self, name: str) -> bool:
        """Tell whether there is such a file; a path that leads out of the directory is none."""
        full = (self._path / name).resolve()
        return full.is_relative_to(self._path.resolve()) and full.is_file()

    def _file(self, name: str) -> Path:
        if not self.has(name):
            raise ArchiveError(f"{name}: not in it")
        return self._path / name


class _Tar:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members = {member.name.removeprefix("./"): member for member in tar}

    def open(self, name: str) -> IO[bytes]:
        """Open a file to read; a link is followed."""
        member = self._members.get(name)
        try:
            file = self._tar.extractfile(member) if member is not None else None
        except KeyError:
            file = None  # a link to nothing
        if file is None:
            raise ArchiveError(f"{name}: not in it")
        return file

    def size(self, name: str) -> int:
        """Return a file's size in bytes."""
        with self.open(name) as file:
            return file.seek(0, 2)

    def has(self, name: str) -> bool:
        """Tell whether there is such a file."""
        return name in self._members
