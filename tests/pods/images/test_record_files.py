"""Claims about records on disk: where they are, and that bad ones hurt nobody."""

import stat
from pathlib import Path

import pytest

from kubeletsim.pods.images import PullRecordFiles
from kubeletsim.pods.images.records import NODE_WIDE, PulledRecord, RecordError

RECORD = PulledRecord(image_ref="testimageref", last_updated_at=1.0, credentials={"docker.io/a/b": NODE_WIDE})
FILE = "sha256-b3c0cc4278800b03a308ceb2611161430df571ca733122f0a40ac8b9792a9064"


@pytest.fixture
def files(tmp_path: Path) -> PullRecordFiles:
    made = PullRecordFiles(tmp_path)
    made.make()
    return made


def test_a_record_is_where_a_kubelet_looks_for_it(files: PullRecordFiles, tmp_path: Path) -> None:
    files.write_pulled(RECORD)

    path = tmp_path / "image_manager" / "pulled" / FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == [FILE]
    assert files.pulled("testimageref") == RECORD


def test_what_is_not_there_is_no_error(files: PullRecordFiles) -> None:
    files.remove_intent("a")
    files.remove_pulled("a")

    assert files.pulled("a") is None
    assert not files.has_intent("a")


def test_intents_come_and_go(files: PullRecordFiles) -> None:
    files.write_intent("busybox")
    assert (files.has_intent("busybox"), files.intents()) == (True, ["busybox"])

    files.remove_intent("busybox")
    assert (files.has_intent("busybox"), files.intents()) == (False, [])


def test_a_damaged_record_is_told_apart_from_none_and_does_not_hide_the_others(
    files: PullRecordFiles, tmp_path: Path
) -> None:
    files.write_pulled(RECORD)
    pulled = tmp_path / "image_manager" / "pulled"
    (pulled / "sha256-0").write_text("{")
    (pulled / f"{FILE}.tmp").write_text("{")
    (pulled / "notes").write_text("mine")

    assert files.all_pulled() == [RECORD]
    (pulled / FILE).write_text("{")
    with pytest.raises(RecordError):
        files.pulled("testimageref")
