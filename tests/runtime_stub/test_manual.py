"""The manual says what is."""

import re
from pathlib import Path

from runtime_stub.behaviour.plan import SpanOf, nodes
from runtime_stub.behaviour.profiles import PROFILES
from runtime_stub.cli import _parser
from runtime_stub.config_file import RuntimeStubConfiguration

MANUAL = (Path(__file__).parents[2] / "docs" / "runtime-stub.md").read_text()
CONTAINERD = PROFILES["containerd"]


def test_every_latency_is_listed_with_its_median() -> None:
    listed = dict(re.findall(r"`([a-z]+\.[a-z_]+)` (\d+(?:\.\d+)?)", MANUAL))

    assert {name: float(median) for name, median in listed.items()} == {
        name: latency.median_ms for name, latency in CONTAINERD.latencies.items()
    }


def test_every_flag_is_explained() -> None:
    flags = {flag for action in _parser()._actions for flag in action.option_strings} - {"-h", "--help"}

    assert all(f"`{flag}" in MANUAL for flag in flags)


def test_every_field_is_explained() -> None:
    for name, field in RuntimeStubConfiguration.model_fields.items():
        inner = getattr(field.annotation, "model_fields", {"": None})
        for part in inner:
            assert f"`{name}.{part}`" in MANUAL or f"`{name}`" in MANUAL or name in ("apiVersion", "kind"), name


def test_every_span_is_drawn() -> None:
    spans = {node.name for plan in CONTAINERD.plans.values() for node in nodes(plan) if isinstance(node, SpanOf)}
    drawn = MANUAL.replace("Task/", "containerd.task.v3.Task/").replace("…HTTP", "remotes.docker.resolver.HTTP")

    assert [name for name in spans if name not in drawn] == []
