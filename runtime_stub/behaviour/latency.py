"""This module is the latency model: how long each named piece of work takes.

A latency is log-normal around its median, as measured ones are, cut off at a third and at three times the median so
that no single draw spoils a demonstration. Every name has its own generator, made from the seed, so that what one call
draws does not depend on which other calls run beside it.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_SPREAD = 0.18
"""Sigma of the logarithm; the recordings' p90 / p50 of about 1.26 gives it."""
_CUT = 3.0


@dataclass(frozen=True, slots=True)
class Latency:
    """One distribution."""

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

    def __init__(self, latencies: Mapping[str, Latency], *, seed: int) -> None:
        self._latencies = dict(latencies)
        self._seed = seed
        self._generators: dict[str, random.Random] = {}

    @property
    def enabled(self) -> bool:
        """Whether anything takes any time at all."""
        return bool(self._latencies)

    def draw(self, name: str) -> float:
        """Return the next duration of that name in seconds."""
        latency = self._latencies.get(name)
        if latency is None:
            return 0.0
        generator = self._generators.get(name)
        if generator is None:
            generator = self._generators[name] = random.Random(f"{self._seed}/{name}")
        return latency.draw(generator)
