"""This module is the restarts: when the whole runtime goes away, for how long, and how it comes back."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    """One restart, or one after the other."""

    at_seconds: float | None = None
    """So long after the stub began."""
    every_seconds: float | None = None
    """And again each time so long after."""
    down_seconds: float = 1.0
    """So long there is no socket."""
    initializing_seconds: float = 0.0
    """So long after that every call is UNAVAILABLE."""

    def next_after(self, elapsed_seconds: float) -> float:
        """Return the next moment later than another, in seconds since the stub began; infinity when there is none."""
        first = self.at_seconds if self.at_seconds is not None else self.every_seconds or math.inf
        if first > elapsed_seconds or not self.every_seconds:
            return first if first > elapsed_seconds else math.inf
        turns = math.floor((elapsed_seconds - first) / self.every_seconds) + 1
        return first + turns * self.every_seconds


def next_restart(restarts: Sequence[Restart], *, after_seconds: float) -> tuple[float, Restart] | None:
    """Return the moment of the next restart, in seconds since the stub began, and which one it is."""
    upcoming = [(one.next_after(after_seconds), index) for index, one in enumerate(restarts)]
    upcoming = [one for one in upcoming if one[0] < math.inf]
    if not upcoming:
        return None
    moment, index = min(upcoming)
    return moment, restarts[index]
