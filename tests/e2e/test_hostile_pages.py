"""Whatever arrives, each page shows it: cycles, missing parents, clocks that go back, numbers at their limits."""

import random
from collections.abc import Iterator

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from playwright.sync_api import Browser, expect

from kubeletsim.traces.store import TraceStore
from tests.browser import opened
from tests.fakes.traces import resource_spans, span_message
from tests.lab import Lab
from tests.ports import free_port

LARGEST = 2**64 - 1


def hostile() -> Iterator[ResourceSpans]:
    """Yield one trace after the other, numbered from 1."""
    yield resource_spans(span_message(trace=1, span=1, parent=2), span_message(trace=1, span=2, parent=1))
    yield resource_spans(span_message("back", trace=2, span=5, parent=99, start_ms=100, ms=-50))
    ends = [(0, LARGEST), (LARGEST, 0)]
    spans = [span_message("limits", trace=3, span=number, parent=number - 1) for number in (1, 2)]
    for span, (start, end) in zip(spans, ends, strict=True):
        span.start_time_unix_nano, span.end_time_unix_nano = start, end
    yield resource_spans(*spans)
    nameless = span_message("", trace=4)
    nameless.attributes.add(key="").value.string_value = "x" * 3_000_000
    nameless.kind = SpanMessage.SpanKind.ValueType(77)
    yield resource_spans(nameless, service="")
    yield resource_spans(*(span_message("deep", trace=5, span=n, parent=n - 1) for n in range(1, 3_001)))
    chance = random.Random(1)
    crowd = [(n, chance.randrange(n), chance.randrange(10**6), chance.randrange(10**5)) for n in range(1, 500)]
    yield resource_spans(
        *(span_message(f"operation {n}", trace=6, span=n, parent=p, start_ms=s, ms=d) for n, p, s, d in crowd)
    )
    yield resource_spans(*(span_message("one id", trace=7, span=1, ms=n) for n in range(1, 50)))


def test_no_page_breaks(lab: Lab, chrome: Browser) -> None:
    with TraceStore.create(lab.database) as store:
        traces = list(hostile())
        for messages in traces:
            store.add([messages])
    lab.ui = f"127.0.0.1:{free_port()}"
    lab.start_collector()
    url = f"http://{lab.ui}"
    for number in range(1, len(traces) + 1):
        with opened(chrome, f"{url}/trace/{number}?span={1:016x}") as page:  # fails when a page throws
            expect(page.locator(".row").first).to_be_visible()
            page.get_by_role("tab", name="Flame graph").click()
            expect(page.locator(".flame button").first).to_be_visible()
            page.get_by_role("tab", name="Operations").click()
            expect(page.get_by_role("table", name="Operations")).to_be_visible()
    for address, there in {
        "/": "table.traces",
        "/operations": "table.operations",
        "/map": ".map svg",
        "/pods": ".notice",
        f"/compare?before={3:032x}&after={6:032x}": "table",
    }.items():
        with opened(chrome, url + address) as page:
            expect(page.locator(there)).to_be_visible()
            lefts = page.locator("th").evaluate_all("all => all.map(cell => cell.getBoundingClientRect().left)")
            assert lefts == sorted(lefts), f"{address}: the columns of a table lie beside one another"
