"""Pods of other shapes than the recorded ones lead to the calls that the rules ask for, in real processes, too.

All live side by side on one node. Syncs that find nothing to do, or only that a backoff is not over, are left out: how
many of them come depends on what relists see of dozens of containers that start at once, and tests/pods/test_shapes.py
counts them in simulated time.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.lab import Lab, Span, running
from tests.recordings import observed_pod_roots
from tests.shapes import IDLE_SYNC, IMAGE, Shape, aligned, load, root_line

SHAPES = [shape for shape in load() if not shape.simulated_only]


def lines_of(spans: list[Span], shape: Shape) -> list[str]:
    """Return the root spans of a shape's pod that did something."""
    every = [
        root_line(
            root.name,
            update_type=dict(root.attributes).get("k8s.pod.update_type", ""),
            error=root.error,
            calls=[(call.name, call.error is not None) for call in root.children],
        )
        for root in observed_pod_roots(spans, f"{shape.name}-vm")
    ]
    return without_idle_syncs(every)


def without_idle_syncs(lines: Sequence[str]) -> list[str]:
    """Leave out syncs that did nothing, and those that failed again as the one before."""
    busy = [line for line in lines if line != IDLE_SYNC]
    return [line for line, before in zip(busy, ["", *busy], strict=False) if line != before]


@pytest.fixture(scope="module")
def observed() -> Iterator[dict[str, list[str]]]:
    """What became of each shape's pod, whose manifest is taken away when it has come far enough."""
    with tempfile.TemporaryDirectory(prefix="ks-") as directory, running(Lab(Path(directory))) as lab:
        lab.start_collector()
        lab.start_stub()
        lab.pull(IMAGE)
        lab.start_kubelet()
        for shape in SHAPES:
            lab.apply(shape.pod)
        waiting = list(SHAPES)

        def remove_what_is_complete() -> bool:
            spans = lab.spans()
            for shape in list(waiting):
                if len(lines_of(spans, shape)) >= len(without_idle_syncs(shape.before_removal)):
                    lab.delete(shape.name)
                    waiting.remove(shape)
            return not waiting

        lab.wait(remove_what_is_complete, what=f"{[shape.name for shape in waiting]}", seconds=60, pause_seconds=1)

        def all_have_ended() -> bool:
            spans = lab.spans()
            return all(not shape.tree or lines_of(spans, shape)[-1:] == ["terminated:"] for shape in SHAPES)

        lab.wait(all_have_ended, what="the pods' ends", pause_seconds=1)
        spans = lab.spans()
        yield {shape.name: lines_of(spans, shape) for shape in SHAPES}


@pytest.mark.parametrize("shape", [pytest.param(shape, id=shape.name) for shape in SHAPES])
def test_a_pod_leads_to_the_calls_of_its_shape(observed: dict[str, list[str]], shape: Shape) -> None:
    expected = without_idle_syncs(shape.tree)
    assert aligned(observed[shape.name], expected) == expected, shape.claim
