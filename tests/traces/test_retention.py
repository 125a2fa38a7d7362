"""Claims about retention: limits hold, whole traces go, the oldest arrivals first, and the store stays sound."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.traces.filters import TraceFilter, parse_attribute
from kubeletsim.traces.retention import Retention, parse_size
from kubeletsim.traces.store import TraceStore
from kubeletsim.traces.writer import writing_to
from tests.fakes.traces import payload, resource_spans, span_message

MINUTE_NS = 60 * 10**9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    with TraceStore.create(tmp_path / "traces.db") as created:
        yield created


def traces(store: TraceStore) -> list[int]:
    return sorted(int(one, 16) for one in store.trace_ids())


def fill(store: TraceStore, *numbers: int) -> None:
    for number in numbers:
        spans = (span_message(trace=number, span=span, pod=f"web-{number}") for span in (1, 2))
        store.add([resource_spans(*spans)])


def test_the_latest_spans_are_kept(store: TraceStore) -> None:
    fill(store, 1, 2, 3)

    assert store.expire(Retention(max_spans=6), now_ns=0) == 0
    assert store.expire(Retention(max_spans=5), now_ns=0) == 2
    assert traces(store) == [2, 3]
    assert store.expire(Retention(max_spans=1), now_ns=0) == 4
    assert traces(store) == []


def test_what_arrived_too_long_ago_goes(store: TraceStore) -> None:
    fill(store, 1, 2)
    store._db.execute("UPDATE batches SET received_ns = id * 60000000000")

    assert store.expire(Retention(max_age_seconds=1e20), now_ns=2 * MINUTE_NS) == 0
    assert store.expire(Retention(max_age_seconds=60), now_ns=2 * MINUTE_NS) == 0
    assert store.expire(Retention(max_age_seconds=59), now_ns=2 * MINUTE_NS) == 2
    assert traces(store) == [2]


def test_a_store_stops_growing_at_its_size(store: TraceStore) -> None:
    limit = Retention(max_bytes=1_000_000)
    for number in range(1, 60):
        store.add([resource_spans(span_message(trace=number, text=os.urandom(20_000).hex()))])
        store.expire(limit, now_ns=0)

    assert 10 <= len(traces(store)) < 50
    assert traces(store)[-1] == 59
    store.close()
    assert store.path.stat().st_size < 1_300_000


def test_a_trace_is_there_whole_or_not_at_all(store: TraceStore) -> None:
    fill(store, 1)
    store.add([resource_spans(span_message(trace=1, span=3), span_message(trace=2, span=1))])
    store.expire(Retention(max_spans=2), now_ns=0)

    assert traces(store) == [2]
    store.add([resource_spans(span_message(trace=1, span=4))])
    assert [len(store.spans(f"{number:032x}")) for number in (1, 2)] == [1, 1]


def test_a_store_that_made_room_finds_what_is_left_and_takes_what_comes(store: TraceStore) -> None:
    fill(store, 1, 2)
    store.expire(Retention(max_spans=2), now_ns=0)
    fill(store, 1, 3)

    for number in (1, 2, 3):
        wanted = TraceFilter(attributes=[parse_attribute(f"pod=web-{number}")], service="kubelet")
        assert list(store.trace_ids(wanted)) == [f"{number:032x}"]
    assert [trace.spans for trace in store.traces()] == [2, 2, 2]


def test_a_writer_notices_that_another_has_made_room(store: TraceStore) -> None:
    fill(store, 1)
    with TraceStore.create(store.path) as other:
        assert other.expire(Retention(max_spans=1), now_ns=0) == 2
    fill(store, 1)

    wanted = TraceFilter(attributes=[parse_attribute("pod=web-1")], service="kubelet")
    assert [trace.services for trace in store.traces(wanted)] == [["kubelet"]]


async def test_a_writer_makes_room_by_itself(store: TraceStore) -> None:
    fill(store, 1, 2, 3)
    async with writing_to(store, retention=Retention(max_spans=3)) as writer:
        await writer.add(payload(resource_spans(span_message(trace=4))))

    assert traces(store) == [3, 4]


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("500MB", 5 * 10**8), ("2GiB", 2 << 30), ("1.5 K", 1500), ("3Ti", 3 << 40)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@given(st.one_of(st.text(max_size=8), st.from_regex(r"[0-9]{1,400}[KMGT]?", fullmatch=True)))
def test_what_is_no_size_is_refused(text: str) -> None:
    try:
        size = parse_size(text)
    except ValueError:
        size = 1

    assert size > 0
