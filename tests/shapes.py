"""Pods of many shapes and what a kubelet does for them: tests/golden/shapes, for simulated time and real processes."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DIRECTORY = Path(__file__).parent / "golden" / "shapes"
IMAGE = "docker.io/library/busybox:1.35"
ROOTS = {"syncTerminatingPod": "terminating", "syncTerminatedPod": "terminated"}
IDLE_SYNC = "sync: Version"
"""A sync that finds nothing to do."""


@dataclass(frozen=True)
class Shape:
    """One pod and its tree."""

    name: str
    claim: str
    pod: Mapping[str, Any]
    """Its manifest."""
    removed_after_seconds: float | None
    """When the manifest is taken away in simulated time; None for a pod that ends by itself."""
    simulated_only: bool
    """Whether it depends on what comes first of two things that real processes do at the same time."""
    pulls: bool
    """Whether it needs a registry."""
    tree: tuple[str, ...]
    """One line for each of its root spans."""

    @property
    def before_removal(self) -> tuple[str, ...]:
        """What is to be seen before the manifest is taken away."""
        if self.removed_after_seconds is None:
            return self.tree
        return tuple(line for line in self.tree if not line.startswith("termina"))


def load() -> list[Shape]:
    """Return all shapes."""
    return [_shape(entry) for path in sorted(DIRECTORY.glob("*.yaml")) for entry in yaml.safe_load(path.read_text())]


def root_line(name: str, *, update_type: str = "", error: str | None = None, calls: Iterable[tuple[str, bool]]) -> str:
    """Return the line of a root span; calls are their names and whether they failed."""
    found = re.search(r"with (\w+): ", error or "")
    failed = f" ({found[1] if found else error})" if error is not None else ""
    words = (f"{call.rpartition('/')[2]}{'!' if bad else ''}" for call, bad in calls)
    return " ".join([f"{ROOTS.get(name, update_type)}{failed}:", *words])


def aligned(observed: Sequence[str], expected: Sequence[str]) -> list[str]:
    """Return what was observed, each line as expected where it matches that; `X*` stands for calls X, failed or not."""
    pairs = zip(observed, [*expected, *[""] * len(observed)], strict=False)
    return [pattern if _matches(line, pattern) else line for line, pattern in pairs]


def _matches(line: str, pattern: str) -> bool:
    words = (
        rf"{re.escape(word[:-1])}!?(?: {re.escape(word[:-1])}!?)*" if word.endswith("*") else re.escape(word)
        for word in pattern.split()
    )
    return re.fullmatch(" ".join(words), line) is not None


def _shape(entry: Mapping[str, Any]) -> Shape:
    spec = {"hostNetwork": True, "terminationGracePeriodSeconds": 2, **entry["pod"]}
    for group in ("initContainers", "containers"):
        spec[group] = [_container(container) for container in spec.get(group, ())]
    metadata = {"name": entry["name"], "namespace": "default"}
    return Shape(
        name=entry["name"],
        claim=entry["claim"],
        pod={"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
        removed_after_seconds=entry.get("removed_after"),
        simulated_only="simulated_only" in entry,
        pulls=bool(entry.get("pulls")),
        tree=tuple(entry["tree"].splitlines()),
    )


def _container(given: Mapping[str, Any]) -> dict[str, Any]:
    container = {"image": IMAGE, "imagePullPolicy": "IfNotPresent", **given}
    if (script := container.pop("run", None)) is not None:
        container["command"] = ["/bin/sh", "-c", script]
    return container
