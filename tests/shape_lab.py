"""Pods of all shapes side by side on the node of a lab, each until it has come far enough.

Syncs that find nothing to do, or only that a backoff is not over, are left out: how many of them come depends on what
relists see of dozens of containers that start at once. tests/pods/test_shapes.py counts them in simulated time.
"""

import re
from collections.abc import Sequence

from tests.lab import Lab, Span
from tests.recordings import observed_pod_roots
from tests.shapes import IDLE_SYNC, Shape, root_line

CUT_SHORT = re.compile(r"^sync(?: \(\w+\))?:(?! Version)")
"""The sync of a pod whose manifest was taken away just before: it no longer looks at the Node, and does all else."""

Lines = dict[str, list[str]]
"""The root spans of each shape's pod that did something."""


def live(lab: Lab, shapes: Sequence[Shape]) -> Lines:
    """Have the pods live and end; return what was seen of each, by the shape's name."""
    for shape in shapes:
        lab.apply(shape.pod)
    waiting = list(shapes)

    def remove_what_is_complete() -> bool:
        spans = lab.spans()
        for shape in list(waiting):
            if _has_come_far_enough(_lines_of(spans, shape), without_idle_syncs(shape.before_removal)):
                lab.delete(shape.name)
                waiting.remove(shape)
        return not waiting

    lab.wait(remove_what_is_complete, what="the pods' lives", pause_seconds=1)

    def all_have_ended() -> bool:
        spans = lab.spans()
        return all(not shape.tree or _lines_of(spans, shape)[-1:] == ["terminated:"] for shape in shapes)

    lab.wait(all_have_ended, what="the pods' ends", pause_seconds=1)
    spans = lab.spans()
    return {shape.name: _lines_of(spans, shape) for shape in shapes}


def _has_come_far_enough(lines: Sequence[str], expected: Sequence[str]) -> bool:
    """Whether there are as many root spans as expected, with the calls that may come at any time, like a probe's."""
    pairs = zip(lines, expected, strict=False)
    awaited = ((line, word.rstrip("*!")) for line, pattern in pairs for word in pattern.split() if word.endswith("*"))
    return len(lines) >= len(expected) and all(word in line for line, word in awaited)


def without_idle_syncs(lines: Sequence[str]) -> list[str]:
    """Leave out syncs that did nothing, and those that failed again as the one before."""
    busy = [line for line in lines if line != IDLE_SYNC]
    return [line for line, before in zip(busy, ["", *busy], strict=False) if line != before]


def _lines_of(spans: list[Span], shape: Shape) -> list[str]:
    every = [
        root_line(
            root.name,
            update_type=dict(root.attributes).get("k8s.pod.update_type", ""),
            error=root.error,
            calls=[(call.name, call.error is not None) for call in root.children if call.side == "kubelet"],
        )
        for root in observed_pod_roots(spans, f"{shape.name}-vm")
    ]
    if shape.removed_after_seconds is not None:
        every = [CUT_SHORT.sub(r"\g<0> Version", line) for line in every]
    return without_idle_syncs(every)
