"""A record is found by its id or by any beginning of it that is no other's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime_stub.state.identifiers import LookupFailure, Shelf

ids = st.text("01", min_size=1, max_size=6)


@given(st.sets(ids), ids)
def test_a_prefix_finds_exactly_the_record_it_belongs_to(present: set[str], prefix: str) -> None:
    shelf: Shelf[str] = Shelf()
    for id_ in present:
        shelf[id_] = id_
    matches = [id_ for id_ in present if id_.startswith(prefix)]

    if prefix in present or len(matches) == 1:
        assert shelf.resolve(prefix) == (prefix if prefix in present else matches[0])
    else:
        with pytest.raises(LookupFailure):
            shelf.resolve(prefix)


@given(st.lists(ids), st.lists(ids))
def test_what_was_removed_is_not_found(added: list[str], removed: list[str]) -> None:
    shelf: Shelf[str] = Shelf()
    for id_ in added:
        shelf[id_] = id_
    for id_ in set(removed) & set(added):
        del shelf[id_]

    assert set(shelf.values()) == set(added) - set(removed)
    assert all(shelf.get(id_) is None for id_ in removed)


@pytest.mark.parametrize(
    ("prefix", "text"),
    [("", "prefix can't be empty"), ("x", "not found"), ("a", "Multiple IDs found with provided prefix: a")],
)
def test_a_failure_is_worded_as_containerd_words_it(prefix: str, text: str) -> None:
    shelf: Shelf[int] = Shelf()
    shelf["aa"], shelf["ab"] = 1, 2

    with pytest.raises(LookupFailure) as failure:
        shelf.resolve(prefix)
    assert str(failure.value) == text
