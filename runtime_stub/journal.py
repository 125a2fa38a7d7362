"""This module is the state on disk: every record, written down before the call that changed it is answered.

SQLite's write-ahead log makes each change whole or absent, so kill -9 at any point leaves what was answered. Nothing is
forced to the platter: after a power failure real containers would be gone as well. The file is locked while it is open,
so two stubs never share one root directory.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from enum import IntEnum
from pathlib import Path
from typing import Any, TypeVar

from runtime_stub.state.records import Change, Container, ContainerState, Image, Record, Sandbox, SandboxState

FILE_NAME = "state.db"
SCHEMA_VERSION = 3

R = TypeVar("R", Sandbox, Container, Image)

_TABLES: dict[type[Record], str] = {Sandbox: "sandboxes", Container: "containers", Image: "images"}
_DECODERS: dict[tuple[type[Record], str], Any] = {
    (Sandbox, "state"): SandboxState,
    (Sandbox, "ips"): lambda text: tuple(json.loads(text)),
    (Container, "state"): ContainerState,
    (Container, "groups"): lambda text: tuple(json.loads(text)),
    (Image, "tags"): lambda text: tuple(json.loads(text)),
    (Image, "digests"): lambda text: tuple(json.loads(text)),
    (Image, "pinned"): bool,
}


class JournalError(Exception):
    """The state file cannot be used; the message says which file and why."""


class Journal:
    """The open state file. Every method is quick enough to be called from an event loop."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def write(self, change: Change) -> None:
        """Write a change down, whole or not at all."""
        if not change.saved and not change.removed:
            return
        with self._connection:
            for record in change.saved:
                self._connection.execute(_UPSERTS[type(record)], _row(record))
            for record in change.removed:
                self._connection.execute(f"DELETE FROM {_TABLES[type(record)]} WHERE id = ?", (record.id,))  # noqa: S608

    def records(self, type_: type[R]) -> list[R]:
        """Return every record of a type, in the order in which they were first written."""
        names = [one.name for one in fields(type_)]
        rows = self._connection.execute(f"SELECT {', '.join(names)} FROM {_TABLES[type_]} ORDER BY rowid")  # noqa: S608
        decoders = [_DECODERS.get((type_, name)) for name in names]
        return [type_(**{n: d(v) if d else v for n, d, v in zip(names, decoders, row, strict=True)}) for row in rows]

    def setting(self, name: str) -> str | None:
        """Return a setting that a caller changed at run time, or None."""
        row = self._connection.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def change_setting(self, name: str, value: str) -> None:
        """Write a setting down."""
        with self._connection:
            self._connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))


@contextmanager
def open_journal(root_dir: Path) -> Iterator[Journal]:
    """Open or make the state file of a root directory.

    Raises:
        JournalError: another stub uses it, it is of another version, or it is no state file.
    """
    path = root_dir / FILE_NAME
    try:
        with closing(sqlite3.connect(path, timeout=0, check_same_thread=False)) as connection:
            _prepare(connection, path)
            yield Journal(connection)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise JournalError(f"{path}: another runtime-stub uses this root directory") from error
        raise JournalError(f"{path}: cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise JournalError(
            f"{path}: not a state file of runtime-stub: {error}; move it away to start afresh"
        ) from error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN EXCLUSIVE")  # take the lock now rather than at the first change
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, SCHEMA_VERSION):
        raise JournalError(
            f"{path}: written by another version (state format {version}, this program has {SCHEMA_VERSION}); "
            "move it away to start afresh"
        )
    for type_, table in _TABLES.items():
        columns = ", ".join(one.name + (" PRIMARY KEY" if one.name == "id" else "") for one in fields(type_))
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({columns})")
    connection.execute("CREATE TABLE IF NOT EXISTS settings (name PRIMARY KEY, value)")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.commit()


def _upsert(type_: type[Record]) -> str:
    names = [one.name for one in fields(type_)]
    updates = ", ".join(f"{name} = excluded.{name}" for name in names if name != "id")
    marks = ", ".join("?" * len(names))
    return (
        f"INSERT INTO {_TABLES[type_]} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {updates}"  # noqa: S608
    )


_UPSERTS = {type_: _upsert(type_) for type_ in _TABLES}
"""Unlike INSERT OR REPLACE these keep a row's number, hence the order of records."""


def _row(record: Record) -> list[object]:
    return [_column(getattr(record, one.name)) for one in fields(record)]


def _column(value: object) -> object:
    match value:
        case tuple():
            return json.dumps(value)
        case IntEnum():
            return int(value)
        case _:
            return value
