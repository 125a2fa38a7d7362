"""End-to-end tests run real processes; each test gets a laboratory of its own."""

import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.lab import Lab, living_labs, running

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lives in this folder, and keep it on one worker: two cores do not hold two laboratories."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a failure show what the processes printed: whatever is wrong, they were there."""
    report = yield
    if report.failed and item.path.is_relative_to(HERE):
        report.sections += [(f"programs in {one.root}", one.logs()) for one in living_labs()]
    return report


@pytest.fixture
def lab() -> Iterator[Lab]:
    """A directory with a short path, since unix sockets allow 107 bytes, and whatever a test starts in it."""
    with tempfile.TemporaryDirectory(prefix="ks-") as directory, running(Lab(Path(directory))) as lab:
        yield lab
