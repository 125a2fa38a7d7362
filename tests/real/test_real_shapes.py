"""On a real runtime pods of other shapes than the recorded ones lead to the same calls as on the stub."""

import pytest

from tests.real.conftest import RealLab
from tests.shape_lab import Lines, live, without_idle_syncs
from tests.shapes import Shape, aligned, load

SHAPES = [shape for shape in load() if not shape.simulated_only and not shape.pulls]


@pytest.fixture(scope="module")
def observed(real_lab: RealLab) -> Lines:
    """What becomes of each shape's pod."""
    return live(real_lab, SHAPES)


@pytest.mark.parametrize("shape", [pytest.param(shape, id=shape.name) for shape in SHAPES])
def test_a_pod_leads_to_the_calls_of_its_shape(observed: Lines, shape: Shape) -> None:
    expected = without_idle_syncs(shape.tree)
    assert aligned(observed[shape.name], expected) == expected, shape.claim
