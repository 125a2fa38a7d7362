"""The manifests that `kubeletsim demo` runs."""

from pathlib import Path

import pytest

from kubeletsim.pods.sources.manifest import decode_manifest

MANIFESTS = sorted((Path(__file__).parents[3] / "config" / "manifests").glob("*.yaml"))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_demo_manifest_is_a_pod_named_after_its_file_and_says_what_it_shows(path: Path):
    content = path.read_bytes()
    pod = decode_manifest(content, node_name="demo", source="file", location=str(path))

    assert pod.metadata.name == f"{path.stem}-demo"
    assert content.startswith(b"# A pod ")
    assert b"# Look for: " in content


def test_there_are_three_pods_and_one_of_them_cannot_start():
    assert len(MANIFESTS) == 3
    assert sum("registry.invalid" in path.read_text() for path in MANIFESTS) == 1
