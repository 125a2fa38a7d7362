"""Rules act when they say, on what they say, and the same in each run whatever runs beside."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.behaviour.distributions import Constant, Uniform
from runtime_stub.behaviour.rules.rule import Condition, Error, Hang, Occasion, Rule, Selector, Slowness
from runtime_stub.behaviour.rules.rulebook import Decision, Rulebook
from runtime_stub.behaviour.rules.subject import Subject

ERROR = Error(code="UNAVAILABLE", message="away")


def call(rpc: str = "StartContainer", **fields: object) -> Subject:
    about = {"pod": "web", "namespace": "shop", "container": "app", "labels": {"app": "web"}, **fields}
    return Subject(rpc=rpc, **about)  # type: ignore[arg-type]


def acts(book: Rulebook, subjects: list[Subject], *, now: float = 0.0) -> list[bool]:
    return [book.decide(one, now=now) is not None for one in subjects]


def book(*, seed: int = 1, match: Selector | None = None, **when: object) -> Rulebook:
    return Rulebook(
        [Rule(name="r", match=match or Selector(), when=Occasion(**when), fault=ERROR)],  # type: ignore[arg-type]
        seed=seed,
    )


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (Selector(), True),
        (Selector(rpc=("Start*",)), True),
        (Selector(rpc=("Stop*", "Create*")), False),
        (Selector(pod=("web-*",)), False),
        (Selector(pod=("we*",), namespace=("shop",)), True),
        (Selector(labels={"app": ("w*",)}), True),
        (Selector(labels={"tier": ("*",)}), False),
        (Selector(container=("init",)), False),
        (Selector(image=("*/nginx:*",)), True),
        (Selector(image=("nginx:1.27",)), True),
        (Selector(image=("busybox*",)), False),
    ],
)
def test_a_rule_is_about_what_its_selector_matches(match: Selector, expected: bool) -> None:
    subject = call(images=("nginx:1.27", "docker.io/library/nginx:1.27"))

    assert acts(book(match=match), [subject]) == [expected]


def test_a_call_about_no_pod_is_not_selected_by_a_pod() -> None:
    assert not Selector(pod=("*web*",)).matches(Subject(rpc="ListContainers"))


def test_events_are_selected_by_name_only() -> None:
    event = call("GetContainerEvents", event="STOPPED")

    assert not Selector().matches(event)
    assert not Selector(rpc=("*",)).matches(event)
    assert Selector(rpc=("GetContainerEvents",)).matches(event)
    assert not Selector(rpc=("GetContainerEvents",), event=("CREATED",)).matches(event)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, "111111"),
        ({"first": 2}, "110000"),
        ({"every": 3}, "001001"),
        ({"skip": 4}, "000011"),
        ({"skip": 1, "first": 2}, "011000"),
        ({"every": 2, "times": 2}, "010100"),
        ({"probability": 0.0}, "000000"),
    ],
)
def test_calls_are_counted(when: dict[str, object], expected: str) -> None:
    assert acts(book(**when), [call()] * 6) == [one == "1" for one in expected]


def test_each_rpc_is_counted_on_its_own() -> None:
    mixed = [call("StartContainer"), call("StopContainer"), call("StartContainer"), call("StopContainer")]

    assert acts(book(first=1), mixed) == [True, True, False, False]


def test_a_pod_can_be_counted_on_its_own() -> None:
    mixed = [call(pod="a"), call(pod="a"), call(pod="b"), call(pod="b")]

    assert acts(book(first=1, per="pod"), mixed) == [True, False, True, False]


def test_a_window_counts_from_when_the_rules_came_into_force() -> None:
    rules = Rulebook([Rule(name="r", when=Occasion(from_seconds=10, until_seconds=20), fault=ERROR)], seed=1, now=100)

    assert [rules.decide(call(), now=now) is not None for now in (105, 110, 119, 120)] == [False, True, True, False]


def test_the_first_rule_that_acts_decides_each_question() -> None:
    rules = Rulebook(
        [
            Rule(name="never", when=Occasion(probability=0.0), fault=Hang()),
            Rule(name="slow", latency=Slowness(add=Constant(2.0))),
            Rule(name="fail", fault=ERROR),
            Rule(name="too late", fault=Hang(), latency=Slowness(factor=9)),
        ],
        seed=1,
    )

    decision = rules.decide(call(), now=0)

    assert decision is not None
    assert decision.delay is not None
    assert decision.blow is not None
    assert (decision.delay.rule, decision.delay.add_seconds, decision.blow.rule) == ("slow", 2.0, "fail")
    assert rules.counts()["too late"] == {}, "what came too late has not been asked"


def decisions(seed: int, order: list[Subject]) -> dict[str, list[Decision | None]]:
    rules = [
        Rule(name="maybe", when=Occasion(probability=0.5), fault=ERROR),
        Rule(name="slow", latency=Slowness(add=Uniform(0, 1))),
    ]
    open_book = Rulebook(rules, seed=seed)
    found: dict[str, list[Decision | None]] = {}
    for subject in order:
        found.setdefault(subject.key, []).append(open_book.decide(subject, now=0))
    return found


@given(seed=st.integers(), shuffle=st.integers())
def test_what_chance_decides_does_not_depend_on_what_runs_beside(seed: int, shuffle: int) -> None:
    order = [call(pod=pod) for pod in ("a", "b", "c") for _ in range(4)]
    other = list(order)
    random.Random(shuffle).shuffle(other)

    assert decisions(seed, order) == decisions(seed, other)


def test_another_seed_decides_otherwise() -> None:
    order = [call()] * 40

    assert decisions(1, order) != decisions(2, order)


def test_a_probability_is_about_kept() -> None:
    assert sum(acts(book(probability=0.3), [call()] * 2000)) == pytest.approx(600, rel=0.1)


def test_counts_are_told_by_rule_and_rpc() -> None:
    rules = book(first=1)
    acts(rules, [call(), call(), call("StopContainer")])

    assert rules.counts() == {
        "r": {"StartContainer": {"matched": 2, "acted": 1}, "StopContainer": {"matched": 1, "acted": 1}}
    }


def test_a_rule_that_stays_keeps_its_window_when_others_come() -> None:
    stays, comes = (Rule(name=name, when=Occasion(until_seconds=10), fault=ERROR) for name in ("stays", "comes"))
    rules = Rulebook([stays], seed=1, now=0)

    rules.replace([stays, comes], now=8)

    decided = [rules.decide(call(), now=now) for now in (9, 11, 17, 19)]
    assert [one and one.blow and one.blow.rule for one in decided] == ["stays", "comes", "comes", None]


def test_replaced_rules_keep_the_counts_of_those_that_stay() -> None:
    stays, goes = Rule(name="stays", when=Occasion(first=1), fault=ERROR), Rule(name="goes", latency=Slowness(factor=2))
    rules = Rulebook([stays, goes], seed=1)
    rules.decide(call(), now=0)

    rules.replace([stays, Rule(name="goes", latency=Slowness(factor=3))], now=5)

    assert rules.counts() == {"stays": {"StartContainer": {"matched": 1, "acted": 1}}, "goes": {}}
    rules.reset(rules.rules, now=5)
    assert rules.counts() == {"stays": {}, "goes": {}}


def test_a_condition_is_a_fault_like_others() -> None:
    rules = Rulebook([Rule(name="r", fault=Condition(type="NetworkReady"))], seed=1)

    decision = rules.decide(Subject(rpc="Status"), now=0)

    assert decision is not None
    assert decision.blow is not None
    assert decision.blow.fault == Condition(type="NetworkReady")
