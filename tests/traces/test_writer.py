"""Claims about the writer: every sender gets its own answer, after the commit."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from kubeletsim.traces.batch import Root
from kubeletsim.traces.store import TraceStore, TraceStoreError
from kubeletsim.traces.writer import writing_to
from tests.fakes.traces import payload, resource_spans, span_message


async def test_an_answer_means_that_the_spans_are_committed(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "traces.db") as store, TraceStore.open(store.path) as reader:
        async with writing_to(store) as writer:
            assert await writer.add(payload(resource_spans(span_message()))) == 0
            assert len(list(reader.trace_ids())) == 1


async def test_each_sender_learns_of_its_own_refused_spans(tmp_path: Path) -> None:
    bad = span_message()
    bad.span_id = b""
    with TraceStore.create(tmp_path / "traces.db") as store:
        async with writing_to(store) as writer:
            answers = await asyncio.gather(
                writer.add(payload(resource_spans(span_message(trace=1)))),
                writer.add(payload(resource_spans(bad, bad))),
                writer.add(payload(resource_spans(span_message(trace=2), bad))),
            )
        assert answers == [0, 2, 1]
        assert len(list(store.trace_ids())) == 2


async def test_hundreds_of_senders_at_once_are_all_served(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "traces.db") as store:
        async with writing_to(store) as writer:
            await asyncio.gather(
                *(writer.add(payload(resource_spans(span_message(trace=number)))) for number in range(1, 301))
            )
        assert len(list(store.trace_ids())) == 300


async def test_leaving_the_block_commits_what_is_waiting(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "traces.db") as store:
        async with asyncio.TaskGroup() as senders:
            async with writing_to(store) as writer:
                sending = [
                    senders.create_task(writer.add(payload(resource_spans(span_message(trace=number)))), name="sender")
                    for number in range(1, 6)
                ]
                await asyncio.sleep(0)
            assert [task.result() for task in sending] == [0] * 5
        assert len(list(store.trace_ids())) == 5


async def test_roots_are_told_after_their_commit(tmp_path: Path) -> None:
    told: list[Root] = []

    def on_roots(roots: Sequence[Root]) -> None:
        with TraceStore.open(tmp_path / "traces.db") as reader:
            assert reader.find(roots[0].trace_id)
        told.extend(roots)

    with TraceStore.create(tmp_path / "traces.db") as store:
        async with writing_to(store, on_roots=on_roots) as writer:
            await writer.add(payload(resource_spans(span_message("syncPod"), span_message("child", span=2, parent=1))))

    assert [root.name for root in told] == ["syncPod"]


async def test_every_sender_of_a_failed_transaction_is_told(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "traces.db") as store:
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages + 5}")
        async with writing_to(store) as writer:
            large = [
                writer.add(payload(resource_spans(span_message(trace=n, text=os.urandom(50_000).hex()))))
                for n in (1, 2)
            ]
            results = await asyncio.gather(*large, return_exceptions=True)
            store._db.execute("PRAGMA max_page_count = 1000000")

            assert [type(result) for result in results] == [TraceStoreError, TraceStoreError]
            assert await writer.add(payload(resource_spans(span_message(trace=3)))) == 0


async def test_a_sender_that_goes_away_does_not_stop_the_writer(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "traces.db") as store:
        async with writing_to(store) as writer:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(writer.add(payload(resource_spans(span_message(trace=1)))), 0)
            await writer.add(payload(resource_spans(span_message(trace=2))))
        assert len(list(store.trace_ids())) >= 1


async def test_an_error_in_the_block_is_not_hidden_by_the_writer(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "traces.db") as store:
        with pytest.raises(ExceptionGroup) as caught:
            async with writing_to(store):
                raise KeyError("theirs")

        assert caught.group_contains(KeyError)
