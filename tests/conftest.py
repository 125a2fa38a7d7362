"""What every test shares: one event loop of the main thread that is closed in the end."""

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _main_thread_loop() -> Iterator[None]:
    """Own the loop that pytest-asyncio otherwise makes on Python 3.11 and leaves open, which warns at exit."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()
