"""A directory of files that change all at once, as containers see those of the downward API.

    name -> ..data/name        ..data -> ..2026_11_23_12_00_00.x7k2        ..2026_11_23_12_00_00.x7k2/name

Readers follow two links; a change makes a new directory and turns one of the links, so that nobody ever sees half of
it. Upstream: pkg/volume/util/atomic_writer.go.
"""

import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from kubeletsim.pods.requests import VolumeFile

log = logging.getLogger(__name__)

DATA, NEW_DATA = "..data", "..data_tmp"
DIRECTORY_MODE = 0o755


def write_files(directory: Path, files: Mapping[str, VolumeFile], *, now: float, group: int | None = None) -> bool:
    """Have a directory hold just these files, by relative path; tell whether that took a change.

    Args:
        directory: where; it is there.
        files: what.
        now: Unix seconds, which name the new version.
        group: whom they are given to; None leaves them with the kubelet's own group.

    Raises:
        OSError: they cannot be written; what was there before stays.
    """
    data = directory / DATA
    if data.is_dir() and _holds(data, files):
        return False
    before = data.resolve() if data.is_dir() else None
    version = Path(tempfile.mkdtemp(prefix=time.strftime("..%Y_%m_%d_%H_%M_%S.", time.gmtime(now)), dir=directory))
    try:
        version.chmod(DIRECTORY_MODE)
        for name, file in files.items():
            path = version / name
            path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            path.write_text(file.content)
            give(path, group)
            path.chmod(file.mode)
        link = directory / NEW_DATA
        link.unlink(missing_ok=True)
        link.symlink_to(version.name)
        link.replace(data)
    except OSError:
        shutil.rmtree(version, ignore_errors=True)
        raise
    _link_names(directory, {name.split("/")[0] for name in files})
    if before is not None:
        shutil.rmtree(before, ignore_errors=True)
    return True


def give(path: Path, group: int | None) -> None:
    """Give a path to a group. Without root that may be refused, which costs the pod access to its volume at most."""
    if group is None:
        return
    try:
        os.chown(path, -1, group)
    except PermissionError as error:
        log.debug("Chown of %s to group %d failed: %s", path, group, error)


def _holds(data: Path, files: Mapping[str, VolumeFile]) -> bool:
    found = {str(path.relative_to(data)): path for path in data.rglob("*") if path.is_file()}
    return found.keys() == files.keys() and all(
        path.read_text() == files[name].content and stat.S_IMODE(path.stat().st_mode) == files[name].mode
        for name, path in found.items()
    )


def _link_names(directory: Path, names: set[str]) -> None:
    """Have one link for each first part of a file's name, and no others."""
    there = {entry.name for entry in directory.iterdir() if not entry.name.startswith("..")}
    for name in there - names:
        (directory / name).unlink()
    for name in names - there:
        (directory / name).symlink_to(f"{DATA}/{name}")
