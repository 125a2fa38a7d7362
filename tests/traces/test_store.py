"""Claims about the store: nothing is changed, doubled or lost, and questions get their answers."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces.batch import Root
from kubeletsim.traces.filters import TraceFilter, parse_attribute
from kubeletsim.traces.schema import VERSION
from kubeletsim.traces.store import AddResult, NoTraceStore, TraceStore, TraceStoreError
from tests.fakes.traces import MS, START_NS, resource_spans, span_message
from tests.strategies import otlp_resource_spans


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TraceStore]:
    with TraceStore.create(tmp_path / "traces.db") as created:
        yield created


def trace_id(number: int) -> str:
    return f"{number:032x}"


def ids(store: TraceStore, **wanted: object) -> list[int]:
    return [int(one, 16) for one in store.trace_ids(TraceFilter(**wanted))]  # type: ignore[arg-type]


def scopes_and_spans(messages: list[ResourceSpans]) -> set[tuple[bytes, bytes]]:
    """Return all spans that have usable ids, each with its scope, in their encoded form."""
    return {
        (scope_spans.scope.SerializeToString(), span.SerializeToString())
        for one in messages
        for scope_spans in one.scope_spans
        for span in scope_spans.spans
        if any(span.trace_id) and any(span.span_id)
    }


def spans_in(messages: list[ResourceSpans]) -> list[SpanMessage]:
    return [span for one in messages for scope_spans in one.scope_spans for span in scope_spans.spans]


@settings(max_examples=40, deadline=None)  # examples are large
@given(otlp_resource_spans())
def test_spans_come_out_as_they_went_in(made: ResourceSpans) -> None:
    with TemporaryDirectory() as directory, TraceStore.create(f"{directory}/traces.db") as store:
        result = store.add([made])
        out = [one for trace in store.trace_ids() for one in store.resource_spans(trace)]

    assert scopes_and_spans(out) == scopes_and_spans([made])
    assert result.stored == len(scopes_and_spans([made]))
    assert all((one.resource, one.schema_url) == (made.resource, made.schema_url) for one in out)


@settings(max_examples=40, deadline=None)  # examples are large
@given(otlp_resource_spans())
def test_bare_spans_are_the_spans_without_what_they_list(made: ResourceSpans) -> None:
    with TemporaryDirectory() as directory, TraceStore.create(f"{directory}/traces.db") as store:
        store.add([made])
        bare = {"attributes": {}, "resource": {}, "events": (), "links": (), "flags": 0, "trace_state": ""}
        for trace in store.trace_ids():
            whole = [replace(one, scope="", scope_version="", **bare) for one in store.spans(trace)]  # type: ignore[arg-type]
            assert sorted(map(repr, store.bare_spans(trace))) == sorted(map(repr, whole))


def test_fields_of_a_newer_otlp_are_kept(store: TraceStore) -> None:
    unknown_field_2000_holding_7 = b"\x80\x7d\x07"
    span = SpanMessage.FromString(span_message().SerializeToString() + unknown_field_2000_holding_7)
    store.add([resource_spans(span)])

    [out] = spans_in(store.resource_spans(trace_id(1)))
    assert out.SerializeToString().endswith(unknown_field_2000_holding_7)


def test_a_request_sent_twice_is_stored_once(store: TraceStore) -> None:
    request = [resource_spans(span_message(span=1), span_message(span=2, parent=1))]

    first, second = store.add(request), store.add(request)

    assert (first.stored, first.duplicates) == (2, 0)
    assert (second.stored, second.duplicates) == (0, 2)
    assert len(store.spans(trace_id(1))) == 2


def test_different_spans_with_the_same_ids_both_stay(store: TraceStore) -> None:
    store.add([resource_spans(span_message("client")), resource_spans(span_message("server"), service="containerd")])

    assert sorted(span.name for span in store.spans(trace_id(1))) == ["client", "server"]


def test_a_trace_grows_with_late_spans_and_a_late_root(store: TraceStore) -> None:
    store.add([resource_spans(span_message("child", span=2, parent=1, start_ms=5, ms=10), service="containerd")])
    [early] = store.traces()
    assert (early.root_name, early.root_service, early.spans) == ("", "", 1)

    store.add([resource_spans(span_message("syncPod", span=1, start_ms=0, ms=20, error="no"))])
    [summary] = store.traces()
    assert (summary.root_name, summary.root_service) == ("syncPod", "kubelet")
    assert (summary.spans, summary.errors) == (2, 1)
    assert summary.services == ["containerd", "kubelet"]
    assert (summary.start_ns, summary.duration_ns) == (START_NS, 20 * MS)


def test_of_several_roots_the_first_to_start_names_the_trace(store: TraceStore) -> None:
    for span, start_ms in ((1, 5), (2, 3), (3, 9)):
        store.add([resource_spans(span_message(f"root{span}", span=span, start_ms=start_ms))])

    assert [trace.root_name for trace in store.traces()] == ["root2"]


def test_adding_tells_of_roots(store: TraceStore) -> None:
    result = store.add([resource_spans(span_message(ms=3, error="no"), span_message("x", span=2, parent=1))])

    assert result == AddResult(2, 0, 0, [Root(trace_id(1), "kubelet", "syncPod", 3 * MS, True)])


def test_filters_find_what_they_say(store: TraceStore) -> None:
    store.add([
        resource_spans(
            span_message("syncPod", trace=1, start_ms=1, ms=50, k8s__pod__name="web-1"),
            span_message("syncPod", trace=2, start_ms=2, ms=300, k8s__pod__name="db-1", error="no"),
            span_message("Images/GarbageCollect", trace=3, start_ms=3, ms=5, count=7, flag=True),
            host="node-a",
        ),
        resource_spans(span_message("RunPodSandbox", trace=1, span=2, parent=1, start_ms=2), service="containerd"),
    ])  # fmt: skip

    assert ids(store) == [3, 2, 1]
    assert ids(store, limit=2) == [3, 2]
    assert ids(store, service="containerd") == [1]
    assert ids(store, root_name="sync*") == [2, 1]
    assert ids(store, root_name="syncpod") == []
    assert ids(store, operation="RunPodSandbox") == [1]
    assert ids(store, operation="*Collect") == [3]
    assert ids(store, operation="RunPodSandbox", service="kubelet") == []
    assert ids(store, error=True) == [2]
    assert ids(store, min_duration_ns=50 * MS) == [2, 1]
    assert ids(store, max_duration_ns=50 * MS) == [3, 1]
    assert ids(store, since_ns=START_NS + 2 * MS) == [3, 2]
    assert ids(store, until_ns=START_NS + 2 * MS) == [2, 1]
    for attribute, found in {
        "k8s.pod.name=web-1": [1],
        "k8s.pod.name=*-1": [2, 1],
        "count=7": [3],
        "flag=true": [3],
        "count=8": [],
        "host=node-a": [3, 2, 1],
        "service.name=containerd": [1],
        "nothing=*": [],
    }.items():
        assert ids(store, attributes=[parse_attribute(attribute)]) == found, attribute
    both = [parse_attribute("host=node-?"), parse_attribute("k8s.pod.name=*")]
    assert ids(store, attributes=both, limit=1) == [2]
    assert ids(store, attributes=[parse_attribute("k8s.pod.name=web-1"), parse_attribute("count=7")]) == []


def test_an_attribute_with_many_values_is_found(store: TraceStore) -> None:
    spans = (span_message(trace=number, span=number, id=f"id-{number}", n=number) for number in range(1, 500))
    store.add([resource_spans(*spans)])

    assert ids(store, attributes=[parse_attribute("id=id-77")]) == [77]
    assert ids(store, attributes=[parse_attribute("id=id-7?")]) == list(range(79, 69, -1))
    assert ids(store, attributes=[parse_attribute("n=77")]) == [77]
    assert ids(store, attributes=[parse_attribute("id=id-500")]) == []


def test_an_attribute_is_found_among_more_batches_than_are_looked_up_one_by_one(store: TraceStore) -> None:
    for number in range(1, 80):
        store.add([resource_spans(span_message(trace=number, start_ms=number, pod=f"web-{number % 2}", n=number))])

    assert ids(store, attributes=[parse_attribute("pod=web-*")], limit=3) == [79, 78, 77]
    assert ids(store, attributes=[parse_attribute("pod=web-0")], limit=2) == [78, 76]
    assert ids(store, attributes=[parse_attribute("pod=web-0"), parse_attribute("n=4")]) == [4]


def test_a_part_that_comes_again_with_something_new_adds_only_that(store: TraceStore) -> None:
    one, two, three = (span_message(span=number, parent=number - 1) for number in (1, 2, 3))
    store.add([resource_spans(one, two)])
    result = store.add([resource_spans(two, three)])

    assert (result.stored, result.duplicates) == (1, 1)
    assert [span.span_id[-1] for span in store.spans(trace_id(1))] == ["1", "2", "3"]
    assert [summary.spans for summary in store.traces()] == [3]


def test_a_writer_that_was_started_again_knows_what_came_before(store: TraceStore) -> None:
    request = [resource_spans(span_message(pod="web"))]
    store.add(request)
    with TraceStore.create(store.path) as again:
        assert again.add(request).duplicates == 1
        again.add([resource_spans(span_message(trace=2, pod="web"))])

        assert ids(again, attributes=[parse_attribute("pod=web")]) == [2, 1]


def test_an_id_is_found_by_its_beginning(store: TraceStore) -> None:
    for number in (0xAB << 120, (0xAB << 120) + 1, 0xCD << 120):
        store.add([resource_spans(span_message(trace=number))])

    assert store.find("c") == ["cd" + "0" * 30]
    assert store.find("CD0") == ["cd" + "0" * 30]
    assert len(store.find("ab")) == 2
    assert len(store.find("ab", limit=1)) == 1
    assert store.find("ab" + "0" * 30) == ["ab" + "0" * 30]
    assert store.find("ef") == store.find("xyz") == store.find("") == store.find("a" * 33) == []


def test_an_unknown_trace_has_no_spans(store: TraceStore) -> None:
    assert store.spans(trace_id(9)) == []


def test_readers_see_the_last_commit_while_the_writer_goes_on(store: TraceStore) -> None:
    store.add([resource_spans(span_message(trace=1))])
    with TraceStore.open(store.path) as reader, TraceStore.open(store.path) as another:
        listing = reader.traces()
        assert next(listing).trace_id == trace_id(1)  # a reader in the middle of its answer
        store.add([resource_spans(span_message(trace=2))])

        assert len(list(another.trace_ids())) == 2
        assert list(listing) == []


def test_a_reader_cannot_write(store: TraceStore) -> None:
    with TraceStore.open(store.path) as reader, pytest.raises(TraceStoreError, match="readonly"):
        reader.add([resource_spans(span_message())])


def test_a_store_is_opened_again_with_what_it_holds(store: TraceStore) -> None:
    store.add([resource_spans(span_message())])
    store.close()
    with TraceStore.create(store.path) as again:
        again.add([resource_spans(span_message(span=2, parent=1))])

        assert len(again.spans(trace_id(1))) == 2


def test_a_failed_transaction_leaves_nothing_behind_and_the_next_one_works(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "traces.db") as store:
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages + 5}")  # a full disk
        with pytest.raises(TraceStoreError, match=r"traces\.db: database or disk is full"):
            store.add([resource_spans(span_message(text=os.urandom(50_000).hex()))])
        assert list(store.trace_ids()) == []

        store._db.execute("PRAGMA max_page_count = 1000000")
        store.add([resource_spans(span_message(text=os.urandom(50_000).hex()))])
        assert len(list(store.trace_ids())) == 1


@pytest.mark.parametrize("missing", ["none.db", "no/dir/none.db", "."])
def test_a_missing_store_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(NoTraceStore, match="no trace store here; `kubeletsim traces collect --db"):
        TraceStore.open(tmp_path / missing)


def test_another_file_is_not_touched(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, but long enough to look like one" * 20)
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE theirs (id)")
    db.close()
    empty = tmp_path / "empty.db"
    empty.touch()

    for path in (text, other):
        before = path.read_bytes()
        for way in (TraceStore.open, TraceStore.create):
            with pytest.raises(NoTraceStore, match="not a trace store"):
                way(path)
        assert path.read_bytes() == before
    with pytest.raises(NoTraceStore, match="not a trace store"):
        TraceStore.open(empty)
    TraceStore.create(empty).close()


def test_a_store_of_a_newer_program_is_refused(store: TraceStore) -> None:
    store._db.execute(f"PRAGMA user_version = {VERSION + 1}")
    store.close()

    with pytest.raises(TraceStoreError, match="written by a newer kubeletsim"):
        TraceStore.open(store.path)


def test_a_store_of_an_older_program_is_refused(store: TraceStore) -> None:
    store._db.execute("PRAGMA user_version = 1")
    store.close()

    for way in (TraceStore.open, TraceStore.create):
        with pytest.raises(TraceStoreError, match=r"written by an older kubeletsim .format 1, this one has 3.; export"):
            way(store.path)


def test_a_damaged_store_is_an_error_with_its_name(store: TraceStore) -> None:
    for number in range(1, 200):
        store.add([resource_spans(span_message(trace=number, text="x" * 500))])
    store.close()
    content = bytearray(store.path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    store.path.write_bytes(content)

    with pytest.raises(TraceStoreError, match=r"traces\.db: "), TraceStore.open(store.path) as damaged:
        list(damaged.traces())


def test_what_was_acknowledged_survives_kill_minus_nine(tmp_path: Path) -> None:
    path = tmp_path / "traces.db"
    program = textwrap.dedent("""
        import itertools, sys
        from kubeletsim.traces.store import TraceStore
        from tests.fakes.traces import resource_spans, span_message
        store = TraceStore.create(sys.argv[1])
        for number in itertools.count(1):
            store.add([resource_spans(*(span_message(trace=number, span=span) for span in range(1, 20)))])
            print(number, flush=True)
    """)
    writer = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    with writer.stdout:
        acknowledged = [int(writer.stdout.readline()) for _ in range(50)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().split()]
    writer.wait()

    with TraceStore.open(path) as store:
        assert set(acknowledged) <= set(ids(store))
        assert all(trace.spans == 19 for trace in store.traces())  # a transaction is there whole or not at all
    with TraceStore.create(path) as store:
        store.add([resource_spans(span_message(trace=10**9))])
        assert 10**9 in ids(store)


def test_who_links_to_a_span_is_known_whenever_it_came(store: TraceStore) -> None:
    def linking(name: str, *, trace: int, to: tuple[int, int]) -> SpanMessage:
        message = span_message(name, trace=trace)
        message.links.add(trace_id=to[0].to_bytes(16, "big"), span_id=to[1].to_bytes(8, "big"))
        return message

    store.add([resource_spans(linking("early", trace=2, to=(1, 7)), linking("elsewhere", trace=3, to=(1, 8)))])
    store.add([resource_spans(span_message(span=7))])
    store.add([resource_spans(linking("late", trace=4, to=(1, 7)), linking("nowhere", trace=5, to=(0, 0)))])

    assert [(one.name, one.trace_id) for one in store.linking(trace_id(1), f"{7:016x}")] == [
        ("late", trace_id(4)),
        ("early", trace_id(2)),
    ]
    assert [one.name for one in store.linking(trace_id(1), f"{9:016x}")] == []


def test_an_attribute_of_many_values_is_found_by_a_pattern(store: TraceStore) -> None:
    for batch in range(3):
        spans = [span_message(trace=1000 * batch + number, id=f"{batch}-{number:03}-x") for number in range(1, 200)]
        store.add([resource_spans(*spans)])

    assert ids(store, attributes=[parse_attribute("id=1-17?-*")]) == list(range(1179, 1169, -1))
    assert ids(store, attributes=[parse_attribute("id=*-042-x")]) == [2042, 1042, 42]
    assert ids(store, attributes=[parse_attribute("id=2-100-x")]) == [2100]
    assert ids(store, attributes=[parse_attribute("id=042")]) == []
