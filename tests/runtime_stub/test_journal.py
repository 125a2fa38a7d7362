"""What was written down is read back, and nobody else's file is touched."""

import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.journal import FILE_NAME, Journal, JournalError, open_journal
from runtime_stub.state.records import Change, Container, ContainerState, Image, Sandbox, SandboxState

SANDBOX = Sandbox(
    id="s1",
    wire_config=pb.PodSandboxConfig(metadata=pb.PodSandboxMetadata(name="web"), labels={"a": "ü"}).SerializeToString(),
    runtime_handler="runc",
    state=SandboxState.NOTREADY,
    created_at=1_700_000_000_123_456_789,
    pid=0,
    ips=("10.0.0.2", "fd00::2"),
)
CONTAINER = Container(
    id="c1",
    sandbox_id="s1",
    wire_config=pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name="app"), command=["sleep", "1"]
    ).SerializeToString(),
    image_id="sha256:1",
    image_name="busybox",
    image_digest="busybox@sha256:2",
    log_path="/x/0.log",
    state=ContainerState.EXITED,
    created_at=1,
    started_at=2,
    finished_at=3,
    exit_code=-1,
    reason="Error",
    message='say "x"\n',
    steps_done=2,
    wire_resources=pb.LinuxContainerResources(cpu_shares=5).SerializeToString(),
)
IMAGE = Image(id="sha256:1", tags=("a:1",), digests=("a@sha256:2", "b@sha256:2"), size_bytes=1 << 40, pinned=True)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path) as journal:
        yield journal


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    with open_journal(tmp_path) as journal:
        journal.write(Change(saved=(SANDBOX, CONTAINER, IMAGE)))
        journal.change_setting("podCIDR", "10.0.0.0/8")

    with open_journal(tmp_path) as journal:
        assert journal.records(Sandbox) == [SANDBOX]
        assert journal.records(Container) == [CONTAINER]
        assert journal.records(Image) == [IMAGE]
        assert journal.setting("podCIDR") == "10.0.0.0/8"
        assert journal.setting("other") is None


def test_a_change_keeps_the_order_of_records(journal: Journal) -> None:
    names = [f"sha256:{n}" for n in range(5)]
    for name in names:
        journal.write(Change(saved=(Image(id=name, size_bytes=1),)))
    journal.write(Change(saved=(Image(id=names[1], size_bytes=2),)))

    assert [(image.id, image.size_bytes) for image in journal.records(Image)] == [
        (name, 2 if name == names[1] else 1) for name in names
    ]


def test_what_was_removed_stays_away(journal: Journal) -> None:
    journal.write(Change(saved=(SANDBOX,)))
    journal.write(Change(removed=(SANDBOX,)))

    assert journal.records(Sandbox) == []


def test_two_stubs_never_share_a_directory(tmp_path: Path) -> None:
    with open_journal(tmp_path), pytest.raises(JournalError, match="another runtime-stub"), open_journal(tmp_path):
        pass


def test_a_file_of_another_version_is_left_alone(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    with pytest.raises(JournalError, match="another version"), open_journal(tmp_path):
        pass


def test_a_file_that_is_no_state_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"something else entirely" * 100)

    with pytest.raises(JournalError, match="not a state file"), open_journal(tmp_path):
        pass
    assert (tmp_path / FILE_NAME).read_bytes().startswith(b"something else")


def test_a_directory_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be used"), open_journal(tmp_path / "nosuch"):
        pass


IDS = st.sampled_from([f"sha256:{number}" for number in range(4)])
IMAGES = st.builds(Image, id=IDS, size_bytes=st.integers(1, 100), tags=st.tuples(st.text(max_size=300)))
SANDBOXES = st.builds(replace, st.just(SANDBOX), id=IDS, pid=st.integers(1, 100))
RECORDS = st.one_of(IMAGES, SANDBOXES)
CHANGES = st.lists(
    st.builds(Change, saved=st.lists(RECORDS, max_size=3).map(tuple), removed=st.lists(RECORDS, max_size=2).map(tuple)),
    min_size=1,
    max_size=8,
)


def state_of(journal: Journal) -> tuple[set[Sandbox], set[Image]]:
    return as_set(journal.records(Sandbox)), as_set(journal.records(Image))


def as_set(records: list[Any]) -> Any:
    return {repr(record) for record in records}


@given(changes=CHANGES, data=st.data())
def test_a_file_that_was_cut_off_anywhere_holds_whole_changes_up_to_there(changes: list[Change], data: Any) -> None:
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        with open_journal(Path(first)) as journal:
            states = [state_of(journal)]
            for change in changes:
                journal.write(change)
                states.append(state_of(journal))
            for path in Path(first).iterdir():  # as kill -9 would leave it: open, never closed
                (Path(second) / path.name).write_bytes(path.read_bytes())
        log = Path(second) / f"{FILE_NAME}-wal"
        content = log.read_bytes()
        length = data.draw(st.integers(0, len(content)), label="bytes left")
        log.write_bytes(content[:length])

        with open_journal(Path(second)) as journal:
            found = state_of(journal)

    assert found in states
    assert length < len(content) or found == states[-1], "nothing that was written is lost"
