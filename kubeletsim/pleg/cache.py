"""The cache of pods' observed states. The PLEG fills it; pod workers wait here for something newer than their last run.

Without that wait a worker would start a container, look at a state observed before the start, and start it again. So
each run ends with a stamp, and the next one begins with `get_newer_than` that stamp. Stamps grow strictly: two events
in one turn of the loop still have an order, which with the clock's own time they would not have.

Upstream: pkg/kubelet/container/cache.go.
"""

import asyncio
import math
from dataclasses import dataclass, field, replace

from kubeletsim.base.timing import Clock
from kubeletsim.model.errors import CRIError
from kubeletsim.model.runtime import ObservedPod, PodUID

NEVER = -math.inf
"""Older than every stamp: what a worker that has not run yet asks for."""


@dataclass(frozen=True, slots=True)
class _Entry:
    observed: ObservedPod
    error: CRIError | None
    stamp: float


@dataclass
class PodCache:
    """What the runtime showed of each pod last.

    Args:
        clock: stamps are its monotonic seconds, made strictly increasing.
    """

    clock: Clock
    _entries: dict[PodUID, _Entry] = field(default_factory=dict)
    _relisted: float | None = None
    _last_stamp: float = NEVER
    _waiting: dict[PodUID, list[tuple[float, asyncio.Future[None]]]] = field(default_factory=dict)

    def stamp(self) -> float:
        """Return now, later than every stamp before."""
        self._last_stamp = max(self.clock.monotonic(), math.nextafter(self._last_stamp, math.inf))
        return self._last_stamp

    def stamp_of(self, age_seconds: float) -> float:
        """Return the stamp of what happened so long ago; nothing happens later than now."""
        return self.clock.monotonic() - max(0.0, age_seconds)

    def get(self, uid: PodUID) -> ObservedPod:
        """Return the last observation of a pod; an empty one for a pod the runtime does not know.

        Raises:
            CRIError: the pod's state could not be read the last time.
        """
        entry = self._entries.get(uid)
        if entry is None:
            return ObservedPod(uid=uid)
        if entry.error is not None:
            raise entry.error
        return entry.observed

    async def get_newer_than(self, uid: PodUID, stamp: float) -> ObservedPod:
        """Return an observation that began after `stamp`, waiting for it as long as it takes.

        Raises:
            CRIError: the pod's state could not be read the last time.
        """
        while not self._is_newer(uid, stamp):
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            waiting = self._waiting.setdefault(uid, [])
            waiting.append((stamp, future))
            try:
                await future
            finally:
                self._waiting[uid] = [one for one in self._waiting.get(uid, []) if one[1] is not future]
                if not self._waiting[uid]:
                    del self._waiting[uid]
        return self.get(uid)

    def set(self, uid: PodUID, observed: ObservedPod, *, stamp: float, error: CRIError | None = None) -> bool:
        """Store what a reading that began at `stamp` showed, or that it failed; an older reading is ignored.

        Returns:
            whether it was stored. A pod whose network is gone keeps its last addresses: the API shows them to the end.
        """
        current = self._entries.get(uid)
        if current is not None and current.stamp > stamp:
            return False
        if current is not None and not observed.ips and not observed.has_ready_sandbox:
            observed = replace(observed, ips=current.observed.ips)
        self._entries[uid] = _Entry(observed, error, stamp)
        self._wake(uid)
        return True

    def set_observed(self, uid: PodUID, *, stamp: float) -> None:
        """Note that a look at one pod, begun at `stamp`, found nothing new: what is known is as new as that."""
        current = self._entries.get(uid)
        if current is not None and current.stamp < stamp:
            self._entries[uid] = replace(current, stamp=stamp)
            self._wake(uid)

    def delete(self, uid: PodUID) -> None:
        """Forget a pod of which the runtime shows nothing any more."""
        self._entries.pop(uid, None)

    def update_time(self, stamp: float) -> None:
        """Note that a relist of everything began at `stamp`: what is not newer by itself is as new as that."""
        self._relisted = stamp
        for uid in list(self._waiting):
            self._wake(uid)

    def _is_newer(self, uid: PodUID, stamp: float) -> bool:
        entry = self._entries.get(uid)
        relisted = self._relisted is not None and self._relisted > stamp
        return relisted or (entry is not None and entry.stamp > stamp)

    def _wake(self, uid: PodUID) -> None:
        for stamp, future in self._waiting.get(uid, []):
            if not future.done() and self._is_newer(uid, stamp):
                future.set_result(None)
