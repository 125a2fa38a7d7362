"""The critical path: what of a trace one would have to make faster for the whole to end sooner.

Walked backwards from the end: whichever child ended last before the point reached was being waited for, and before it
began, whichever ended last before that. What no child explains is the span's own. Children that stick out of their
parent (clocks differ, or work goes on in the background) count for as much as lies within it; children that were still
running beside a later one are not on the path. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from kubeletsim.traces.span import Span
from kubeletsim.traces.tree import Node, extent


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time during which one span, and none of its children, held everything up."""

    span: Span
    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        """Return its length."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class CriticalPath:
    """The path; its segments follow one another in time and do not overlap."""

    segments: Sequence[Segment]
    span_ids: frozenset[str]
    """The spans on the path, with every span above a segment's own."""


def critical_path(forest: Sequence[Node]) -> CriticalPath:
    """Return the critical path of a trace; several roots are treated as children of one span around them."""
    whole = extent(forest)
    segments: list[Segment] = []
    span_ids: set[str] = set()
    stack = _waited_for(forest, whole.start_ns, whole.end_ns)
    while stack:
        node, start_ns, end_ns = stack.pop()
        span_ids.add(node.span.span_id)
        below = _waited_for(node.children, start_ns, end_ns)
        reached_ns = end_ns
        for _, child_start_ns, child_end_ns in below:
            if child_end_ns < reached_ns:
                segments.append(Segment(node.span, child_end_ns, reached_ns))
            reached_ns = child_start_ns
        if start_ns < reached_ns:
            segments.append(Segment(node.span, start_ns, reached_ns))
        stack += below
    return CriticalPath(sorted(segments, key=lambda segment: segment.start_ns), frozenset(span_ids))


def _waited_for(siblings: Sequence[Node], start_ns: int, end_ns: int) -> list[tuple[Node, int, int]]:
    """Return the nodes that were waited for between two times, the last first, each cut to that time."""
    clipped = [(node, max(node.span.start_ns, start_ns), min(node.span.end_ns, end_ns)) for node in siblings]
    chosen: list[tuple[Node, int, int]] = []
    reached_ns = end_ns
    for one in sorted(clipped, key=lambda one: one[2], reverse=True):
        if one[1] < one[2] <= reached_ns:
            chosen.append(one)
            reached_ns = one[1]
    return chosen
