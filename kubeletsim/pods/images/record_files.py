"""The records of pulls on disk: `<root-dir>/image_manager/{pulling,pulled}/sha256-<hash of the image's name>`.

A file is replaced as a whole and never seen half written. Files are few and small and read in the loop's own thread.
Upstream: pkg/kubelet/images/pullmanager/fs_pullrecords.go.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from kubeletsim.pods.images.records import (
    PulledRecord,
    RecordError,
    decode_intent,
    decode_pulled,
    encode_intent,
    encode_pulled,
)

log = logging.getLogger(__name__)

PREFIX, UNFINISHED = "sha256-", ".tmp"
DIRECTORY_MODE, FILE_MODE = 0o700, 0o600

T = TypeVar("T")


class PullRecordFiles:
    """The two directories. Each method may raise OSError, and those that read one record RecordError."""

    def __init__(self, root_dir: Path) -> None:
        self._pulling = root_dir / "image_manager" / "pulling"
        self._pulled = root_dir / "image_manager" / "pulled"

    def make(self) -> None:
        """Make the directories."""
        for directory in (self._pulling, self._pulled):
            directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)

    def write_intent(self, image: str) -> None:
        """Note that a pull of the image begins."""
        _write(self._pulling / _file_name(image), encode_intent(image))

    def has_intent(self, image: str) -> bool:
        """Tell whether a pull of the image has begun and nobody has noted its end."""
        content = _read(self._pulling / _file_name(image))
        return content is not None and decode_intent(content) == image

    def remove_intent(self, image: str) -> None:
        """Note that the pull has ended."""
        (self._pulling / _file_name(image)).unlink(missing_ok=True)

    def intents(self) -> list[str]:
        """Return the images whose pulls have begun; files that say something else are logged and left."""
        return list(_records(self._pulling, decode_intent))

    def count_intents(self) -> int:
        """Return how many intents there are, none where nobody can tell."""
        return _count(self._pulling)

    def count_pulled(self) -> int:
        """Return how many records of pulled images there are, none where nobody can tell."""
        return _count(self._pulled)

    def write_pulled(self, record: PulledRecord) -> None:
        """Write a record, in place of the one there may be."""
        _write(self._pulled / _file_name(record.image_ref), encode_pulled(record))

    def pulled(self, image_ref: str) -> PulledRecord | None:
        """Return an image's record; None without one."""
        content = _read(self._pulled / _file_name(image_ref))
        record = None if content is None else decode_pulled(content)
        return record if record is not None and record.image_ref == image_ref else None

    def remove_pulled(self, image_ref: str) -> None:
        """Forget an image."""
        (self._pulled / _file_name(image_ref)).unlink(missing_ok=True)

    def all_pulled(self) -> list[PulledRecord]:
        """Return every record; files that say something else are logged and left."""
        return list(_records(self._pulled, decode_pulled))


def _file_name(image: str) -> str:
    return PREFIX + hashlib.sha256(image.encode()).hexdigest()


def _paths(directory: Path) -> list[Path]:
    """Return the files of a directory that are records, whole ones."""
    return sorted(
        path
        for path in directory.iterdir()
        if path.name.startswith(PREFIX) and not path.name.endswith(UNFINISHED) and path.is_file()
    )


def _count(directory: Path) -> int:
    try:
        return len(_paths(directory))
    except OSError:
        return 0


def _records(directory: Path, decode: Callable[[bytes], T]) -> Iterator[T]:
    for path in _paths(directory):
        try:
            yield decode(path.read_bytes())
        except (OSError, RecordError) as error:
            log.warning("Cannot use the pull record %s: %s", path, error)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    draft = path.with_name(path.name + UNFINISHED)
    try:
        draft.touch(mode=FILE_MODE)
        draft.write_bytes(content)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
