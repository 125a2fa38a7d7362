"""The source of static pods: a directory of manifests, or a single one, listed each period and watched in between.

A listing reads every file; one that cannot be used is logged once and skipped. Between listings a change makes the
source look at once, with one difference: a file that has just become unusable keeps its last good pod until the next
listing, because a half-written file must not cost a running pod its life.
Upstream: pkg/kubelet/config/file.go, file_linux.go.
"""

import asyncio
import contextlib
import logging
import random
import stat
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

from lightkube.models.core_v1 import Pod

from kubeletsim.base.timing import Backoff, every
from kubeletsim.model.errors import ManifestError
from kubeletsim.model.pod import FILE_SOURCE
from kubeletsim.pods.sources.manifest import MAX_MANIFEST_BYTES, decode_manifest
from kubeletsim.pods.sources.merge import Publish

WATCH_RETRY_SECONDS = 1.0
WATCH_RETRY_MAX_SECONDS = 20.0
WATCH_QUIET_MS = 150
"""A batch of changes ends when nothing has changed for so long; also how often the watcher wakes to see whether to
stop, which an idle node feels."""
WATCH_BATCH_MS = 500

log = logging.getLogger(__name__)

Watch = Callable[[Path], AsyncGenerator[set[str], None]]
"""Yields the names that have changed in a directory; has begun to watch when it first waits. OSError if it cannot."""


@dataclass(frozen=True, slots=True)
class _Manifest:
    """What was made of one file."""

    content: bytes | None
    pod: Pod | None
    fault: str | None


class FileSource:
    """Hands over the static pods of a path.

    Args:
        path: a directory or a file; it may come into being later.
        node_name: this node.
        publish: takes all the pods there are, after each listing and each change.
        check_frequency_seconds: from the end of one listing to the next (`fileCheckFrequency`).
        rng: chance, for the listing loop.
        watch: how changes are noticed; other than in tests, the file system's notifications.
    """

    def __init__(
        self,
        path: Path,
        *,
        node_name: str,
        publish: Publish,
        check_frequency_seconds: float,
        rng: random.Random,
        may_reference_api: bool = False,
        watch: "Watch | None" = None,
    ) -> None:
        self._path = path
        self._node_name = node_name
        self._publish = publish
        self._check_frequency_seconds = check_frequency_seconds
        self._rng = rng
        self._may_reference_api = may_reference_api
        self._watch = watch if watch is not None else watch_directory
        self._manifests: dict[Path, _Manifest] = {}
        self._skipped: set[Path] = set()
        self._listing_fault = ""
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """List and watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            listing = every(self._check_frequency_seconds, self.refresh, name="listing static pods", rng=self._rng)
            tasks.create_task(listing, name="static pods: list")
            tasks.create_task(self._watch_forever(), name="static pods: watch")

    async def refresh(self, *, keep_last_good: bool = False) -> None:
        """Read the manifests and hand over their pods.

        Args:
            keep_last_good: whether a file that has become unusable keeps the pod it last had.
        """
        async with self._lock:
            try:
                paths = self._list()
            except OSError as error:
                self._log_listing_fault(f"cannot list static pods in {self._path}: {error.strerror}")
                return
            self._listing_fault = ""
            self._manifests = {path: known for path, known in self._manifests.items() if path in paths}
            for path in paths:
                self._load(path, keep_last_good=keep_last_good)
                await asyncio.sleep(0)  # decoding a hundred manifests must not hold up everything else
            pods = [manifest.pod for path in paths if (manifest := self._manifests.get(path)) and manifest.pod]
            await self._publish(pods)

    def _list(self) -> list[Path]:
        """Return the manifests' paths in order; none where the path does not exist."""
        try:
            if not stat.S_ISDIR(self._path.stat().st_mode):
                return [self._path]
            entries = sorted(self._path.iterdir(), key=lambda path: path.name)
        except FileNotFoundError:
            return []
        return [path for path in entries if not path.name.startswith(".") and self._is_manifest(path)]

    def _is_manifest(self, path: Path) -> bool:
        try:
            mode = path.stat().st_mode
        except OSError:
            return False  # gone since the listing, or a link to nowhere
        if stat.S_ISREG(mode):
            self._skipped.discard(path)
            return True
        if path not in self._skipped:
            self._skipped.add(path)
            what = "a directory, and directories are not searched" if stat.S_ISDIR(mode) else "no regular file"
            log.warning("Skipping static pod path %s: it is %s", path, what)
        return False

    def _load(self, path: Path, *, keep_last_good: bool) -> None:
        """Bring what is known of a file up to date; the log hears of each fault once."""
        known = self._manifests.get(path)
        manifest = self._read(path, known)
        if manifest is None:
            self._manifests.pop(path, None)
            return
        if manifest.fault is not None:
            last_good = known.pod if known is not None and keep_last_good else None
            manifest = _Manifest(manifest.content, last_good, manifest.fault)
            if known is None or known.fault != manifest.fault:
                log.error("Cannot use static pod manifest %s: %s", path, manifest.fault)
        self._manifests[path] = manifest

    def _read(self, path: Path, known: _Manifest | None) -> _Manifest | None:
        """Return what a file says now; None when it is gone."""
        content: bytes | None = None
        try:
            content = read_manifest(path)
            if known is not None and known.content == content:
                return known
            pod = decode_manifest(
                content,
                node_name=self._node_name,
                source=FILE_SOURCE,
                location=str(path),
                may_reference_api=self._may_reference_api,
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            return _Manifest(content, None, error.strerror or str(error))
        except ManifestError as error:
            return _Manifest(content, None, str(error))
        return _Manifest(content, pod, None)

    def _log_listing_fault(self, fault: str) -> None:
        if fault != self._listing_fault:
            self._listing_fault = fault
            log.error("%s; the pods known so far stay", fault)

    async def _watch_forever(self) -> None:
        """Refresh on each change; a watch that breaks is taken up again after 1 s, doubling to 20 s."""
        backoff = Backoff(WATCH_RETRY_SECONDS, WATCH_RETRY_MAX_SECONDS)
        loop = asyncio.get_running_loop()
        while True:
            directory = self._watched_directory()
            try:
                async with asyncio.TaskGroup() as tasks:
                    # It gets its turn when the watch has begun, and sees what came just before.
                    tasks.create_task(self.refresh(keep_last_good=True), name="static pods: catch up")
                    await self._follow(directory, backoff)
            except* OSError as errors:
                log.debug("Cannot watch %s: %s", directory, errors.exceptions[0])
            await asyncio.sleep(backoff.advance("watch", now=loop.time()))

    async def _follow(self, directory: Path, backoff: Backoff) -> None:
        """Refresh on each change in a directory; return when what it watches is no longer the path's directory."""
        async with contextlib.aclosing(self._watch(directory)) as changes:
            async for names in changes:
                if directory == self._path or self._path.name in names:
                    await self.refresh(keep_last_good=True)
                # A watch on what was removed or replaced would stay silent forever.
                if self._watched_directory() != directory or directory.name in names:
                    return
                backoff.reset("watch")

    def _watched_directory(self) -> Path:
        """Return the directory in which changes matter: for a single file the one it is in."""
        return self._path if self._path.is_dir() else self._path.parent


def read_manifest(path: Path) -> bytes:
    """Return a file's content.

    Raises:
        ManifestError: it is larger than any manifest.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(MAX_MANIFEST_BYTES + 1)
    if len(content) > MAX_MANIFEST_BYTES:
        raise ManifestError(f"larger than {MAX_MANIFEST_BYTES >> 20} MiB")
    return content


async def watch_directory(directory: Path) -> AsyncGenerator[set[str], None]:
    """Yield the names that change in a directory; see `Watch`. The directory's own name stands for its end."""
    # Only a node with a static pod path needs the watcher and the megabytes that come with it.
    import watchfiles

    changes = watchfiles.awatch(
        directory, recursive=False, watch_filter=None, step=WATCH_QUIET_MS, debounce=WATCH_BATCH_MS
    )
    async with contextlib.aclosing(changes):
        async for batch in changes:
            yield {Path(path).name for _, path in batch}
