"""A run with a seed does the same twice: the same spans in the same places, with the same planned latencies and faults.

Ids, process ids, addresses (which pod comes first is the kubelet's to decide) and measured times are taken out; how
often the kubelet tries again in a time is the machine's, so of calls about the same thing the common beginning counts.
"""

import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.lab import Lab, Span, running

MANIFESTS = Path(__file__).parents[2] / "config" / "manifests"
WORK = ("RunPodSandbox", "CreateContainer", "StartContainer", "PullImage", "StopPodSandbox")
RULES = [
    {"name": "unlucky", "match": {"rpc": "StartContainer"},
     "when": {"probability": 0.5, "first": 1, "per": "container"},
     "fault": {"error": {"code": "UNKNOWN", "message": "ttrpc: closed"}, "at": "start.task_start"}},
    {"name": "slow", "match": {"rpc": "RunPodSandbox"},
     "latency": {"add": {"quantiles": {"p50": "20ms", "p99": "200ms"}}, "at": "cni.setup"}},
    {"name": "as-planned", "match": {"rpc": list(WORK)}, "latency": {"factor": 1}},
]  # fmt: skip

ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
UID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
MEASURED = re.compile(r".*(\.duration|[cC]reatedAt|[uU]pdatedAt|\bpid|process\.id|\.ip|netns\.path|server\.address)$")
"""Attributes whose values are times that passed, or that depend on who comes first."""


@dataclass(frozen=True)
class Tree:
    """A span and what is below it, without what differs from run to run."""

    name: str
    attributes: tuple[tuple[str, Any], ...]
    events: tuple[Any, ...]
    error: str | None
    children: tuple["Tree", ...]


def run_once(directory: str, *, seed: str) -> dict[str, list[Tree]]:
    """Let the demo's pods come and one of them go; return the runtime's trees by what they are about."""
    with running(Lab(Path(directory))) as lab:
        config = lab.root / "stub.yaml"
        head = {"apiVersion": "kubeletsim/v1alpha1", "kind": "RuntimeStubConfiguration"}
        config.write_text(yaml.safe_dump({**head, "rules": RULES}))
        lab.start_collector()
        lab.start_stub("--config", str(config), "--seed", seed)
        lab.start_kubelet(syncFrequency="1s")
        for path in sorted(MANIFESTS.glob("*.yaml")):
            shutil.copy(path, lab.root / "manifests")
        lab.wait(lambda: ready(lab, "web") and ended(lab, "migrate"), what="the pods get through")
        lab.delete("web")
        lab.wait(lambda: not lab.pod("web"), what="a pod goes")
        for program in reversed(lab.programs):
            program.stop()
        return normalised(lab.spans())


def ready(lab: Lab, name: str) -> bool:
    statuses = lab.pod(name).get("status", {}).get("containerStatuses", [])
    return bool(statuses) and all(one.get("ready") for one in statuses)


def ended(lab: Lab, name: str) -> bool:
    return lab.phase(name) in ("Succeeded", "Failed")


def normalised(spans: Iterable[Span]) -> dict[str, list[Tree]]:
    """Return the trees of the runtime's calls in their order, by RPC and by what they are about."""
    spans = sorted((one for one in spans if one.service == "runtime-stub"), key=lambda one: one.start)
    names = {}
    for span in spans:
        for kind in ("sandbox", "container"):
            if f"{kind}.name" in span.attributes:
                names[span.attributes[f"{kind}.id"]] = f"<{span.attributes[f'{kind}.name']}>"
    below = defaultdict(list)
    for span in spans:
        below[span.parent_id].append(span)
    found = defaultdict(list)
    for span in spans:
        rpc = span.name.rpartition("/")[2]
        if span.kind == "SERVER" and rpc in WORK:
            found[f"{rpc} {about(span, below, names)}"].append(tree(span, below, names))
    return dict(found)


def about(span: Span, below: Mapping[str, list[Span]], names: Mapping[str, str]) -> str:
    attributes = dict(span.attributes)
    for child in below[span.span_id]:
        attributes = {**child.attributes, **attributes}
    subject = attributes.get("container.id") or attributes.get("sandbox.id") or attributes.get("image.ref", "")
    return UID.sub("<uid>", names.get(subject, subject))


def tree(span: Span, below: Mapping[str, list[Span]], names: Mapping[str, str]) -> Tree:
    def plain(value: Any) -> Any:
        if not isinstance(value, str):
            return str(value)
        return UID.sub("<uid>", ID.sub(lambda id_: names.get(id_[0], "<id>"), value))

    def kept(attributes: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
        return tuple(sorted((key, plain(value)) for key, value in attributes.items() if not MEASURED.match(key)))

    return Tree(
        name=span.name,
        attributes=kept(span.attributes),
        events=tuple((plain(name), kept(attributes)) for name, attributes in span.events),
        error=None if span.error is None else plain(span.error),
        children=tuple(tree(child, below, names) for child in below[span.span_id]),
    )


def test_two_runs_with_a_seed_have_the_same_spans() -> None:
    runs = []
    for _ in range(2):
        with tempfile.TemporaryDirectory(prefix="ks-") as directory:
            runs.append(run_once(directory, seed="2"))
    one, same = runs

    assert one.keys() == same.keys()
    assert len([key for key in one if key.startswith("RunPodSandbox")]) == 3
    for key, trees in one.items():
        common = min(len(trees), len(same[key]))
        assert trees[:common] == same[key][:common], key
    seen = [dict(found.attributes) for trees in one.values() for found in trees]
    assert [one["stub.fault"] for one in seen if "stub.fault" in one], "chance has had its say"
    assert len({one["stub.latency.planned"] for one in seen if "stub.latency.planned" in one}) > 5
