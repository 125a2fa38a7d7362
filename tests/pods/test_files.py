"""Claims about files: what is planned is there with its mode, what is there stays, what is left over goes."""

import os
from pathlib import Path

import pytest

from kubeletsim.model.runtime import PodUID
from kubeletsim.pods.files import has_volumes, link_log, make_files, next_restart_count, pod_dirs, remove_pod_dir
from kubeletsim.pods.requests import HostPathPlan, PlannedDirectory, PlannedFile, PlannedSubPath


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_directories_and_files_get_their_modes_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        make_files(
            HostPathPlan(
                directories=(PlannedDirectory(str(tmp_path / "a" / "b"), 0o755),),
                files=(PlannedFile(str(tmp_path / "a" / "log"), 0o666), PlannedFile(str(tmp_path / "h"), 0o644, "x\n")),
            )
        )
    finally:
        os.umask(before)

    assert (mode(tmp_path / "a" / "b"), mode(tmp_path / "a" / "log"), mode(tmp_path / "h")) == (0o755, 0o666, 0o644)
    assert (tmp_path / "h").read_text() == "x\n"


def test_what_is_there_stays_unless_its_content_is_given(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("kept")
    (tmp_path / "hosts").write_text("old")
    (tmp_path / "dir").mkdir(mode=0o700)

    make_files(
        HostPathPlan(
            directories=(PlannedDirectory(str(tmp_path / "dir"), 0o777),),
            files=(PlannedFile(str(tmp_path / "log"), 0o666), PlannedFile(str(tmp_path / "hosts"), 0o644, "new")),
        )
    )

    assert (tmp_path / "log").read_text() == "kept"
    assert (tmp_path / "hosts").read_text() == "new"
    assert mode(tmp_path / "dir") == 0o700


def sub_path(path: Path, volume: Path) -> HostPathPlan:
    return HostPathPlan(sub_paths=(PlannedSubPath(str(path), str(volume), 'volumeMount "d" of container "c"'),))


def test_a_sub_path_is_made_with_its_volumes_mode_and_what_is_there_stays(tmp_path: Path) -> None:
    volume = tmp_path / "data"
    volume.mkdir()
    volume.chmod(0o777)
    (volume / "file").write_text("kept")

    make_files(sub_path(volume / "a" / "b", volume))
    make_files(sub_path(volume / "file", volume))

    assert mode(volume / "a" / "b") == 0o777
    assert (volume / "file").read_text() == "kept"


@pytest.mark.parametrize("inside", ["", "deeper"])
def test_a_link_that_leads_out_of_the_volume_is_not_followed(tmp_path: Path, inside: str) -> None:
    volume, outside = tmp_path / "data", tmp_path / "outside"
    volume.mkdir()
    outside.mkdir()
    (volume / "link").symlink_to(outside)

    with pytest.raises(OSError, match='failed to prepare subPath for volumeMount "d" of container "c"'):
        make_files(sub_path(volume / "link" / inside, volume))
    assert not list(outside.iterdir())


def test_a_volume_that_is_not_there_has_no_sub_paths(tmp_path: Path) -> None:
    with pytest.raises(OSError, match='failed to create subPath directory for volumeMount "d" of container "c"'):
        make_files(sub_path(tmp_path / "gone" / "a", tmp_path / "gone"))
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    ("names", "count"),
    [([], 0), (["0.log"], 1), (["0.log", "9.log", "10.log"], 11), (["2.log.20260101-000000.gz"], 3), (["x.log"], 0)],
)
def test_the_next_instance_has_the_number_after_the_highest_log(tmp_path: Path, names: list[str], count: int) -> None:
    for name in names:
        (tmp_path / name).touch()

    assert next_restart_count(tmp_path) == count
    assert next_restart_count(tmp_path / "absent") == 0


def test_a_log_is_linked_only_where_there_is_one_and_the_link_is_renewed(tmp_path: Path) -> None:
    link = tmp_path / "links" / "pod.log"
    link_log(tmp_path / "0.log", link)
    assert not link.exists()

    for name in ("0.log", "1.log"):
        (tmp_path / name).touch()
        link_log(tmp_path / name, link)

    assert link.resolve() == (tmp_path / "1.log").resolve()


def test_pod_directories_are_found_and_removed_with_their_content(tmp_path: Path) -> None:
    assert pod_dirs(tmp_path) == []
    for uid in ("b", "a"):
        (tmp_path / "pods" / uid / "volumes").mkdir(parents=True)
    (tmp_path / "pods" / "file").touch()

    assert pod_dirs(tmp_path) == ["a", "b"]
    assert not has_volumes(tmp_path, PodUID("a"))
    (tmp_path / "pods" / "a" / "volumes" / "plugin" / "data").mkdir(parents=True)
    assert has_volumes(tmp_path, PodUID("a"))
    remove_pod_dir(tmp_path, PodUID("a"))
    remove_pod_dir(tmp_path, PodUID("never there"))

    assert pod_dirs(tmp_path) == ["b"]
