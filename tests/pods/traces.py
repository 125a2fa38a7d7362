"""Spans in memory as trees, and recordings as the same kind of trees, so that the two can be compared.

A tree is one line for each span: name, why, how it failed; children are indented. Only the kubelet's own spans count:
the fake runtime makes none beneath.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import StatusCode

from tests.shapes import root_line

GOLDEN = Path(__file__).parent.parent / "golden"
POD_ROOTS = ("syncPod", "syncTerminatingPod", "syncTerminatedPod")
UID = re.compile(r"\([0-9a-f-]{32,36}\)")


def recording(scenario: str) -> dict[str, Any]:
    """Return a recording as it is."""
    return dict(json.loads((GOLDEN / f"{scenario}.json").read_text()))


def recorded_tree(scenario: str) -> list[str]:
    """Return the lines of a recording's pod."""
    roots = [root for root in recording(scenario)["roots"] if root["name"] in POD_ROOTS]
    return [line for root in roots for line in _recorded(root)]


def observed_tree(spans: Iterable[ReadableSpan], pod_name: str) -> list[str]:
    """Return the lines of the root spans of a pod, in order of their start."""
    every = list(spans)
    roots = [span for span in every if span.parent is None and (span.attributes or {}).get("k8s.pod.name") == pod_name]
    return [line for root in _by_start(roots) for line in _observed(root, every)]


def observed_lines(spans: Iterable[ReadableSpan], pod_name: str) -> list[str]:
    """Return the root spans of a pod as `tests/shapes.py` writes them."""
    every = list(spans)
    roots = [span for span in every if span.parent is None and (span.attributes or {}).get("k8s.pod.name") == pod_name]
    return [_root_line(root, every) for root in _by_start(roots)]


def orphan_calls(spans: Iterable[ReadableSpan]) -> list[str]:
    """Return the names of the CRI calls that are roots, without the service."""
    return [span.name.rpartition("/")[2] for span in _by_start(spans) if span.parent is None and "/" in span.name]


def _root_line(root: ReadableSpan, every: Sequence[ReadableSpan]) -> str:
    calls = [span for span in every if span.parent is not None and span.parent.span_id == root.context.span_id]
    return root_line(
        root.name,
        update_type=str((root.attributes or {}).get("k8s.pod.update_type", "")),
        error=root.status.description if _failed(root) else None,
        calls=[(call.name, _failed(call)) for call in _by_start(calls)],
    )


def _failed(span: ReadableSpan) -> bool:
    return span.status.status_code is StatusCode.ERROR


def _recorded(node: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    if node["service"] != "kubelet":
        return
    attributes = node.get("attributes", {})
    yield _line(node["name"], attributes, node.get("error"), depth)
    for child in node.get("children", ()):
        yield from _recorded(child, depth + 1)


def _observed(span: ReadableSpan, every: Sequence[ReadableSpan], depth: int = 0) -> Iterator[str]:
    error = span.status.description if _failed(span) else None
    yield _line(span.name, dict(span.attributes or {}), error, depth)
    mine = [one for one in every if one.parent is not None and one.parent.span_id == span.context.span_id]
    for child in _by_start(mine):
        yield from _observed(child, every, depth + 1)


def _line(name: str, attributes: Mapping[str, Any], error: str | None, depth: int) -> str:
    shown = [str(attributes[key]) for key in ("k8s.pod.update_type", "k8s.pod") if key in attributes]
    failed = ["ERROR", UID.sub("(uid)", error)] if error is not None else []
    return "  " * depth + " ".join([name, *shown, *failed])


def _by_start(spans: Iterable[ReadableSpan]) -> list[ReadableSpan]:
    return sorted(spans, key=lambda span: span.start_time or 0)
