"""The journal: a file with one event a line, as the API server would have got them, until there is one to send to.

Each line is an Event of API version v1. When an event happens again its line is written again with the same name and a
higher count, so the last line of a name is what counts. A full file is kept once, as `events.jsonl.1`.
"""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

from kubeletsim.agent.events.correlator import CountedEvent

log = logging.getLogger(__name__)

JOURNAL_NAME = "events.jsonl"
MAX_BYTES = 1 << 20
MODE = 0o640


class EventJournal:
    """Writes events to a file and never fails: what cannot be written is said once.

    Args:
        path: the file; its directory is made when it is missing.
        node_name: the host that each event comes from.
        max_bytes: the size at which the file is put aside and a new one begun.
    """

    def __init__(self, path: Path, *, node_name: str, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._node_name = node_name
        self._max_bytes = max_bytes
        self._complaint = ""

    def write(self, event: CountedEvent) -> None:
        """Add a line; the file is opened for each, so that it may be moved away or removed at any time."""
        line = json.dumps(event_object(event, node_name=self._node_name), ensure_ascii=False, separators=(",", ":"))
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._path.exists() and self._path.stat().st_size + len(line) > self._max_bytes:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            if not self._path.exists():
                self._path.touch(mode=MODE)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            complaint = f"{self._path}: {error.strerror or error}"
            if complaint != self._complaint:
                log.warning("Events cannot be written down: %s; they are in the log alone", complaint)
            self._complaint = complaint
        else:
            self._complaint = ""


def event_object(counted: CountedEvent, *, node_name: str) -> dict[str, object]:
    """Return an event as the API server would show it."""
    event, about = counted.event, counted.event.regarding
    involved = {
        "kind": about.kind,
        "namespace": about.namespace,
        "name": about.name,
        "uid": about.uid,
        "apiVersion": "v1",
        "fieldPath": about.field_path,
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": counted.name, "namespace": about.namespace or "default"},
        "involvedObject": {key: value for key, value in involved.items() if value},
        "reason": event.reason,
        "message": event.message,
        "source": {"component": "kubelet", "host": node_name},
        "firstTimestamp": _timestamp(counted.first_at),
        "lastTimestamp": _timestamp(counted.last_at),
        "count": counted.count,
        "type": event.type,
        "reportingComponent": "kubelet",
        "reportingInstance": node_name,
    }


def _timestamp(seconds: float) -> str:
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"
