"""What a span costs, how fast spans reach a receiver, and how many a burst loses."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench.figure import Figure
from kubeletsim.base.telemetry import Telemetry, TracingSettings, open_telemetry
from tests.lab import Lab, running

BURST = 60_000


def _record(telemetry: Telemetry, count: int) -> float:
    """Record that many small root spans; return the seconds of processor time it took, sending included."""
    tracer = telemetry.tracer("bench")
    attributes = {"k8s.pod.name": "web", "k8s.namespace.name": "default", "rpc.system.name": "grpc"}
    begin = time.process_time()
    for _ in range(count):
        with tracer.start_as_current_span("bench", attributes=attributes):
            pass
    return time.process_time() - begin


async def figures() -> AsyncIterator[Figure]:
    """Measure recorded spans beside no-op ones, then a burst against a live receiver in another process."""
    async with open_telemetry(None, resource={}, environ={}) as off:
        noop = _record(off, BURST) / BURST * 1e6
    with tempfile.TemporaryDirectory(prefix="ks-bench-") as directory, running(Lab(Path(directory))) as lab:
        lab.start_collector()
        settings = TracingSettings(endpoint=f"127.0.0.1:{lab.grpc_port}", sampling_rate_per_million=1_000_000)
        telemetry = open_telemetry(settings, resource={"service.name": "bench"}, environ={})
        begin = time.perf_counter()
        cost = _record(telemetry, BURST) / BURST * 1e6
        await telemetry.shutdown(timeout_seconds=60)
        total = time.perf_counter() - begin
        await asyncio.sleep(1)
        stored = len(lab.spans())
    yield Figure("processor time of a recorded span, sent", cost, "µs", "a span of the no-op provider", noop)
    yield Figure("spans stored by a live receiver", stored / total, "1/s")
    yield Figure(f"spans lost of a burst of {BURST:,}", BURST - stored, "", limit="<= 0")
