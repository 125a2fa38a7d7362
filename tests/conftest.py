"""What every test shares: a Hypothesis profile, and one event loop of the main thread that is closed in the end."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A deadline of an example measures the machine's load; what must be fast has a benchmark.
settings.register_profile("kubeletsim", deadline=None)
settings.load_profile("kubeletsim")


@pytest.fixture(scope="session", autouse=True)
def _main_thread_loop() -> Iterator[None]:
    """Own the loop that pytest-asyncio otherwise makes on Python 3.11 and leaves open, which warns at exit."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()
