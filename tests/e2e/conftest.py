"""End-to-end tests run real processes; each test gets a laboratory of its own, those of a module share a browser."""

import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser import browser
from tests.fakes.authority import Authority
from tests.lab import Lab, living_labs, running

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what lives in this folder."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a failure show what the processes printed: whatever is wrong, they were there."""
    report = yield
    if report.failed and item.path.is_relative_to(HERE):
        report.sections += [(f"programs in {one.root}", one.logs()) for one in living_labs()]
    return report


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """A browser: each page that is opened in it is a visitor of its own, without a past."""
    with browser() as running:
        yield running


@pytest.fixture(scope="session")
def certificate() -> bytes:
    """A key and a certificate for the nodes of all tests; recordings, shapes and the demo have nodes make their own."""
    return b"".join(Authority.make().issue("localhost"))


@pytest.fixture
def lab(certificate: bytes) -> Iterator[Lab]:
    """A directory with a short path, since unix sockets allow 107 bytes, and whatever a test starts in it."""
    with (
        tempfile.TemporaryDirectory(prefix="ks-") as directory,
        running(Lab(Path(directory), certificate=certificate)) as lab,
    ):
        yield lab
