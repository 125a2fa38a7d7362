"""An archive's images are known with what their containers depend on; what is no archive is named as such."""

import gzip
import json
from pathlib import Path

import pytest

from runtime_stub.archives import read_archive, read_archives
from runtime_stub.archives.files import ArchiveError
from runtime_stub.settings import SettingsError
from runtime_stub.source import Source
from tests.fakes.image_archives import (
    ACCOUNTS,
    LAYER,
    docker_archive,
    image,
    oci_files,
    oci_layout,
    sha256,
    tarred,
)


def test_a_docker_archive_tells_names_layers_and_configuration(tmp_path: Path) -> None:
    first, second = read_archive(docker_archive(tmp_path / "a.tar", "tools/app:1", "registry.example:5000/app:2"))

    assert (first.name, second.name) == ("tools/app:1", "app:2")
    assert (first.user, first.command, first.arguments) == ("app:staff", ("/bin/echo",), ("by", "default"))
    assert first.environment == {"GREETING": "hello", "EMPTY": ""}
    assert first.working_directory == "/srv"
    assert first.files == {f"/{name}": text for name, text in ACCOUNTS.items()}
    assert first.published is not None
    assert first.published.config_digest == f"sha256:{sha256(image())}"
    assert [(one.digest, one.size_bytes) for one in first.published.layers] == [(f"sha256:{sha256(LAYER)}", len(LAYER))]


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_an_oci_layout_tells_the_digests_of_a_registry(tmp_path: Path, nested: bool, packed: bool) -> None:
    files = oci_files("docker.io/tools/app:1", nested=nested)
    path = oci_layout(tmp_path / "layout", "docker.io/tools/app:1", nested=nested)
    if packed:
        path = tmp_path / "layout.tar"
        path.write_bytes(tarred({f"./{name}": data for name, data in files.items()}))
    [entry] = read_archive(path)

    assert (entry.name, entry.user, entry.environment["GREETING"]) == ("tools/app:1", "app:staff", "hello")
    assert entry.files["/etc/group"] == ACCOUNTS["etc/group"]
    assert entry.published is not None
    [described] = json.loads(files["index.json"])["manifests"]
    assert entry.published.digest == described["digest"]
    assert [one.size_bytes for one in entry.published.layers] == [len(gzip.compress(LAYER, mtime=0))]


def test_images_without_a_name_are_passed_over(tmp_path: Path) -> None:
    assert read_archive(docker_archive(tmp_path / "a.tar")) == []


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"x": b""}, "neither index.json nor manifest.json is in it"),
        ({"manifest.json": b"{"}, "manifest.json: Invalid JSON"),
        ({"manifest.json": b"{}"}, "manifest.json: Input should be a valid array"),
        ({"manifest.json": b'[{"Config": "c.json", "Layers": []}]'}, "c.json: not in it"),
        ({"manifest.json": b'[{"Layers": []}]'}, "manifest.json: 0.Config: Field required"),
        ({"manifest.json": b'[{"Config": "c", "Layers": ["l"]}]', "c": b"{}"}, "c: 0 diff_ids for 1 layers"),
        ({"manifest.json": b'[{"Config": "c", "RepoTags": ["A B"], "Layers": []}]', "c": b"{}"}, "'A B': invalid"),
        ({"index.json": b'{"manifests": [{"digest": "x", "size": 1}]}'}, "index.json: manifests.0.digest: "),
        ({"index.json": b" " * 5_000_000}, "index.json: larger than"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path: Path, files: dict[str, bytes], complaint: str) -> None:
    (tmp_path / "a.tar").write_bytes(tarred(files))

    with pytest.raises(ArchiveError) as failure:
        read_archive(tmp_path / "a.tar")
    assert str(failure.value).startswith(complaint)


def test_a_layout_does_not_lead_out_of_its_directory(tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text("{}")
    layout = tmp_path / "layout"
    layout.mkdir()
    (layout / "manifest.json").write_text('[{"Config": "../secret.json", "RepoTags": ["a:1"], "Layers": []}]')

    with pytest.raises(ArchiveError, match=r"secret\.json: not in it"):
        read_archive(layout)


def test_every_fault_of_every_archive_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no tar")
    paths = [str(tmp_path / "nowhere"), str(tmp_path / "text")]

    with pytest.raises(SettingsError) as failure:
        read_archives(paths, source=Source("stub.yaml", {("images", "archives", 1): 7}))
    first, second = str(failure.value).splitlines()
    assert first == f"stub.yaml: images.archives[0]: {paths[0]}: No such file or directory"
    assert second == f"stub.yaml:7: images.archives[1]: {paths[1]}: neither a directory nor a tar"
