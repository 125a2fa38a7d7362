from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.config.merge import merge_patch
from tests.strategies import json_documents


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7386_hold(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result


@given(json_documents(), json_documents())
def test_a_patch_applied_twice_does_no_more_than_once(target: Any, patch: Any) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(json_documents())
def test_an_empty_mapping_changes_no_mapping(target: Any) -> None:
    assert merge_patch(target, {}) == (target if isinstance(target, dict) else {})


@given(json_documents(), json_documents())
def test_merging_changes_neither_part(target: Any, patch: Any) -> None:
    before = repr(target), repr(patch)
    merge_patch(target, patch)
    assert (repr(target), repr(patch)) == before


@given(st.dictionaries(st.text(), json_documents()), st.dictionaries(st.text(), json_documents()))
def test_keys_the_patch_does_not_name_stay(target: dict[str, Any], patch: dict[str, Any]) -> None:
    merged = merge_patch(target, patch)
    assert {key: merged[key] for key in target if key not in patch} == {
        key: target[key] for key in target if key not in patch
    }
    assert not any(patch[key] is None and key in merged for key in patch)
