"""Everybody can use the page: by keyboard alone, with a screen reader, in both themes."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from kubeletsim.traces.encode import encode_spans
from kubeletsim.traces.store import TraceStore
from tests.browser import opened
from tests.fakes.traces import TRACE_ID, recorded_trace, resource_spans, span_message
from tests.lab import Lab
from tests.ports import free_port

PAGES = {
    "list": "/",
    "trace": f"/trace/{TRACE_ID}",
    "span": f"/trace/{TRACE_ID}?span={3:016x}",
    "flame": f"/trace/{TRACE_ID}?view=flame",
    "statistics": f"/trace/{TRACE_ID}?view=operations",
    "operations": "/operations",
    "map": "/map",
    "pods": "/pods",
    "compare": f"/compare?before={TRACE_ID}&after={1:032x}",
}


@pytest.fixture
def url(lab: Lab) -> str:
    """The page of a store with a recorded pod start, and a trace that failed."""
    failed = span_message(error="no room", k8s__pod__name="web")
    failed.links.add(trace_id=bytes.fromhex(TRACE_ID), span_id=(3).to_bytes(8, "big"))
    with TraceStore.create(lab.database) as store:
        store.add([*encode_spans(recorded_trace("single")), resource_spans(failed)])
    lab.ui = f"127.0.0.1:{free_port()}"
    lab.start_collector()
    return f"http://{lab.ui}"


@pytest.mark.parametrize(("theme", "rules"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})])
def test_axe_finds_no_fault_on_any_page(url: str, theme: Any, rules: dict[str, Any], chrome: Browser) -> None:
    """What does not depend on colours is looked at once."""
    faults = []
    page = chrome.new_page(viewport={"width": 1280, "height": 800}, color_scheme=theme)
    for name, address in PAGES.items():
        page.goto(url + address)
        expect(page.locator("main")).not_to_be_empty()
        expect(page.get_by_text("…", exact=True)).to_have_count(0)
        found = Axe().run(page, options=rules).response["violations"]
        faults += [(name, one["id"], one["nodes"][0]["html"]) for one in found]
    page.close()
    assert faults == []


def test_the_keyboard_alone_leads_from_the_list_to_a_span_and_along_its_links(url: str, chrome: Browser) -> None:
    with opened(chrome, url) as page:
        expect(page.get_by_role("link", name="syncPod")).to_have_count(2)
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.keyboard.press("/")
        expect(page.get_by_label("Query")).to_be_focused()
        page.keyboard.type("error")
        expect(page.get_by_role("link", name="syncPod")).to_have_count(1)
        tab_to(page, page.get_by_role("link", name="syncPod"))
        page.keyboard.press("Enter")
        expect(page.get_by_role("treegrid", name="Spans")).to_be_focused()
        page.keyboard.press("Enter")  # the details of the only span, and then its link
        details = page.get_by_role("complementary", name="Span details")
        expect(details).to_be_focused()
        link = details.get_by_role("link", name=TRACE_ID[:16])
        expect(link).to_be_visible()
        tab_to(page, link)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/trace/{TRACE_ID}?span={3:016x}")
        expect(details.get_by_role("heading", name="Linked from")).to_be_visible()  # and the same way back
        page.keyboard.press("Escape")
        expect(page.get_by_role("treegrid", name="Spans")).to_be_focused()
        tab_to(page, page.get_by_role("tab", name="Waterfall"), key="Shift+Tab")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tabpanel", name="Flame graph")).to_be_visible()


def tab_to(page: Page, wanted: Locator, *, key: str = "Tab") -> None:
    """Press a key until an element has the focus; the way must not be long."""
    for _ in range(25):
        if wanted.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"cannot be reached with {key}: {wanted}")


def test_rows_are_read_out_in_the_order_in_which_they_are_seen(url: str, chrome: Browser) -> None:
    with opened(chrome, f"{url}/trace/{TRACE_ID}") as page:
        page.locator("main[data-ready]").wait_for()
        page.keyboard.press("End")
        page.keyboard.press("PageUp")
        page.wait_for_timeout(400)
        numbers = page.locator(".row").evaluate_all("rows => rows.map(row => Number(row.ariaRowIndex))")
        assert numbers == sorted(numbers)
        grid = page.get_by_role("treegrid", name="Spans")
        assert int(grid.get_attribute("aria-rowcount") or 0) > max(numbers) - 1
