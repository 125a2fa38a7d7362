"""A headless Chromium for tests of the page and for its screenshots, the one the machine has."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 120_000
"""As in tests/lab.py: two cores may have much else to do."""
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Return the browser's path; without one skip, but never in CI, where it would pass unseen."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None and os.environ.get("CI"):
        pytest.fail("no chromium: `apt-get install chromium`; CI must not skip what only a browser can see")
    if found is None:
        pytest.skip("no chromium here: `apt-get install chromium`")
    return found


@contextmanager
def browser() -> Iterator[Browser]:
    """Run a browser for the length of the block."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS, timeout=PATIENCE_MS)
        try:
            yield running
        finally:
            running.close()


@contextmanager
def opened(running: Browser, url: str) -> Iterator[Page]:
    """Open a page that must not log an error, throw, or ask anybody but its own origin."""
    page = running.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    origin = "/".join(url.split("/")[:3])
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: None if request.url.startswith(f"{origin}/") else faults.append(request.url))
    try:
        page.goto(url)
        yield page
        assert faults == []
    finally:
        page.close()
