"""Claims about files that change all at once."""

import os
import stat
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.pods.requests import VolumeFile
from kubeletsim.pods.volumes.atomic_files import write_files

NOW = 1_700_000_000.0
names = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
contents = st.builds(VolumeFile, st.text("xy", max_size=3), st.sampled_from([0o644, 0o400, 0o600]))


def no_file_is_a_directory(files: dict[str, VolumeFile]) -> bool:
    return not any(other.startswith(f"{name}/") for name in files for other in files)


versions = st.lists(st.dictionaries(names, contents, max_size=4).filter(no_file_is_a_directory), min_size=1, max_size=5)


def read(directory: Path) -> dict[str, VolumeFile]:
    """Return the files as a container sees them, following links."""
    found = {}
    for base, _, files in os.walk(directory, followlinks=True):
        for name in files:
            path = Path(base) / name
            relative = str(path.relative_to(directory))
            if not relative.startswith(".."):
                found[relative] = VolumeFile(path.read_text(), stat.S_IMODE(path.stat().st_mode))
    return found


@given(versions)
def test_a_directory_holds_just_the_files_of_the_last_version(tmp_path_factory, versions) -> None:
    directory = tmp_path_factory.mktemp("volume")

    for number, files in enumerate(versions):
        write_files(directory, files, now=NOW + number)

        assert read(directory) == files
        hidden = [entry for entry in directory.iterdir() if entry.name.startswith("..")]
        assert len(hidden) == 2  # the version and the link to it


def test_what_is_the_same_is_not_written_again(tmp_path: Path) -> None:
    files = {"name": VolumeFile("web", 0o644), "of/cpu": VolumeFile("2", 0o400)}
    assert write_files(tmp_path, files, now=NOW)
    version = (tmp_path / "..data").readlink().name

    assert not write_files(tmp_path, files, now=NOW + 1)

    assert (tmp_path / "..data").readlink().name == version
    assert version.startswith("..2023_11_14_22_13_20.")
    assert str((tmp_path / "of").readlink()) == "..data/of"
