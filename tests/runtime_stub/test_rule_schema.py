"""Rules are read as they are written, and whatever is wrong with one says where, what, and what is allowed."""

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.behaviour.distributions import Bounded, Constant, Exponential, LogNormal, Quantiles, Uniform
from runtime_stub.behaviour.profiles import PROFILES
from runtime_stub.behaviour.rules.rule import (
    Condition,
    Error,
    Hang,
    LostEvent,
    Occasion,
    Oversize,
    Place,
    Reset,
    Rule,
    Selector,
    Slowness,
)
from runtime_stub.cli import _check
from runtime_stub.config_file import load_settings
from runtime_stub.rule_check import rule_findings
from runtime_stub.rule_schema import RuleText, distribution_of
from runtime_stub.settings import SettingsError

HEAD = {"apiVersion": "kubeletsim/v1alpha1", "kind": "RuntimeStubConfiguration"}
EXAMPLE = Path(__file__).parents[2] / "config" / "runtime-stub-faults.yaml"
MANUAL = Path(__file__).parents[2] / "docs" / "faults.md"
HANG = {"hang": True}


def rule(**fields: Any) -> Rule:
    return RuleText.model_validate({"name": "r", **fields}).rule()


def test_every_field_reaches_the_rule() -> None:
    written = {
        "name": "r",
        "match": {
            "rpc": ["Run*", "CreateContainer"],
            "pod": "web-*",
            "namespace": "shop",
            "labels": {"app": ["a", "b"]},
            "container": "app",
            "image": "*/nginx:*",
        },
        "when": {
            "every": 2, "skip": 1, "first": 9, "times": 3, "per": "pod",
            "probability": 0.5, "from": "30s", "until": "1m",
        },
        "latency": {"add": "1s", "factor": 2, "bandwidth": "2Mi", "at": "cni.setup"},
        "fault": {
            "error": {"code": "UNKNOWN", "message": "no {pod}"}, "at": "cni.setup", "occurrence": 2, "keep": True,
        },
    }  # fmt: skip

    read = RuleText.model_validate(written).rule()

    assert read == Rule(
        name="r",
        match=Selector(
            rpc=("Run*", "CreateContainer"),
            pod=("web-*",),
            namespace=("shop",),
            labels={"app": ("a", "b")},
            container=("app",),
            image=("*/nginx:*",),
        ),
        when=Occasion(
            probability=0.5, every=2, skip=1, first=9, times=3, per="pod", from_seconds=30.0, until_seconds=60.0
        ),
        latency=Slowness(add=Constant(1.0), factor=2.0, bytes_per_second=2 << 20, at="cni.setup"),
        fault=Error(code="UNKNOWN", message="no {pod}", keep=True),
        place=Place(at="cni.setup", occurrence=2),
    )
    assert read.written == written


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ({"hang": True}, Hang()),
        ({"reset": True}, Reset()),
        ({"oversize": True}, Oversize()),
        ({"loseEvent": True}, LostEvent()),
        ({"condition": {"type": "T", "reason": "R"}}, Condition(type="T", reason="R")),
        ({"error": {"code": "ABORTED"}}, Error(code="ABORTED", message="ABORTED injected by a rule")),
    ],
)
def test_every_fault_can_be_written(written: dict[str, Any], fault: object) -> None:
    assert rule(fault=written).fault == fault


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("200ms", Constant(0.2)),
        (200, Constant(0.2)),
        ({"constant": "1m"}, Constant(60.0)),
        ({"uniform": {"min": "100ms", "max": "1s"}}, Uniform(0.1, 1.0)),
        ({"lognormal": {"median": "1s", "sigma": 0.5}}, LogNormal(1.0, 0.5)),
        ({"exponential": {"mean": "2s"}, "max": "5s"}, Bounded(Exponential(2.0), 0.0, 5.0)),
        ({"quantiles": {"p50": "1s", "p99": "3s"}}, Quantiles.of([(0.5, 1.0), (0.99, 3.0)])),
    ],
)
def test_a_duration_can_be_a_distribution(written: Any, meant: object) -> None:
    assert distribution_of(written) == meant


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("soon", "'soon' "),
        ("5", "lacks a unit"),
        (-1, "at least 0"),
        (True, "must be a duration"),
        ([], "must be a duration"),
        ({}, "exactly one of constant"),
        ({"uniform": {"min": "2s", "max": "1s"}}, "uniform: max: must not be less than min"),
        ({"lognormal": {"median": "2s"}}, "lognormal: must have the fields median and sigma"),
        ({"lognormal": {"median": "2s", "sigma": 9}}, "lognormal: sigma: must be a number between 0 and 5"),
        ({"quantile": {}}, "quantile: no such field; did you mean quantiles?"),
        ({"quantiles": {"p50": "1s"}}, "quantiles: must have at least two"),
        ({"quantiles": {"p50": "2s", "p90": "1s"}}, "quantiles: a higher quantile must not be less"),
        ({"quantiles": {"p50": "2s", "p100": "3s"}}, "quantiles: p100: must be p1"),
        ({"quantiles": {"p50": 0, "p90": "3s"}}, "quantiles: every quantile must be more than 0"),
        ({"constant": "1s", "min": "3s", "max": "2s"}, "max: must not be less than min"),
    ],
)
def test_what_is_no_distribution_says_why(written: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        distribution_of(written)


KEYS = st.sampled_from(["quantiles", "p50", "p90", "uniform", "min", "max", "constant"]) | st.text()
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(VALUES)
def test_anything_is_a_distribution_or_a_clear_error(written: Any) -> None:
    with contextlib.suppress(ValueError):
        distribution_of(written)


def said_of(tmp_path: Path, *rules: dict[str, Any], profile: str = "containerd") -> list[str]:
    """Return what the command says about some rules, without file and line."""
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({**HEAD, "profile": profile, "rules": list(rules)}))
    with pytest.raises(SettingsError) as failure:
        _check(load_settings(path))
    return [line.partition(": ")[2] for line in str(failure.value).splitlines()]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"match": {"rpc": "RunPod"}}, 'match.rpc: "RunPod": no such RPC of CRI v1; did you mean RunPodSandbox?'),
        ({"match": {"rpc": ["Version", "Nosuch*"]}}, 'match.rpc: "Nosuch*": no such RPC of CRI v1'),
        ({"match": {"event": "STARTED", "rpc": "Version"}}, "match.event: only GetContainerEvents has events"),
        ({"match": {"event": "STRATED"}}, 'match.event[0]: "STRATED": must be "CREATED", "STARTED"'),
        ({"when": {"probability": 2}}, "when.probability: 2: must be at most 1"),
        ({"when": {"first": 0}}, "when.first: 0: must be at least 1"),
        ({"when": {"untill": "3s"}}, "when.untill: no such field; did you mean until?"),
        ({"when": {"from": "3"}}, "when.from: \"3\": '3' lacks a unit"),
        ({"latency": {}}, "latency: must have one of add, total, factor, bandwidth"),
        ({"latency": {"total": "1s", "factor": 2}}, "latency: total excludes add and factor"),
        ({"latency": {"add": {"uniform": "1s"}}}, "latency.add: uniform: must have the fields min and max"),
        ({"latency": {"bandwidth": "fast"}}, 'latency.bandwidth: "fast": must be bytes per second'),
        ({"latency": {"add": "1s", "at": "cni.setpu"}}, 'latency.at: "cni.setpu": no such piece of work in the calls'),
        (
            {"match": {"rpc": "Version"}, "latency": {"factor": 2, "at": "cni.setup"}},
            'latency.at: "cni.setup": there are',
        ),
        ({"match": {"rpc": "Version"}, "latency": {"bandwidth": "1k"}}, "latency.bandwidth: only PullImage transfers"),
        ({"fault": {}}, "fault: must have exactly one of error, hang"),
        ({"fault": {"hang": True, "reset": True}}, "fault: must have exactly one of error, hang"),
        ({"fault": {"hang": False}}, "fault.hang: false: must be True"),
        ({"fault": {"error": {"code": "OOPS"}}}, 'fault.error.code: "OOPS": must be "CANCELLED"'),
        ({"fault": {"error": {}}}, "fault.error.code: required"),
        ({"fault": {"error": {"code": "UNKNOWN", "message": "{pot}"}}}, 'fault.error.message: "{pot}": {pot}: no such'),
        ({"fault": {"hang": True, "at": "strat"}}, 'fault.at: "strat": no such piece of work in the calls'),
        ({"fault": {"hang": True, "occurrence": 2}}, 'fault.occurrence: every call comes to "start" once'),
        ({"fault": {"hang": True, "keep": True}}, "fault: keep goes with error only"),
        ({"fault": {"loseEvent": True}}, "fault.loseEvent: match.rpc must be GetContainerEvents"),
        ({"fault": {"condition": {"type": "T"}}}, "fault.condition: match.rpc must be Status"),
        (
            {"match": {"rpc": "Version"}, "fault": {"error": {"code": "UNKNOWN"}, "keep": True}},
            "fault.keep: only RunPodSandbox and CreateContainer make something",
        ),
        ({"name": "no spaces"}, 'name: "no spaces": must match'),
    ],
)
def test_what_is_wrong_with_a_rule_is_said(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    body = {"fault": HANG} if not {"latency", "fault"} & fields.keys() else {}

    found = said_of(tmp_path, {"name": "r", **body, **fields})

    assert any(line.startswith(f"rules[0].{said}") for line in found), found


def test_two_rules_of_one_name_are_both_named(tmp_path: Path) -> None:
    found = said_of(tmp_path, {"name": "r", "fault": HANG}, {"name": "r", "fault": HANG})

    assert [line.partition(":")[0] for line in found] == ["rules[0].name", "rules[1].name"]


def test_pieces_of_work_are_those_of_the_profile(tmp_path: Path) -> None:
    slow = {"name": "r", "match": {"rpc": "RunPodSandbox"}, "latency": {"factor": 2, "at": "cni.setup"}}

    assert "(profile crio)" in said_of(tmp_path, slow, profile="crio")[0]


def examples_of_the_manual() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", MANUAL.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("text", examples_of_the_manual())
def test_every_example_of_the_manual_is_in_order(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text if "kind:" in text else f"{yaml.safe_dump(HEAD)}{text}")

    _check(load_settings(path))


def test_what_the_manual_says_a_mistake_looks_like_is_so(tmp_path: Path) -> None:
    written = {"name": "r", "match": {"rpc": "RunPod"}, "latency": {"add": "1s"}}

    assert f": {said_of(tmp_path, written)[0]}" in MANUAL.read_text()


def test_the_example_is_in_order_for_the_profile_it_names() -> None:
    settings = load_settings(EXAMPLE)

    assert settings.rules
    assert rule_findings(settings.rules, PROFILES[settings.profile]) == []
