"""This module is the latency model: how long each named piece of work takes.

A profile's latency is log-normal around its median, as measured ones are, cut off at a third and at three times the
median so that no single draw spoils a demonstration; the configuration may put any distribution in its place. Every
call has a generator of its own, made from the seed, from what the call is about and from how many calls like it there
have been: what it draws does not depend on which other calls run beside it.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from runtime_stub.behaviour.chance import Chance, generator
from runtime_stub.behaviour.distributions import Distribution

DEFAULT_SPREAD = 0.18
"""Sigma of the logarithm; the recordings' p90 / p50 of about 1.26 gives it."""
_CUT = 3.0


@dataclass(frozen=True, slots=True)
class Latency:
    """The distribution of a measured piece of work."""

    median_ms: float
    spread: float = DEFAULT_SPREAD

    def draw(self, rng: random.Random) -> float:
        """Return one duration in seconds."""
        factor = math.exp(rng.gauss(0.0, self.spread)) if self.spread else 1.0
        return self.median_ms / 1000 * min(max(factor, 1 / _CUT), _CUT)


class LatencyModel:
    """Durations by name.

    Args:
        latencies: the distributions; a name that is missing takes no time.
        seed: the same seed draws the same durations.
    """

    def __init__(self, latencies: Mapping[str, Distribution], *, seed: int) -> None:
        self._latencies = dict(latencies)
        self._chance = Chance(seed)

    @property
    def enabled(self) -> bool:
        """Whether anything takes any time at all."""
        return bool(self._latencies)

    def replace(self, latencies: Mapping[str, Distribution]) -> None:
        """Let things take other times from now on."""
        self._latencies = dict(latencies)

    def draws(self, *key: str) -> "Draws":
        """Return what the next call of a key draws, such as an RPC's name and the pod's."""
        return Draws(self._latencies, self._chance.next("/".join(key)) if self._latencies else "")


class Draws:
    """The durations of one call, in the order in which they are asked for."""

    __slots__ = ("_latencies", "_name", "_rng")

    def __init__(self, latencies: Mapping[str, Distribution], name: str) -> None:
        self._latencies = latencies
        self._name = name
        self._rng: random.Random | None = None

    def draw(self, name: str) -> float:
        """Return the next duration of a piece of work, in seconds."""
        latency = self._latencies.get(name)
        if latency is None:
            return 0.0
        if self._rng is None:  # most calls ask for nothing
            self._rng = generator(self._name)
        return latency.draw(self._rng)

    def again(self) -> "Draws":
        """Return the same durations from the beginning."""
        return Draws(self._latencies, self._name)
