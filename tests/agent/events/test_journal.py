"""The journal: one event a line as the API server would have it, bounded, and never in the way."""

import json
from pathlib import Path

import pytest

from kubeletsim.agent.events.correlator import CountedEvent
from kubeletsim.agent.events.journal import EventJournal
from kubeletsim.model.events import Event, ObjectReference


def counted(message: str = "it failed", *, count: int = 1, kind: str = "Pod") -> CountedEvent:
    about = ObjectReference(kind=kind, name="web", namespace="default", uid="u1", field_path="spec.containers{app}")
    made = Event(regarding=about, type="Warning", reason="Failed", message=message)
    return CountedEvent(event=made, name="web.17", first_at=1_700_000_000.7, last_at=1_700_000_060.2, count=count)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_is_an_event_of_v1(tmp_path: Path) -> None:
    path = tmp_path / "root" / "events.jsonl"

    EventJournal(path, node_name="vm").write(counted(count=3))

    assert lines(path) == [
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "web.17", "namespace": "default"},
            "involvedObject": {
                "kind": "Pod",
                "namespace": "default",
                "name": "web",
                "uid": "u1",
                "apiVersion": "v1",
                "fieldPath": "spec.containers{app}",
            },
            "reason": "Failed",
            "message": "it failed",
            "source": {"component": "kubelet", "host": "vm"},
            "firstTimestamp": "2023-11-14T22:13:20Z",
            "lastTimestamp": "2023-11-14T22:14:20Z",
            "count": 3,
            "type": "Warning",
            "reportingComponent": "kubelet",
            "reportingInstance": "vm",
        }
    ]


def test_a_message_of_several_lines_stays_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    journal = EventJournal(path, node_name="vm")

    journal.write(counted("first\nsecond\u2028third"))
    journal.write(counted("last"))

    written = path.read_text().split("\n")
    assert [json.loads(line)["message"] for line in written if line] == ["first\nsecond\u2028third", "last"]


def test_a_full_file_is_kept_once_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    journal = EventJournal(path, node_name="vm", max_bytes=2000)

    for number in range(50):
        journal.write(counted(f"message {number}"))

    assert sorted(file.name for file in tmp_path.iterdir()) == ["events.jsonl", "events.jsonl.1"]
    assert all(file.stat().st_size <= 2000 for file in tmp_path.iterdir())
    assert lines(path)[-1]["message"] == "message 49"


def test_a_file_that_cannot_be_written_is_complained_about_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "events.jsonl"
    path.mkdir()
    journal = EventJournal(path, node_name="vm")

    journal.write(counted())
    journal.write(counted())

    (complaint,) = caplog.messages
    assert str(path) in complaint
