"""Latencies are drawn around their medians, repeatably, and add up to what was recorded."""

import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.behaviour.latency import Latency, LatencyModel
from runtime_stub.behaviour.plan import Attempt, Each, Plan, SpanOf, Spend, When
from runtime_stub.behaviour.profiles import PROFILES

GOLDEN = Path(__file__).parents[2] / "golden"
SCENARIOS = ("single", "two", "crash", "init", "noimage")


def recorded_servers() -> Iterator[Mapping[str, Any]]:
    """Every SERVER span of the runtime in the recordings."""

    def walk(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        if node["kind"] == "SERVER":
            yield node
        for child in node.get("children", ()):
            yield from walk(child)

    for scenario in SCENARIOS:
        for root in json.loads((GOLDEN / f"{scenario}.json").read_text())["roots"]:
            yield from walk(root)


def total_ms(plan: Plan, conditions: Mapping[str, bool]) -> float:
    """Add up the medians of a plan in the containerd profile."""
    latencies, total = PROFILES["containerd"].latencies, 0.0
    for node in plan:
        match node:
            case Spend(latency):
                total += latencies[latency].median_ms
            case SpanOf():
                total += total_ms(node.body, conditions)
            case When(condition, body) if conditions.get(condition):
                total += total_ms(body, conditions)
            case Attempt(body, _):
                total += total_ms(body, conditions)
            case Each():
                pass
    return total


@pytest.mark.parametrize(
    ("rpc", "conditions", "grace_ms", "at_least"),
    [
        ("RunPodSandbox", {}, 0, 5),
        ("CreateContainer", {}, 0, 11),
        ("StartContainer", {}, 0, 11),
        ("StopContainer", {"running": True, "graceful": True, "unsignalled": True}, 2000, 5),
        ("StopPodSandbox", {"sandbox running": True}, 0, 5),
        ("RemoveContainer", {}, 0, 1),
        ("RemovePodSandbox", {}, 0, 4),
    ],
)
def test_the_parts_of_a_call_add_up_to_the_recorded_median(
    rpc: str, conditions: dict[str, bool], grace_ms: float, at_least: int
) -> None:
    calls = [node for node in recorded_servers() if node["name"].endswith(f"/{rpc}") and "children" in node]
    assert len(calls) >= at_least
    median = statistics.median(call["ms"] for call in calls) - grace_ms

    total = total_ms(PROFILES["containerd"].plans[rpc], conditions)
    total += PROFILES["containerd"].latencies["task.exit"].median_ms if grace_ms else 0

    assert total == pytest.approx(median, rel=0.2)


@given(st.integers(), st.text(max_size=10))
def test_the_same_seed_draws_the_same(seed: int, name: str) -> None:
    latencies = {name: Latency(10.0)}
    one, other = LatencyModel(latencies, seed=seed), LatencyModel(latencies, seed=seed)

    assert [one.draws("call").draw(name) for _ in range(5)] == [other.draws("call").draw(name) for _ in range(5)]


def test_what_a_call_draws_does_not_depend_on_what_runs_beside_it() -> None:
    latencies = {"a": Latency(10.0), "b": Latency(10.0)}
    alone, mixed = LatencyModel(latencies, seed=1), LatencyModel(latencies, seed=1)

    one, other = mixed.draws("Run", "web"), mixed.draws("Run", "db")
    drawn = [(one.draw("a"), other.draw("a"), other.draw("b"))[0] for _ in range(5)]

    draws = alone.draws("Run", "web")
    assert drawn == [draws.draw("a") for _ in range(5)]


def test_the_next_call_of_a_kind_draws_anew_and_a_call_can_be_rehearsed() -> None:
    model = LatencyModel({"a": Latency(10.0)}, seed=1)
    first, second = model.draws("Run", "web"), model.draws("Run", "web")

    drawn = [first.draw("a") for _ in range(3)]

    rehearsed = first.again()
    assert [rehearsed.draw("a") for _ in range(3)] == drawn
    assert [second.draw("a") for _ in range(3)] != drawn


def test_draws_lie_around_the_median() -> None:
    model = LatencyModel({"a": Latency(10.0)}, seed=0)
    draws = [model.draws("call").draw("a") for _ in range(2000)]

    assert statistics.median(draws) == pytest.approx(0.010, rel=0.05)
    assert max(draws) <= 0.030
    assert min(draws) >= 0.0033


def test_an_unknown_name_takes_no_time() -> None:
    assert LatencyModel({}, seed=0).draws("call").draw("a") == 0
    assert not LatencyModel({}, seed=0).enabled


def test_other_latencies_count_from_the_next_call_on() -> None:
    model = LatencyModel({"a": Latency(10.0, spread=0)}, seed=0)
    before = model.draws("call")

    model.replace({"a": Latency(20.0, spread=0)})

    assert (before.draw("a"), model.draws("call").draw("a")) == (0.01, 0.02)
