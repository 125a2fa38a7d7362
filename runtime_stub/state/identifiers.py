"""This module is the lookup of a record by its id or by any unique beginning of it.

Ids have 64 hex digits. Callers of CRI pass whole ids, people at crictl pass short ones. A whole id costs one dictionary
access; only an unknown or a short one is searched for, by bisection. Upstream: containerd's internal/truncindex.
"""

from bisect import bisect_left, insort
from typing import Generic, TypeVar

from runtime_stub.state.refusals import NOT_FOUND

T = TypeVar("T")


class LookupFailure(Exception):  # becomes a Refusal where the call is known
    """Nothing or too much was found; the text is containerd's."""


class Shelf(Generic[T]):
    """Records by id, in order of insertion."""

    def __init__(self) -> None:
        self._records: dict[str, T] = {}
        self._sorted: list[str] = []

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, id_: str) -> bool:
        return id_ in self._records

    def __getitem__(self, id_: str) -> T:
        return self._records[id_]

    def __setitem__(self, id_: str, record: T) -> None:
        if id_ not in self._records:
            insort(self._sorted, id_)
        self._records[id_] = record

    def __delitem__(self, id_: str) -> None:
        del self._records[id_]
        del self._sorted[bisect_left(self._sorted, id_)]

    def get(self, id_: str) -> T | None:
        """Return the record of a whole id, or None."""
        return self._records.get(id_)

    def values(self) -> list[T]:
        """Return every record, oldest first."""
        return list(self._records.values())

    def resolve(self, prefix: str) -> T:
        """Return the one record whose id begins so.

        Raises:
            LookupFailure: the prefix is empty, matches nothing, or matches more than one.
        """
        if (record := self._records.get(prefix)) is not None:
            return record
        if not prefix:
            raise LookupFailure("prefix can't be empty")
        start = bisect_left(self._sorted, prefix)
        matches = [id_ for id_ in self._sorted[start : start + 2] if id_.startswith(prefix)]
        if not matches:
            raise LookupFailure(NOT_FOUND)
        if len(matches) > 1:
            raise LookupFailure(f"Multiple IDs found with provided prefix: {prefix}")
        return self._records[matches[0]]
