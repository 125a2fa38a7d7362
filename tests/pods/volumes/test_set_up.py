"""Claims about setting volumes up: what is made, what has to be there, and what goes at the end."""

import os
import socket
import stat
from pathlib import Path

import pytest

from kubeletsim.pods.requests import PlannedVolume, VolumeFile
from kubeletsim.pods.volumes.set_up import set_up, tear_down


def host(path: Path, type_: str) -> PlannedVolume:
    return PlannedVolume(name="vol", path=str(path), host_path_type=type_)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_directory_of_the_pod_is_everybodys_whatever_the_umask(tmp_path: Path) -> None:
    volume = PlannedVolume(name="vol", path=str(tmp_path / "plugin" / "vol"))
    before = os.umask(0o077)
    try:
        set_up(volume, now=0)
    finally:
        os.umask(before)
    (tmp_path / "plugin" / "vol" / "data").touch()
    set_up(volume, now=0)

    assert mode(tmp_path / "plugin" / "vol") == 0o777
    assert (tmp_path / "plugin" / "vol" / "data").exists()
    tear_down(volume)
    tear_down(volume)
    assert not (tmp_path / "plugin" / "vol").exists()


def test_files_are_kept_as_they_are_to_be(tmp_path: Path) -> None:
    for content in ("one", "two"):
        files = {"name": VolumeFile(content, 0o644)}
        set_up(PlannedVolume(name="vol", path=str(tmp_path / "vol"), files=files, has_files=True), now=0)

        assert (tmp_path / "vol" / "name").read_text() == content


def test_a_path_of_the_host_is_made_where_its_type_says_so(tmp_path: Path) -> None:
    set_up(host(tmp_path / "any", ""), now=0)
    set_up(host(tmp_path / "a" / "dir", "DirectoryOrCreate"), now=0)
    set_up(host(tmp_path / "file", "FileOrCreate"), now=0)

    assert not (tmp_path / "any").exists()
    assert mode(tmp_path / "a" / "dir") == 0o755
    assert (mode(tmp_path / "file"), (tmp_path / "file").read_text()) == (0o644, "")
    with pytest.raises(FileNotFoundError):
        set_up(host(tmp_path / "absent" / "file", "FileOrCreate"), now=0)


def test_a_path_of_the_host_stays_when_the_pod_goes(tmp_path: Path) -> None:
    tear_down(host(tmp_path, ""))

    assert tmp_path.is_dir()


@pytest.mark.parametrize(
    ("type_", "what"),
    [
        ("Directory", "a directory"),
        ("File", "a file"),
        ("Socket", "a socket file"),
        ("CharDevice", "a character device"),
        ("BlockDevice", "a block device"),
    ],
)
def test_a_path_has_to_be_there_and_of_its_type(tmp_path: Path, type_: str, what: str) -> None:
    with pytest.raises(OSError, match=f"hostPath type check failed: .*/path is not {what}"):
        set_up(host(tmp_path / "path", type_), now=0)


def test_what_is_there_is_not_made_into_something_else(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="is not a directory"):
        set_up(host(tmp_path / "file", "DirectoryOrCreate"), now=0)
    with pytest.raises(OSError, match="is not a file"):
        set_up(host(tmp_path, "FileOrCreate"), now=0)


def test_paths_that_are_there_are_fine(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        paths = {
            "Directory": tmp_path,
            "Socket": tmp_path / "s",
            "CharDevice": Path("/dev/null"),
            "File": Path(__file__),
        }

        for type_, path in paths.items():
            set_up(host(path, type_), now=0)


def test_a_volume_is_fs_groups_where_the_kubelet_may_give_it(tmp_path: Path) -> None:
    group = 4321 if os.geteuid() == 0 else os.getgid()
    files = {"name": VolumeFile("web", 0o440)}

    set_up(PlannedVolume(name="v", path=str(tmp_path / "v"), files=files, has_files=True, group=group), now=0)

    assert [(tmp_path / name).stat().st_gid for name in ("v", "v/name")] == [group, group]
    assert stat.S_IMODE((tmp_path / "v").stat().st_mode) == 0o2777


def test_who_may_not_give_a_volume_away_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(os, "chown", refuse)

    set_up(PlannedVolume(name="v", path=str(tmp_path / "v"), group=4321), now=0)

    assert mode(tmp_path / "v") == 0o777


def test_a_volume_with_a_fault_is_never_set_up(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not supported"):
        set_up(PlannedVolume(name="v", path=str(tmp_path / "v"), fault="not supported"), now=0)

    assert not (tmp_path / "v").exists()
