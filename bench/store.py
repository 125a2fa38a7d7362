"""What a large store answers, and how fast: five million spans in traces of twenty.

An opt-in group, `python -m bench store`: filling the store takes two minutes. `KUBELETSIM_BENCH_STORE` names a file to
keep it in, so that the next run only asks.
"""

import os
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.figure import Figure
from bench.ingest import OPERATIONS, SPANS_A_REQUEST, request
from kubeletsim.traces.batch import Batch
from kubeletsim.traces.query_language import parse_query
from kubeletsim.traces.store import TraceStore

SPANS, SPANS_A_TRACE = 5_000_000, 20
QUESTIONS = (
    "limit:20",
    "error",
    "operation:none",
    f"operation:{OPERATIONS[3]} duration>900ms limit:20",
    "k8s.pod.name=web-7* limit:20",
    "container.id=none",
    "container.id=0123456789* limit:20",
    "container.id=*none*",
    "rpc.response.size=77?? limit:20",
)


def figures() -> Iterator[Figure]:
    """Ask a store of five million spans for lists."""
    with tempfile.TemporaryDirectory(prefix="ks-bench-") as directory:
        path = Path(os.environ.get("KUBELETSIM_BENCH_STORE", f"{directory}/traces.db"))
        if not path.exists():
            fill(path)
        with path.open("rb") as file:
            while file.read(1 << 20):  # into the page cache, where a store that is looked at or written to is anyway
                pass
        yield Figure(f"store of {SPANS:,} spans", path.stat().st_size / 1e9, "GB")
        for text in QUESTIONS:
            began = time.perf_counter()
            with TraceStore.open(path) as store:
                found = len(list(store.traces(parse_query(text, now_ns=time.time_ns()))))
            yield Figure(f"list of {text}", time.perf_counter() - began, "s", f"{found:,} traces", limit="<= 0.3")


def fill(path: Path) -> None:
    """Store the spans, a thousand a request and two requests a transaction, as a receiver under load would."""
    rng = random.Random(1)
    made = ExportTraceServiceRequest.FromString(request(rng, spans_a_trace=SPANS_A_TRACE, now_ns=0))
    now_ns = time.time_ns()
    with TraceStore.create(path) as store:
        for number in range(0, SPANS // SPANS_A_REQUEST, 2):
            batch = Batch()
            for each in (number, number + 1):
                _renew(made, rng, start_ns=now_ns - (SPANS // SPANS_A_REQUEST - each) * 10**9)
                batch.add(made.SerializeToString())
            store.add_batch(batch)


def _renew(made: ExportTraceServiceRequest, rng: random.Random, *, start_ns: int) -> None:
    """Give the spans of a request other ids, times and values; making them anew takes four times as long."""
    for number, span in enumerate(made.resource_spans[0].scope_spans[0].spans):
        if number % SPANS_A_TRACE == 0:
            trace_id, root = rng.randbytes(16), rng.randbytes(8)
        first = number % SPANS_A_TRACE == 0
        span.trace_id, span.span_id = trace_id, root if first else rng.randbytes(8)
        if not first:
            span.parent_span_id = root
        span.start_time_unix_nano = start_ns + rng.randrange(10**9)
        span.end_time_unix_nano = span.start_time_unix_nano + rng.randrange(10**8)
        span.attributes[0].value.string_value = f"web-{rng.randrange(50)}"
        span.attributes[3].value.string_value = rng.randbytes(16).hex()
        span.attributes[4].value.int_value = rng.randrange(10_000)
