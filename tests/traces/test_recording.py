"""Claims about recordings: a trace equals what it was recorded as, and a document of another shape is told so."""

import json
from pathlib import Path
from typing import Any

import pytest

from kubeletsim.traces.recording import RecordingError, diff_with_recording, recorded_roots
from kubeletsim.traces.tree import build_forest
from tests.fakes.traces import recorded_trace

GOLDEN = Path(__file__).parents[1] / "golden"
SPAN: dict[str, Any] = {"name": "a", "service": "s", "ms": 1}


@pytest.mark.parametrize("scenario", ["single", "two", "init", "crash", "noimage"])
def test_a_trace_equals_the_recording_it_is_from(scenario: str) -> None:
    document = json.loads((GOLDEN / f"{scenario}.json").read_text())
    roots = recorded_roots(document)
    diff = diff_with_recording(roots, build_forest(recorded_trace(scenario)))

    assert len(roots) == len(document["roots"])
    assert diff is not None
    assert diff.same_structure


def test_of_several_roots_the_one_that_differs_least_is_taken() -> None:
    document = json.loads((GOLDEN / "crash.json").read_text())
    syncs = [number for number, root in enumerate(document["roots"]) if root["name"] == "syncPod"]

    for number in syncs[:3]:
        diff = diff_with_recording(recorded_roots(document), build_forest(recorded_trace("crash", root=number)))
        assert diff is not None
        assert diff.same_structure


def test_a_trace_with_another_root_cannot_be_compared() -> None:
    assert diff_with_recording(recorded_roots({"roots": [SPAN]}), build_forest(recorded_trace("single"))) is None


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ([], "roots: want a list"),
        ({"roots": []}, "roots: want a list"),
        ({"roots": [7]}, r"roots\[0\]: want an object"),
        ({"roots": [{**SPAN, "name": 7}]}, r"roots\[0\]: name and service"),
        ({"roots": [SPAN, {**SPAN, "ms": -1}]}, r"roots\[1\]\.ms: want milliseconds"),
        ({"roots": [{**SPAN, "ms": float("nan")}]}, r"roots\[0\]\.ms"),
        ({"roots": [{**SPAN, "children": {"a": 1}}]}, r"roots\[0\]\.children: want a list"),
        (
            {"roots": [{**SPAN, "children": [SPAN, {**SPAN, "children": [None]}]}]},
            r"roots\[0\]\.children\[1\]\.children",
        ),
        ({"roots": [{**SPAN, "attributes": [1]}]}, r"roots\[0\]\.attributes: want an object"),
    ],
)
def test_a_document_of_another_shape_is_told_where(document: object, where: str) -> None:
    with pytest.raises(RecordingError, match=where):
        recorded_roots(document)
