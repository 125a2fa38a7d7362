"""The difference of two traces: what is new, missing, in another place, in another time, with another outcome.

Children of matched spans are matched by name, the first of a name with the first, the second with the second. Matched
children that do not keep the order of most others have moved. Services are not compared, so that a kubelet on one
runtime can be held against a kubelet on another. Nothing here is recursive. Pure.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kubeletsim.traces.span import Span
from kubeletsim.traces.tree import Node


class Change(StrEnum):
    """What became of a span's place in the tree."""

    SAME = "same"
    ADDED = "added"
    MISSING = "missing"
    MOVED = "moved"


class Pace(StrEnum):
    """What became of a span's duration."""

    SAME = "same"
    SLOWER = "slower"
    FASTER = "faster"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much a duration may differ and still count as the same: both limits must be passed to matter."""

    ratio: float = 1.5
    """Of the longer to the shorter."""
    difference_ns: int = 1_000_000


@dataclass(frozen=True, slots=True)
class DiffEntry:
    """One line: a span of one trace or of both; `before` is None for an added span, `after` for a missing one."""

    depth: int
    change: Change
    pace: Pace
    before: Span | None
    after: Span | None

    @property
    def name(self) -> str:
        """Return the span's name."""
        span = self.after or self.before
        return span.name if span else ""

    @property
    def outcome_changed(self) -> bool:
        """Tell whether the span failed in one trace and not in the other."""
        return self.before is not None and self.after is not None and self.before.error != self.after.error


@dataclass(frozen=True, slots=True)
class TraceDiff:
    """All spans of both traces, in the order they are drawn: parents before children, with their depth."""

    entries: Sequence[DiffEntry]

    @property
    def same_structure(self) -> bool:
        """Tell whether both have the same spans in the same places with the same outcomes, whatever their durations."""
        return not self.structural_changes

    @property
    def structural_changes(self) -> int:
        """Return how many spans were added, went missing, moved, or ended otherwise."""
        return sum(entry.change is not Change.SAME or entry.outcome_changed for entry in self.entries)


def diff_traces(before: Sequence[Node], after: Sequence[Node], *, tolerance: Tolerance | None = None) -> TraceDiff:
    """Compare two forests as `build_forest` makes them."""
    return TraceDiff(list(_entries(before, after, tolerance or Tolerance())))


def with_parents(entries: Sequence[DiffEntry]) -> Iterator[DiffEntry]:
    """Yield the entries that changed, each after those above it, in order."""
    above: list[DiffEntry] = []
    told = 0
    for entry in entries:
        del above[entry.depth :]
        told = min(told, len(above))
        above.append(entry)
        if entry.change is not Change.SAME or entry.pace is not Pace.SAME or entry.outcome_changed:
            yield from above[told:]
            told = len(above)


def _entries(before: Sequence[Node], after: Sequence[Node], tolerance: Tolerance) -> Iterator[DiffEntry]:
    stack = [(0, *pair) for pair in reversed(_paired(before, after))]
    while stack:
        depth, change, one, other = stack.pop()
        pace = pace_of(one.span.duration_ns, other.span.duration_ns, tolerance) if one and other else Pace.SAME
        yield DiffEntry(depth, change, pace, one.span if one else None, other.span if other else None)
        below = _paired(one.children if one else (), other.children if other else ())
        stack += [(depth + 1, *pair) for pair in reversed(below)]


def _paired(before: Sequence[Node], after: Sequence[Node]) -> list[tuple[Change, Node | None, Node | None]]:
    """Return the pairs of two lists of siblings in the order of `after`, what is missing where it used to be."""
    positions: dict[str, deque[int]] = {}
    for number, node in enumerate(before):
        positions.setdefault(node.span.name, deque()).append(number)
    partners: list[int | None] = [
        queue.popleft() if (queue := positions.get(node.span.name)) else None for node in after
    ]
    kept = _longest_increasing([partner for partner in partners if partner is not None])
    missing = deque(sorted(number for queue in positions.values() for number in queue))
    pairs: list[tuple[Change, Node | None, Node | None]] = []
    for partner, node in zip(partners, after, strict=True):
        if partner is None:
            pairs.append((Change.ADDED, None, node))
            continue
        if partner in kept:
            while missing and missing[0] < partner:
                pairs.append((Change.MISSING, before[missing.popleft()], None))
        pairs.append((Change.SAME if partner in kept else Change.MOVED, before[partner], node))
    return pairs + [(Change.MISSING, before[number], None) for number in missing]


def _longest_increasing(numbers: Sequence[int]) -> set[int]:
    """Return the members of a longest increasing subsequence of different numbers (patience sorting)."""
    tops: list[int] = []
    previous: dict[int, int | None] = {}
    for number in numbers:
        at = bisect_left(tops, number)
        previous[number] = tops[at - 1] if at else None
        tops[at : at + 1] = [number]
    members: set[int] = set()
    member = tops[-1] if tops else None
    while member is not None:
        members.add(member)
        member = previous[member]
    return members


def pace_of(before_ns: int, after_ns: int, tolerance: Tolerance) -> Pace:
    """Tell what became of a duration."""
    longer, shorter = max(before_ns, after_ns), min(before_ns, after_ns)
    if longer - shorter < tolerance.difference_ns or longer < shorter * tolerance.ratio:
        return Pace.SAME
    return Pace.SLOWER if after_ns > before_ns else Pace.FASTER
