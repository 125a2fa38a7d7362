"""A node with the test image on a fake runtime, for every test of this folder that wants one."""

from pathlib import Path

import pytest

from tests.fakes.pods import IMAGE
from tests.fakes.runtime import FakeRuntime
from tests.pods.node import Node


@pytest.fixture
def runtime() -> FakeRuntime:
    """A runtime that has the image of the test pods."""
    made = FakeRuntime()
    made.add_image(IMAGE)
    return made


@pytest.fixture
def node(tmp_path: Path, runtime: FakeRuntime) -> Node:
    """A node on that runtime, not running yet."""
    return Node(tmp_path, runtime)
