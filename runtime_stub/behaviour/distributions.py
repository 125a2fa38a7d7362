"""This module is the distributions of chance that a duration can follow. All of them are drawn in seconds.

A value knows its parameters only; chance comes from outside, so the same generator draws the same durations.
"""

import math
import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

_MAX_DEVIATION = 3.1
"""Quantiles are not continued beyond this many standard deviations: one draw in a thousand lies there."""


class Distribution(Protocol):
    """How long something takes."""

    def draw(self, rng: random.Random) -> float:
        """Return one duration in seconds, never negative."""


@dataclass(frozen=True, slots=True)
class Constant:
    """The same each time."""

    seconds: float

    def draw(self, rng: random.Random) -> float:
        """Return the duration."""
        del rng
        return self.seconds


@dataclass(frozen=True, slots=True)
class Uniform:
    """Anything between two durations, each as likely as the other."""

    low_seconds: float
    high_seconds: float

    def draw(self, rng: random.Random) -> float:
        """Return one duration."""
        return rng.uniform(self.low_seconds, self.high_seconds)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Mostly short, sometimes long: what waiting for independent events looks like."""

    mean_seconds: float

    def draw(self, rng: random.Random) -> float:
        """Return one duration."""
        return rng.expovariate(1 / self.mean_seconds) if self.mean_seconds else 0.0


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Around a median, with a tail to the right: what most measured latencies look like."""

    median_seconds: float
    sigma: float
    """Standard deviation of the logarithm: 0.18 is a calm machine, 1 a bad day."""

    def draw(self, rng: random.Random) -> float:
        """Return one duration."""
        return self.median_seconds * math.exp(rng.gauss(0.0, self.sigma))


@dataclass(frozen=True, slots=True)
class Quantiles:
    """What a dashboard shows: p50, p90, p99. Each point is met exactly, between them the logarithm is interpolated.

    Beyond the outermost points the curve goes on as it ended, up to one draw in a thousand.
    """

    deviations: tuple[float, ...]
    """The points on the normal distribution's axis, ascending."""
    logarithms: tuple[float, ...]
    """Of the durations in seconds there."""

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]]) -> "Quantiles":
        """Return the distribution through some points: share of the draws below (0 to 1), and seconds."""
        ordered = sorted(points)
        axis = NormalDist()
        return cls(tuple(axis.inv_cdf(share) for share, _ in ordered), tuple(math.log(value) for _, value in ordered))

    def draw(self, rng: random.Random) -> float:
        """Return one duration."""
        at = min(max(rng.gauss(0.0, 1.0), -_MAX_DEVIATION), _MAX_DEVIATION)
        right = min(max(bisect_left(self.deviations, at), 1), len(self.deviations) - 1)
        (x0, x1), (y0, y1) = self.deviations[right - 1 : right + 1], self.logarithms[right - 1 : right + 1]
        return math.exp(y0 + (y1 - y0) * (at - x0) / (x1 - x0))


@dataclass(frozen=True, slots=True)
class Bounded:
    """Another distribution whose draws are cut off at a least and a most."""

    inner: Distribution
    least_seconds: float = 0.0
    most_seconds: float = math.inf

    def draw(self, rng: random.Random) -> float:
        """Return one duration."""
        return min(max(self.inner.draw(rng), self.least_seconds), self.most_seconds)
