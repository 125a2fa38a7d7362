"""The page in a real browser, on a real run: a runtime, a kubelet and the receiver that serves the page."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import yaml
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from playwright.sync_api import Browser, Locator, Page, expect

from kubeletsim.traces.otlp import to_json
from kubeletsim.traces.store import TraceStore
from tests.browser import PATIENCE_MS, opened
from tests.fakes.traces import resource_spans, span_message
from tests.lab import Lab
from tests.ports import free_port

POD = "web"


def pod() -> dict[str, Any]:
    """A pod of one container that stays."""
    container = {"name": "app", "image": "docker.io/library/busybox:1.35", "command": ["/bin/sleep", "10000"]}
    spec = {"terminationGracePeriodSeconds": 1, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": POD}, "spec": spec}


def start(lab: Lab) -> str:
    """Start everything, wait for the spans of the pod's start, and return the page's address."""
    lab.ui = f"127.0.0.1:{free_port()}"
    lab.start_collector()
    lab.start_stub("--latency", "none")
    lab.start_kubelet()
    lab.apply(pod())
    lab.wait(lambda: lab.phase(POD) == "Running", what="the pod runs")
    lab.wait(
        lambda: {"syncPod", "Images/GarbageCollect"} <= {span.name for span in lab.spans()}, what="its spans arrive"
    )
    return f"http://{lab.ui}"


def stop_the_node(lab: Lab) -> None:
    """Stop the kubelet and its runtime; the receiver goes on."""
    for program in reversed(lab.programs):
        if program.name != "collector":
            program.stop()


def send(lab: Lab, message: ResourceSpans) -> None:
    """Send spans as any program would."""
    url = f"http://127.0.0.1:{lab.http_port}/v1/traces"
    request = Request(url, data=to_json([message]).encode(), headers={"Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def row(page: Page, text: str, *, service: str) -> Locator:
    """Return the rows of the waterfall that a screen reader would read out like this."""
    return page.get_by_role("row", name=f"{text}, {service}")


def test_a_pods_start_is_found_opened_and_shows_the_runtimes_spans_under_the_kubelets(
    lab: Lab, chrome: Browser
) -> None:
    url = start(lab)
    stop_the_node(lab)  # or the pod's start would in time be too old for the statistics of the latest traces
    find_and_open(chrome, url)
    other_pages_show_the_same_run(chrome, url)


def find_and_open(running: Browser, url: str) -> None:
    with opened(running, url) as page:
        page.get_by_label("Query").fill(f"root:syncPod k8s.pod.name={POD}* k8s.pod.update_type=create")
        only = page.get_by_role("row").filter(has_text="syncPod")
        expect(only).to_have_count(1)
        assert "k8s.pod.update_type" in page.url
        only.get_by_role("link", name="syncPod").click()

        expect(row(page, "syncPod", service="kubelet")).to_have_attribute("aria-level", "1")
        call = "runtime.v1.RuntimeService/RunPodSandbox"
        expect(row(page, call, service="kubelet")).to_have_attribute("aria-level", "2")
        expect(row(page, call, service="runtime-stub")).to_have_attribute("aria-level", "3")

        colours = {
            service: row(page, call, service=service).evaluate(
                "row => getComputedStyle(row.querySelector('.span')).backgroundColor"
            )
            for service in ("kubelet", "runtime-stub")
        }
        assert colours["kubelet"] != colours["runtime-stub"]

        row(page, call, service="kubelet").click()
        details = page.get_by_role("complementary", name="Span details")
        expect(details).to_contain_text("rpc.method")
        page.wait_for_url("**/trace/*?span=*")
        link = page.url
        keyboard_works(page, call)
    with opened(running, link) as page:  # the same span again, from its address alone
        expect(page.get_by_role("complementary", name="Span details")).to_contain_text("RunPodSandbox")
        expect(row(page, call, service="kubelet")).to_have_attribute("aria-selected", "true")


def keyboard_works(page: Page, call: str) -> None:
    page.keyboard.press("Escape")
    tree = page.get_by_role("treegrid")
    expect(tree).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(row(page, call, service="runtime-stub")).to_have_count(0)
    page.keyboard.press("ArrowRight")
    expect(row(page, call, service="runtime-stub")).to_have_count(1)
    page.keyboard.press("/")
    expect(page.get_by_label("Find in this trace")).to_be_focused()
    page.keyboard.type("StartContainer")
    expect(page.locator(".find output")).to_contain_text("match")
    page.keyboard.press("Enter")
    expect(page.locator(".row.chosen")).to_contain_text("StartContainer")


def other_pages_show_the_same_run(running: Browser, url: str) -> None:
    with opened(running, f"{url}/?q=root:*ListPodSandbox") as page:
        boxes = page.get_by_role("checkbox", name="Compare")
        expect(boxes.nth(1)).to_be_visible()
        # By name: what arrives meanwhile moves them down.
        for name in boxes.evaluate_all("all => all.slice(0, 2).map(box => box.ariaLabel)"):
            page.get_by_role("checkbox", name=name, exact=True).check()
        page.get_by_role("link", name="Compare the two").click()
        expect(page.get_by_role("table", name="Differences")).to_contain_text("ListPodSandbox")
        expect(page.get_by_role("status")).to_contain_text("The same structure")
    with opened(running, f"{url}/map") as page:
        calls = page.get_by_role("table", name="Calls between services")
        expect(calls).to_contain_text("kubelet")
        expect(calls).to_contain_text("runtime-stub")
        page.get_by_role("link", name="Operations", exact=True).click()
        expect(page.get_by_role("table", name="Operations")).to_contain_text("RunPodSandbox")
        page.get_by_role("link", name="Pods", exact=True).click()
        expect(page.get_by_role("link", name="StartContainer").first).to_be_attached()
        page.go_back()
        expect(page.get_by_role("table", name="Operations")).to_be_visible()


def test_a_slow_start_is_held_against_a_quick_one_and_goes_through_a_file_unchanged(lab: Lab, chrome: Browser) -> None:
    url = start(lab)
    begin_anew_with_a_slow_network(lab, url)
    with opened(chrome, f"{url}/?q=root:syncPod+k8s.pod.name={POD}*+k8s.pod.update_type=create") as page:
        boxes = page.get_by_role("checkbox", name="Compare")
        expect(boxes).to_have_count(2)
        boxes.nth(0).check()
        boxes.nth(1).check()
        page.get_by_role("link", name="Compare the two").click()
        slower = page.get_by_role("row").filter(has_text="RunPodSandbox").first
        expect(slower.locator("td.slower")).to_contain_text("+")
        expect(page.get_by_role("status")).to_contain_text("slower")
        slower.get_by_role("link").last.click()  # the sandbox of the slow start, in its trace
        expect(page.get_by_role("complementary", name="Span details")).to_contain_text("RunPodSandbox")
        with page.expect_download() as download:
            page.get_by_role("link", name="OTLP JSON").click()
        exported = lab.root / download.value.suggested_filename
        download.value.save_as(exported)
        trace = page.url.split("/trace/")[1][:32]
    other = lab.root / "other.db"
    assert kubeletsim("traces", "import", str(exported), "--db", str(other)).startswith(str(exported))
    with TraceStore.open(lab.database) as before, TraceStore.open(other) as after:
        assert [one.trace_id for one in after.traces()] == [trace]
        assert len(after.spans(trace)) > 20
        assert sorted(map(repr, after.spans(trace))) == sorted(map(repr, before.spans(trace)))
        assert as_json(after, trace) == as_json(before, trace)


def begin_anew_with_a_slow_network(lab: Lab, url: str) -> None:
    """Start the same pod once more, on a runtime that knows nothing of it and takes its time for the network."""
    stop_the_node(lab)
    slow = lab.root / "slow.yaml"
    document = {
        "apiVersion": "kubeletsim/v1alpha1",
        "kind": "RuntimeStubConfiguration",
        "latencies": {"cni.setup": 900},
    }
    slow.write_text(yaml.safe_dump(document))
    lab.start_stub("--config", str(slow), "--root-dir", str(lab.root / "another"))
    lab.start_kubelet()
    query = f"{url}/api/v1/traces?q=root:syncPod+k8s.pod.name={POD}*+k8s.pod.update_type=create+duration>900ms"

    def arrived() -> bool:
        with urlopen(query, timeout=30) as answer:
            return bool(json.load(answer)["traces"])

    lab.wait(arrived, what="the slow start")


def kubeletsim(*arguments: str) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run([sys.executable, "-m", "kubeletsim", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_json(store: TraceStore, trace: str) -> list[str]:
    """Return a trace's spans as OTLP JSON with all that is around them, in an order of their own."""
    return sorted(
        json.dumps([one["resource"], scope_spans["scope"], span], sort_keys=True)
        for one in json.loads(to_json(store.resource_spans(trace)))["resourceSpans"]
        for scope_spans in one["scopeSpans"]
        for span in scope_spans["spans"]
    )


def test_the_list_fills_live_and_values_are_never_markup(lab: Lab, chrome: Browser) -> None:
    """No node is needed for this: spans as hostile as they come are sent to the receiver itself."""
    lab.ui = f"127.0.0.1:{free_port()}"
    lab.start_collector()
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    with opened(chrome, f"http://{lab.ui}") as page:
        expect(page.get_by_text("No trace matches")).to_be_visible()
        message = span_message(evil, evil=evil, error=evil)
        message.events.add(name=evil)
        send(lab, resource_spans(message, service=evil, more=evil))
        page.get_by_role("link", name=evil).click()
        page.locator(".row").first.click()
        expect(page.get_by_role("complementary")).to_contain_text(evil)
        for view in ("Flame graph", "Operations"):
            page.get_by_role("tab", name=view).click()
            expect(page.locator(".stage")).to_contain_text(evil)
        for other in ("Operations", "Service map"):
            page.get_by_role("navigation").get_by_role("link", name=other).click()
            expect(page.locator("main")).to_contain_text("<img src=x")


def test_the_list_says_that_the_server_is_gone_and_goes_on_when_it_is_back(lab: Lab, chrome: Browser) -> None:
    lab.ui = f"127.0.0.1:{free_port()}"
    collector = lab.start_collector()
    page = chrome.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"http://{lab.ui}")
    state = page.get_by_role("status")
    expect(state).to_contain_text("live")
    collector.stop()
    expect(state).to_contain_text("the server does not answer")
    page.get_by_role("link", name="Pods").click()
    expect(page.get_by_role("alert").first).to_contain_text("does not answer")
    lab.start_collector()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("link", name="Traces", exact=True).click()
    expect(state).to_contain_text("live")
    page.close()


def test_several_viewers_show_one_store_while_it_is_written(lab: Lab) -> None:
    lab.start_collector()
    send(lab, resource_spans(span_message("first")))
    viewers = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    for viewer in viewers:
        lab.spawn("viewer", "kubeletsim", "traces", "ui", "--db", str(lab.database), "--ui", viewer)
    for number in range(2, 5):
        send(lab, resource_spans(span_message("another", trace=number)))
        for viewer in viewers:
            lab.wait(lambda at=viewer, n=number: listed(at) == n, what=f"{number} traces at {viewer}")  # type: ignore[misc]


def listed(viewer: str) -> int:
    """Return how many traces a viewer lists."""
    with urlopen(f"http://{viewer}/api/v1/traces", timeout=30) as answer:
        return len(json.load(answer)["traces"])


def test_of_a_large_trace_only_the_rows_in_sight_are_in_the_document(lab: Lab, chrome: Browser) -> None:
    lab.ui = f"127.0.0.1:{free_port()}"
    lab.start_collector()
    spans = [span_message(span=number, parent=(number - 1) // 3 + 1 if number > 1 else 0) for number in range(1, 5001)]
    send(lab, resource_spans(*spans))
    with opened(chrome, f"http://{lab.ui}/trace/1") as page:
        page.locator("main[data-ready]").wait_for()  # the first rows are there sooner
        expect(page.get_by_text("5,000 spans")).to_be_visible()
        assert page.locator(".row").count() < 100
        page.keyboard.press("End")
        expect(page.locator(".row.chosen")).to_have_id("row-4999")
        assert page.locator(".row").count() < 100


def test_screenshots_are_in_the_documentation() -> None:
    images = Path(__file__).parents[2] / "docs" / "images"
    for image in images.glob("*.png"):
        assert image.stat().st_size < 300_000, image
    assert len(list(images.glob("*.png"))) >= 8
