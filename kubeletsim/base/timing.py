"""Time: the clock every part receives, the loop that does something again and again, exponential backoff.

Nothing below reads the system's clock by itself. Under a simulated event loop `SystemClock` already runs on simulated
time as far as waiting goes; `LoopClock` makes the wall clock follow the loop as well.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

log = logging.getLogger(__name__)


class Clock(Protocol):
    """Where a part gets its time from."""

    def now(self) -> float:
        """Return the wall clock: Unix seconds."""

    def monotonic(self) -> float:
        """Return seconds that never go back; comparable within one process only."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return the running loop's time, so that it agrees with timers, simulated or not."""
        return asyncio.get_running_loop().time()


@dataclass(frozen=True)
class LoopClock:
    """A clock whose wall time is an epoch plus the loop's time; for simulated runs."""

    epoch: float = 1_700_000_000.0

    def now(self) -> float:
        """Return the epoch plus the loop's time, in Unix seconds."""
        return self.epoch + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        """Return the loop's time."""
        return asyncio.get_running_loop().time()


@dataclass(frozen=True, slots=True)
class ShiftedClock:
    """A clock whose wall time is wrong by so many seconds; its monotonic time is right."""

    clock: Clock
    skew_seconds: float

    def now(self) -> float:
        """Return the wrong Unix seconds."""
        return self.clock.now() + self.skew_seconds

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self.clock.monotonic()


async def every(
    period_seconds: float | Callable[[], float],
    step: Callable[[], Awaitable[None]],
    *,
    name: str,
    rng: random.Random,
    jitter: float = 0.0,
    hurry: asyncio.Event | None = None,
) -> None:
    """Run `step` forever, the next turn `period_seconds` after the last one's end.

    The wait is stretched by a random factor in [1, 1 + jitter]. A failing step is logged and tried again at the next
    turn: expected failures belong inside `step`, so whatever arrives here is worth a traceback but not the node.

    Args:
        period_seconds: a callable is asked after each turn.
        step: the turn.
        name: what the log calls it.
        rng: for the jitter.
        jitter: see above.
        hurry: set by whoever does not want to wait for the next turn; cleared as that begins.
    """
    while True:
        if hurry is not None:
            hurry.clear()
        try:
            await step()
        except Exception:
            log.exception("%s failed", name)
        period = period_seconds() if callable(period_seconds) else period_seconds
        await _sleep(period * (1 + jitter * rng.random()), hurry)


async def _sleep(seconds: float, hurry: asyncio.Event | None) -> None:
    """Sleep, but not longer than until somebody is in a hurry."""
    if hurry is None:
        await asyncio.sleep(seconds)
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await hurry.wait()


@dataclass
class Backoff:
    """Exponential backoff by key, as client-go's `util/flowcontrol/backoff.go`: doubling, capped, forgotten in time.

    An "event" is the moment a delay counts from, such as a container's end. All times are of one clock, in seconds.

    Args:
        initial_seconds: the first delay of a key, never above the maximum.
        max_seconds: no delay is longer.
        forget_after_seconds: an event this long after the key's last advance starts again;
            twice the maximum by default.
    """

    initial_seconds: float
    max_seconds: float
    forget_after_seconds: float | None = None
    _entries: dict[str, tuple[float, float]] = field(default_factory=dict)

    def get(self, key: str) -> float:
        """Return the current delay of a key in seconds; 0 for one never advanced."""
        return self._entries.get(key, (0.0, 0.0))[0]

    def advance(self, key: str, *, now: float, event: float | None = None) -> float:
        """Move a key to its next delay, for an event that is `now` unless given, and return that delay."""
        delay, updated = self._entries.get(key, (0.0, now))
        event = now if event is None else event
        delay = self.initial_seconds if delay == 0 or self._expired(updated, event) else delay * 2
        delay = min(delay, self.max_seconds)
        self._entries[key] = (delay, now)
        return delay

    def remaining(self, key: str, *, now: float, event: float | None = None) -> float:
        """Return the seconds left of a key's delay, counted from the event or else from the key's last advance.

        An event that lies ahead was dated before the clock was put back, and delays nothing: it might for hours.
        """
        delay, updated = self._entries.get(key, (0.0, 0.0))
        event = updated if event is None else event
        if delay == 0 or event > now or self._expired(updated, event):
            return 0.0
        return max(0.0, delay - (now - event))

    def reset(self, key: str) -> None:
        """Forget a key."""
        self._entries.pop(key, None)

    def collect(self, *, now: float) -> None:
        """Forget every key that has expired."""
        self._entries = {key: entry for key, entry in self._entries.items() if not self._expired(entry[1], now)}

    def _expired(self, updated: float, event: float) -> bool:
        limit = 2 * self.max_seconds if self.forget_after_seconds is None else self.forget_after_seconds
        return event - updated > limit
