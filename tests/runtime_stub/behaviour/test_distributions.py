"""Durations follow the distribution that was asked for, from any generator and never below nothing."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.behaviour.distributions import (
    Bounded,
    Constant,
    Distribution,
    Exponential,
    LogNormal,
    Quantiles,
    Uniform,
)

ALL: list[Distribution] = [
    Constant(0.2),
    Uniform(0.1, 0.3),
    Exponential(0.5),
    LogNormal(0.2, 0.5),
    Quantiles.of([(0.5, 0.1), (0.9, 0.4), (0.99, 3.0)]),
    Bounded(Exponential(1.0), 0.5, 2.0),
]


def draws(distribution: Distribution, count: int = 4000) -> list[float]:
    rng = random.Random(7)
    return sorted(distribution.draw(rng) for _ in range(count))


@pytest.mark.parametrize("distribution", ALL, ids=lambda one: type(one).__name__)
@given(seed=st.integers())
def test_the_same_generator_draws_the_same_and_never_less_than_nothing(distribution: Distribution, seed: int) -> None:
    one, other = random.Random(seed), random.Random(seed)

    drawn = [distribution.draw(one) for _ in range(3)]

    assert drawn == [distribution.draw(other) for _ in range(3)]
    assert min(drawn) >= 0


def test_quantiles_are_met() -> None:
    drawn = draws(Quantiles.of([(0.5, 0.1), (0.99, 3.0), (0.9, 0.4)]))

    assert drawn[2000] == pytest.approx(0.1, rel=0.05)
    assert drawn[3600] == pytest.approx(0.4, rel=0.1)
    assert drawn[3960] == pytest.approx(3.0, rel=0.2)


def test_the_tail_beyond_the_last_quantile_ends() -> None:
    class Extreme(random.Random):
        def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
            return 40.0

    assert Quantiles.of([(0.5, 0.1), (0.99, 10.0)]).draw(Extreme()) == pytest.approx(46, rel=0.1)


def test_moments_are_as_expected() -> None:
    assert statistics.mean(draws(Exponential(0.5))) == pytest.approx(0.5, rel=0.05)
    assert statistics.median(draws(LogNormal(0.2, 0.5))) == pytest.approx(0.2, rel=0.05)
    assert draws(Uniform(0.1, 0.3))[0] >= 0.1
    assert draws(Uniform(0.1, 0.3))[-1] <= 0.3


def test_bounds_are_kept() -> None:
    drawn = draws(Bounded(Exponential(1.0), 0.5, 2.0))

    assert (drawn[0], drawn[-1]) == (0.5, 2.0)


def test_an_exponential_of_nothing_is_nothing() -> None:
    assert Exponential(0.0).draw(random.Random(1)) == 0
