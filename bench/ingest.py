"""How fast the trace receiver stores spans that another process sends, and what it takes to find some again."""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import psutil
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench.figure import Figure
from kubeletsim.traces.filters import TraceFilter
from kubeletsim.traces.query_language import parse_query
from kubeletsim.traces.store import TraceStore
from tests.lab import Lab, Program, running

REQUESTS, SPANS_A_REQUEST, AT_ONCE = 400, 1_000, 4
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
VICTORIA = "VictoriaTraces, quoted: same machine"
OPERATIONS = [f"runtime.v1.RuntimeService/Call{number}" for number in range(20)]


def request(rng: random.Random, *, spans_a_trace: int, now_ns: int) -> bytes:
    """Return an encoded request of 1,000 spans with five attributes each: a kubelet's calls to its runtime."""
    made = ExportTraceServiceRequest()
    resource_spans = made.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = "kubelet"
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "bench"
    for number in range(SPANS_A_REQUEST):
        if number % spans_a_trace == 0:
            trace_id, root = rng.randbytes(16), rng.randbytes(8)
        first = number % spans_a_trace == 0
        start_ns = now_ns + rng.randrange(10**9)
        span = scope_spans.spans.add(
            trace_id=trace_id,
            span_id=root if first else rng.randbytes(8),
            parent_span_id=b"" if first else root,
            name="syncPod" if first else OPERATIONS[number % len(OPERATIONS)],
            kind=3,
            start_time_unix_nano=start_ns,
            end_time_unix_nano=start_ns + rng.randrange(10**8),
        )
        pod = f"web-{rng.randrange(50)}"
        texts = {"k8s.pod.name": pod, "k8s.namespace.name": "default", "rpc.system.name": "grpc"}
        for key, text in texts.items():
            span.attributes.add(key=key).value.string_value = text
        span.attributes.add(key="container.id").value.string_value = rng.randbytes(16).hex()
        span.attributes.add(key="rpc.response.size").value.int_value = rng.randrange(10_000)
    return made.SerializeToString()


def send(address: str, spans_a_trace: int) -> None:
    """Make the requests, then send them, a few at a time; print the seconds from the first to the last answer."""
    rng, now_ns = random.Random(1), time.time_ns()
    requests = [request(rng, spans_a_trace=spans_a_trace, now_ns=now_ns + n * 10**7) for n in range(REQUESTS)]
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(AT_ONCE) as threads:
        export = channel.unary_unary(EXPORT)
        begin = time.perf_counter()
        for answer in threads.map(export, requests):
            if answer:
                raise ValueError(f"some spans were refused: {answer!r}")
        print(time.perf_counter() - begin)


def _ingest(lab: Lab, spans_a_trace: int) -> float:
    """Return the spans per second that a sender in a process of its own brought into the lab's store."""
    command = [sys.executable, "-m", "bench.ingest", f"127.0.0.1:{lab.grpc_port}", str(spans_a_trace)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return REQUESTS * SPANS_A_REQUEST / float(done.stdout)


def _peak_memory_mb(program: Program) -> float:
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return next(int(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("VmHWM"))


def _processor_seconds(program: Program) -> float:
    times = psutil.Process(program.process.pid).cpu_times()
    return times.user + times.system


def _seconds(ask: Callable[[], object]) -> float:
    begin = time.perf_counter()
    ask()
    return time.perf_counter() - begin


def _questions(store: TraceStore) -> Iterator[Figure]:
    def query(text: str) -> TraceFilter:
        return parse_query(text, now_ns=time.time_ns())

    size = f"{sum(trace.spans for trace in store.traces()):,} spans"
    for text in ("limit:20", "k8s.pod.name=web-7* limit:20", "container.id=none", "operation:none", "error"):
        took = _seconds(lambda text=text: list(store.traces(query(text))))  # type: ignore[misc]
        yield Figure(f"list of {text}, {size}", took, "s", limit="<= 0.3")


def figures() -> Iterator[Figure]:
    """Measure traces of 20 spans, as a kubelet makes them, and of 1,000, with the sender in another process."""
    for spans_a_trace in (20, 1_000):
        with tempfile.TemporaryDirectory(prefix="ks-bench-") as directory, running(Lab(Path(directory))) as lab:
            collector = lab.start_collector()
            before = _processor_seconds(collector)
            rate = _ingest(lab, spans_a_trace)
            cost = (_processor_seconds(collector) - before) / (REQUESTS * SPANS_A_REQUEST)
            peak = _peak_memory_mb(collector)
            with TraceStore.open(lab.database) as store:
                lost = REQUESTS * SPANS_A_REQUEST - sum(trace.spans for trace in store.traces())
                what = f"traces of {spans_a_trace:,}"
                yield Figure(f"spans stored, {what}", rate, "1/s", VICTORIA, 99_700, ">= 50000")
                # Says the same on a busy machine: 20 µs are 50,000 a second on one core, the sender has the other.
                yield Figure(f"processor time a span, {what}", cost * 1e6, "µs", limit="<= 20")
                yield Figure(f"resident memory meanwhile, {what}", peak, "MB", VICTORIA, 113, "<= 200")
                yield Figure(f"spans lost, {what}", lost, "", limit="<= 0")
                size = os.path.getsize(lab.database) / (REQUESTS * SPANS_A_REQUEST)  # noqa: PTH202  as text or path
                yield Figure(f"stored bytes a span, {what}", size, "B")
                yield from _questions(store)
                latest = next(store.trace_ids())
                yield Figure(f"one trace decoded, {what}", _seconds(lambda: store.spans(latest)), "s")  # noqa: B023


if __name__ == "__main__":
    send(sys.argv[1], int(sys.argv[2]))
