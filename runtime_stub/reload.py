"""This module is the reload: the configuration file is watched, and its rules and latencies count when it is saved.

A file that has become wrong is refused, in one line for all that is wrong with it, and what was in force stays so. The
directory is watched rather than the file, as editors and Kubernetes replace files by renaming; SIGHUP looks at once.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from runtime_stub.settings import Settings, SettingsError

log = logging.getLogger(__name__)

LIVE = ("rules", "latencies")
"""The fields that count at once."""

_QUIET_MS, _BATCH_MS = 100, 400
"""How long changes gather before they are looked at, once there is one."""


class Reload:
    """Reads the file again when it has changed.

    Args:
        path: the file.
        read: returns its settings with the flags on top.
        settings: what it was when the stub began.
    """

    def __init__(self, path: Path, read: Callable[[], Settings], settings: Settings) -> None:
        self._path = path
        self._read = read
        self._settings = settings
        self._content = _content(path)

    async def run(self, take_over: Callable[[Settings], None]) -> None:
        """Hand on the settings of each new version of the file; never returns."""
        changed = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, changed.set)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(changed), name="runtime-stub/reload/watch")
            while True:
                await changed.wait()
                changed.clear()
                content = _content(self._path)
                if content != self._content:
                    self._content = content
                    self.reload(take_over)

    def reload(self, take_over: Callable[[Settings], None]) -> None:
        """Read the file, and hand its settings on unless they are wrong."""
        try:
            settings = self._read()
        except SettingsError as error:
            faults = "; ".join(str(error).splitlines())
            log.error("configuration not reloaded, the old one stays in force: %s", faults)  # noqa: TRY400  # one line
            return
        take_over(settings)
        later = [
            one.name
            for one in fields(Settings)
            if one.compare and one.name not in LIVE and getattr(settings, one.name) != getattr(self._settings, one.name)
        ]
        log.info("configuration reloaded: %d rules, %d latencies", len(settings.rules), len(settings.latencies))
        if later:
            log.warning("changed as well, but only at the next start: %s", ", ".join(later))

    async def _watch(self, changed: asyncio.Event) -> None:
        import watchfiles  # only a stub with a file needs the watcher and its megabytes

        changes = watchfiles.awatch(
            self._path.parent, recursive=False, watch_filter=None, step=_QUIET_MS, debounce=_BATCH_MS
        )
        async with contextlib.aclosing(changes):
            async for _ in changes:
                changed.set()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
