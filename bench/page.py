"""The web page and its APIs, in a process of their own: Jaeger's queries, and a huge trace in headless Chromium."""

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bench.figure import Figure
from kubeletsim.traces.store import TraceStore
from tests.browser import browser
from tests.fakes.traces import resource_spans, span_message

HUGE_SPANS = 100_000
HUGE, ROUNDS, FRAMES = 0xF00D, 5, 240
COMPLETE_PIXELS = 1_000_000
SCROLL = """async ([frames, complete]) => {
  const body = document.querySelector('.rows'), times = [];
  let last = await new Promise(requestAnimationFrame);
  for (let frame = 0; frame < frames || body.scrollHeight < complete; frame++) {
    body.scrollTop = (body.scrollTop + (frame % 2 ? 400 : 9000)) % (body.scrollHeight - body.clientHeight);
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  return times;
}"""
"""From the end back to the top: while only some rows are there, the end is soon reached, and then nothing moves."""


def figures() -> Iterator[Figure]:
    """Measure Jaeger's API on traces of 1,000 spans, then open and scroll one of 100,000 spans."""
    with tempfile.TemporaryDirectory(prefix="kubeletsim-bench-") as directory:
        path = Path(directory) / "traces.db"
        _fill(path)
        with _serving(path) as url:
            one = _milliseconds(f"{url}api/traces/{1:032x}")
            yield Figure("Jaeger API: a trace of 1,000 spans", one, "ms", "VictoriaTraces 58, quoted", limit="<= 60")
            many = _milliseconds(f"{url}api/traces?service=kubelet&limit=20")
            yield Figure(
                "Jaeger API: 20 traces of 1,000 spans", many, "ms", "VictoriaTraces 540, quoted", limit="<= 300"
            )
            listed = _milliseconds(f"{url}api/v1/traces?limit=40")
            yield Figure("page API: a list of 40 traces", listed, "ms", limit="<= 300")
            yield from _huge(f"{url}trace/{HUGE:x}")


def _huge(url: str) -> Iterator[Figure]:
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 800})
        began = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.wait_for_selector(".row")
        rows = time.perf_counter() - began
        [paint] = page.evaluate("performance.getEntriesByName('first-contentful-paint').map(one => one.startTime)")
        yield Figure("page: 100,000 spans, first paint", paint, "ms")
        yield Figure("page: 100,000 spans, rows drawn", rows * 1000, "ms", limit="<= 1000")
        page.wait_for_timeout(300)  # what looks for rows here is a large script of the browser driver's own
        for when in ("while the rest of the rows arrives", "with all rows"):
            frames = sorted(page.evaluate(SCROLL, [FRAMES, COMPLETE_PIXELS]))
            beside = f"p95 {frames[-len(frames) // 20]:.0f} ms"
            yield Figure(
                f"page: 100,000 spans, longest frame of scrolling {when}", frames[-1], "ms", beside, limit="<= 50"
            )


def _fill(path: Path) -> None:
    """Store 40 traces of 1,000 spans with five attributes each, and the huge one."""
    chance = random.Random(1)
    with TraceStore.create(path) as store:
        for trace in range(1, 41):
            spans = (_span(trace, number, parent=number // 3, at_ms=trace * 1000) for number in range(1, 1001))
            store.add([resource_spans(*spans)])
        parents = (
            0 if number == 1 else max(1, number - chance.randrange(1, 40)) for number in range(1, HUGE_SPANS + 1)
        )
        spans = [_span(HUGE, number, parent=parent, at_ms=0) for number, parent in enumerate(parents, start=1)]
        store.add([resource_spans(*spans[0::2]), resource_spans(*spans[1::2], service="containerd")])


def _span(trace: int, number: int, *, parent: int, at_ms: int) -> Span:
    given = {"rpc__method": "Status", "k8s__pod__name": f"web-{number % 50}", "a": number, "b": "c" * 10, "good": True}
    name, start_ms = f"operation{number % 7}", at_ms + number // 10
    return span_message(name, trace=trace, span=number, parent=parent, start_ms=start_ms, ms=5, **given)


@contextmanager
def _serving(path: Path) -> Iterator[str]:
    """Run `kubeletsim traces ui` and yield the page's address."""
    command = [sys.executable, "-m", "kubeletsim", "traces", "ui", "--db", str(path), "--ui", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().split()[-1]
        finally:
            server.terminate()


def _milliseconds(url: str) -> float:
    """Return the median time of a request, body included."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        with urlopen(url) as answer:
            answer.read()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000
