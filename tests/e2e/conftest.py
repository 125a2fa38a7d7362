"""End-to-end tests run real processes; each test gets a laboratory of its own."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, running

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lives in this folder, and keep it on one worker: two cores do not hold two laboratories."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A directory with a short path, since unix sockets allow 107 bytes, and whatever a test starts in it."""
    with tempfile.TemporaryDirectory(prefix="ks-") as directory, running(Lab(Path(directory))) as lab:
        yield lab
