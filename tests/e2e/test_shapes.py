"""Pods of other shapes than the recorded ones lead to the calls that the rules ask for, in real processes, too."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, running
from tests.shape_lab import Lines, live, without_idle_syncs
from tests.shapes import IMAGE, Shape, aligned, load

SHAPES = [shape for shape in load() if not shape.simulated_only]


@pytest.fixture(scope="module")
def observed() -> Iterator[Lines]:
    """What becomes of each shape's pod."""
    with tempfile.TemporaryDirectory(prefix="ks-") as directory, running(Lab(Path(directory))) as lab:
        lab.start_collector()
        lab.start_stub()
        lab.pull(IMAGE)
        lab.start_kubelet()
        yield live(lab, SHAPES)


@pytest.mark.parametrize("shape", [pytest.param(shape, id=shape.name) for shape in SHAPES])
def test_a_pod_leads_to_the_calls_of_its_shape(observed: Lines, shape: Shape) -> None:
    expected = without_idle_syncs(shape.tree)
    assert aligned(observed[shape.name], expected) == expected, shape.claim
