"""Setting one volume up and taking it down again: files and directories, and nothing that needs a superuser.

Upstream: SetUpAt of the plugins below pkg/volume, SetVolumeOwnership in pkg/volume/volume_linux.go, checkType in
pkg/volume/hostpath/host_path.go.
"""

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from kubeletsim.pods.requests import PlannedVolume
from kubeletsim.pods.volumes.atomic_files import give, write_files

VOLUME_MODE = 0o777
HOST_DIR_MODE, HOST_FILE_MODE = 0o755, 0o644
_TYPE_CHECKS: dict[str, tuple[Callable[[Path], bool], str]] = {
    "Directory": (Path.is_dir, "a directory"),
    "DirectoryOrCreate": (Path.is_dir, "a directory"),
    "File": (Path.is_file, "a file"),
    "FileOrCreate": (Path.is_file, "a file"),
    "Socket": (Path.is_socket, "a socket file"),
    "CharDevice": (Path.is_char_device, "a character device"),
    "BlockDevice": (Path.is_block_device, "a block device"),
}


def set_up(volume: PlannedVolume, *, now: float) -> None:
    """Have a volume ready to be mounted; again and again, if its content may change. `now` is Unix seconds.

    Raises:
        OSError: it cannot be made, now or ever, or a path of the host is not what it has to be.
    """
    if volume.fault:
        raise OSError(volume.fault)
    if volume.is_image:
        return
    path = Path(volume.path)
    if volume.host_path_type is not None:
        _check_host_path(path, volume.host_path_type)
        return
    if not path.is_dir():
        path.mkdir(parents=True)
        give(path, volume.group)
        # Whatever the process's umask says; what is made in fsGroup's directory later is fsGroup's, too.
        path.chmod(VOLUME_MODE if volume.group is None else VOLUME_MODE | stat.S_ISGID)
    if volume.has_files:
        write_files(path, volume.files, group=volume.group, now=now)


def tear_down(volume: PlannedVolume) -> None:
    """Remove a volume's content, which may be large; paths of the host stay.

    Raises:
        OSError: something in it cannot be removed.
    """
    if volume.host_path_type is None and not volume.is_image and Path(volume.path).is_dir():
        shutil.rmtree(volume.path)


def _check_host_path(path: Path, type_: str) -> None:
    if type_ not in _TYPE_CHECKS:
        return
    if type_ == "DirectoryOrCreate" and not path.exists():
        path.mkdir(parents=True)
        path.chmod(HOST_DIR_MODE)
    elif type_ == "FileOrCreate" and not path.exists():
        path.touch()  # in a directory that is there: upstream makes none for a file
        path.chmod(HOST_FILE_MODE)
    is_right, what = _TYPE_CHECKS[type_]
    if not is_right(path):
        raise OSError(f"hostPath type check failed: {path} is not {what}")
