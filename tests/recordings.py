"""Recordings of a real kubelet on a real containerd, and how a run of ours is compared with them.

A trace becomes a tree of `Call`s: what was done, by which side, in which order, how it failed. Durations, ids and
addresses are left out; two trees are equal or there is a first difference, which is what a failing test prints.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import Span

GOLDEN = Path(__file__).parent / "golden"
POD_ROOTS = ("syncPod", "syncTerminatingPod", "syncTerminatedPod")
UID = re.compile(r"\([0-9a-f-]{32,36}\)")


@dataclass(frozen=True)
class Call:
    """One span without what differs from run to run."""

    name: str
    side: str
    """`kubelet` or `runtime`: recordings name the runtime containerd, ours may be called otherwise."""
    kind: str
    attributes: tuple[tuple[str, str], ...]
    error: str | None
    children: tuple["Call", ...]

    def lines(self, depth: int = 0) -> Iterator[str]:
        """Draw the tree, one span a line."""
        noted = " ".join(f"{key}={value}" for key, value in self.attributes)
        failed = f" ERROR {self.error}" if self.error is not None else ""
        yield f"{'  ' * depth}{self.name} [{self.side} {self.kind}] {noted}{failed}".rstrip()
        for child in self.children:
            yield from child.lines(depth + 1)


def recorded(scenario: str) -> dict[str, Any]:
    """Load one recording."""
    return dict(json.loads((GOLDEN / f"{scenario}.json").read_text()))


def recorded_pod_roots(scenario: str) -> list[Call]:
    """Return the recording's root spans that belong to its pod, in order."""
    return [_from_recording(root) for root in recorded(scenario)["roots"] if root["name"] in POD_ROOTS]


def observed_pod_roots(spans: Iterable[Span], pod_name: str) -> list[Call]:
    """Return the root spans of one pod from a run of ours, in order of their start."""
    by_parent: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        by_parent.setdefault((span.trace_id, span.parent_id), []).append(span)
    roots = [span for (_, parent), group in by_parent.items() if not parent for span in group]
    mine = [span for span in roots if span.attributes.get("k8s.pod.name") == pod_name]
    return [_from_span(span, by_parent) for span in sorted(mine, key=lambda span: span.start)]


def first_difference(recording: Sequence[Call], observed: Sequence[Call]) -> str:
    """Return where the two forests differ first, with the lines around it; empty when they are equal."""
    want = [line for call in recording for line in call.lines()]
    have = [line for call in observed for line in call.lines()]
    for number, (one, other) in enumerate(zip([*want, "(end)"], [*have, "(end)"], strict=False)):
        if one != other:
            before = "\n".join(f"    {line}" for line in want[max(0, number - 6) : number])
            return f"line {number + 1}:\n{before}\n  - {one}   (recorded)\n  + {other}   (observed)"
    return ""


def call_starts(recording: Mapping[str, Any], rpc: str) -> list[float]:
    """Return when a recorded pod's calls of one method began, in seconds after its manifest was there.

    Recordings tell only durations of what is below a root; the calls of a sync follow each other without a break, so
    the last one began its own length before the sync's end.
    """
    syncs = [root for root in recording["roots"] if root["name"] == "syncPod" and root.get("children")]
    return [
        (sync["at_ms"] + sync["ms"] - sync["children"][-1]["ms"]) / 1000
        for sync in syncs
        if sync["children"][-1]["name"].endswith(f"/{rpc}")
    ]


def _from_recording(node: Mapping[str, Any]) -> Call:
    return Call(
        name=node["name"],
        side="kubelet" if node["service"] == "kubelet" else "runtime",
        kind=node["kind"],
        attributes=_sync_attributes(node.get("attributes", {})),
        error=_without_uid(node.get("error")),
        children=tuple(_from_recording(child) for child in node.get("children", ())),
    )


def _from_span(span: Span, by_parent: Mapping[tuple[str, str], Sequence[Span]]) -> Call:
    children = sorted(by_parent.get((span.trace_id, span.span_id), ()), key=lambda child: child.start)
    return Call(
        name=span.name,
        side="kubelet" if span.service == "kubelet" else "runtime",
        kind=span.kind,
        attributes=_sync_attributes(span.attributes),
        error=_without_uid(span.error),
        children=tuple(_from_span(child, by_parent) for child in children),
    )


def _sync_attributes(attributes: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Keep what names the pod and the update; the uid is a hash of paths that differ, calls have their own tests."""
    shown = ("k8s.pod", "k8s.pod.name", "k8s.pod.update_type", "k8s.namespace.name")
    return tuple((key, str(attributes[key])) for key in shown if key in attributes)


def _without_uid(text: str | None) -> str | None:
    return None if text is None else UID.sub("(uid)", text)
