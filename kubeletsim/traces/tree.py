"""The forest: the spans of a trace under their parents, whatever the parent pointers say.

Every span given appears exactly once. A span whose parent is not there becomes a root of its own (an orphan). A
cycle is cut at its earliest span. Of spans that share an id, the first to start takes the children. Clocks that
disagree never give a negative time. Nothing here is recursive, so a chain of a hundred thousand spans is a tree
like any other. Pure.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeAlias

from kubeletsim.traces.span import Span


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A span and what hangs under it, in the order of start times."""

    span: Span
    children: Sequence["Node"]
    self_ns: int
    """The part of the span's duration that no child covers."""
    orphan: bool = False
    """It names a parent that has not arrived, or belonged to a cycle."""
    shape: int = 0
    """Equal within one forest for subtrees with the same services, names and errors in the same order."""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Several neighbours of the same shape, without errors, told as one."""

    nodes: Sequence[Node]


@dataclass(frozen=True, slots=True)
class Extent:
    """The time from the first start to the last end."""

    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        """Return its length; 0 for no spans."""
        return max(0, self.end_ns - self.start_ns)


_Shape: TypeAlias = tuple[str, str, bool, tuple[int, ...]]
_ORDER = attrgetter("start_ns", "end_ns", "span_id", "name")


def build_forest(spans: Iterable[Span]) -> list[Node]:
    """Arrange spans into trees; roots and siblings by start time."""
    ordered = sorted(spans, key=_ORDER)
    parents = _parents(ordered)
    children: list[list[int]] = [[] for _ in ordered]
    roots: list[int] = []
    for number, parent in enumerate(parents):
        (roots if parent is None else children[parent]).append(number)
    nodes: dict[int, Node] = {}
    shapes: dict[_Shape, int] = {}
    for number in _children_first(roots, children):
        span = ordered[number]
        below = [nodes.pop(child) for child in children[number]]
        shape = (span.service, span.name, span.error, tuple([child.shape for child in below]) if below else ())
        nodes[number] = Node(
            span=span,
            children=below,
            self_ns=_self_time_ns(span, [child.span for child in below]) if below else span.duration_ns,
            orphan=parents[number] is None and bool(span.parent_span_id),
            shape=shapes.setdefault(shape, len(shapes)),
        )
    return [nodes[number] for number in roots]


def walk(forest: Iterable[Node]) -> Iterator[Node]:
    """Yield every node, parents before their children, in the order they are drawn."""
    stack = list(reversed(list(forest)))
    while stack:
        node = stack.pop()
        yield node
        stack.extend(reversed(node.children))


def extent(forest: Iterable[Node]) -> Extent:
    """Return the time that all spans of a forest cover."""
    spans = [node.span for node in walk(forest)]
    if not spans:
        return Extent(0, 0)
    start_ns = min(span.start_ns for span in spans)
    return Extent(start_ns, max(start_ns, *(span.end_ns for span in spans)))


def folded(siblings: Sequence[Node], *, at_least: int) -> list[Node | Fold]:
    """Put runs of at least `at_least` neighbours of one shape together; what holds an error stays on its own."""
    result: list[Node | Fold] = []
    begin = 0
    for position in range(1, len(siblings) + 1):
        if position < len(siblings) and siblings[position].shape == siblings[begin].shape:
            continue
        run = siblings[begin:position]
        if len(run) >= at_least and not any(node.span.error for node in walk(run[:1])):
            result.append(Fold(run))
        else:
            result.extend(run)
        begin = position
    return result


def _parents(spans: Sequence[Span]) -> list[int | None]:
    """Return the position of each span's parent; None for roots, orphans, and where a cycle is cut."""
    first: dict[str, int] = {}
    for number, span in enumerate(spans):
        first.setdefault(span.span_id, number)
    parents: list[int | None] = [first.get(span.parent_span_id) if span.parent_span_id else None for span in spans]
    if all(parent is None or parent < number for number, parent in enumerate(parents)):
        return parents  # never forward in time: there is no way back, hence no cycle
    rooted = [False] * len(spans)
    for number in range(len(spans)):
        path: list[int] = []
        on_path: set[int] = set()
        at: int | None = number
        while at is not None and not rooted[at] and at not in on_path:
            path.append(at)
            on_path.add(at)
            at = parents[at]
        if at is not None and not rooted[at]:  # came back to where it has been: a cycle from `at` on
            parents[min(path[path.index(at) :])] = None  # positions are in the order of start times
        for passed in path:
            rooted[passed] = True
    return parents


def _children_first(roots: Sequence[int], children: Sequence[Sequence[int]]) -> list[int]:
    order: list[int] = []
    stack = list(roots)
    while stack:
        number = stack.pop()
        order.append(number)
        stack.extend(children[number])
    return order[::-1]


def _self_time_ns(span: Span, children: Sequence[Span]) -> int:
    """Return the span's duration minus the union of its children's times within it."""
    covered_ns = 0
    reached_ns = span.start_ns
    for child in children:  # in the order of start times
        start_ns, end_ns = max(child.start_ns, reached_ns), min(child.end_ns, span.end_ns)
        if end_ns > start_ns:
            covered_ns += end_ns - start_ns
            reached_ns = end_ns
    return span.duration_ns - covered_ns
