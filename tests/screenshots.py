"""`make screenshots`: pictures of every page, light and dark, of a run of the demo's pods. Look at them afterwards."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml
from playwright.sync_api import Browser

from tests.browser import browser
from tests.lab import Lab, running
from tests.ports import free_port

MANIFESTS = Path(__file__).parents[1] / "config" / "manifests"
RUN_SECONDS = 25


def main(directory: Path) -> None:
    """Run the demo's pods for a while and picture the pages into a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="ks-") as root,
        running(Lab(Path(root), ui=f"127.0.0.1:{free_port()}")) as lab,
    ):
        lab.start_collector()
        lab.start_stub()
        lab.start_kubelet()
        for manifest in sorted(MANIFESTS.glob("*.yaml")):
            lab.apply(yaml.safe_load(manifest.read_text()))
        base = f"http://{lab.ui}"
        lab.wait(lambda: len(starts(base)) >= 3, what="every pod's first sync")
        lab.wait(lambda: lab.phase("migrate") == "Succeeded", what="the pod that ends", seconds=RUN_SECONDS)
        with browser() as chromium:
            for theme in ("light", "dark"):
                take(chromium, base, theme, directory)


def ask(base: str, path: str, **query: str) -> Any:
    """Ask the page's API."""
    with urlopen(f"{base}/api/v1/{path}?{urlencode(query)}", timeout=10) as answer:
        return json.load(answer)


def starts(base: str) -> dict[str, str]:
    """Return the traces of the pods' starts by the pod's name."""
    found = ask(base, "traces", q="root:syncPod k8s.pod.update_type=create")["traces"]
    return {trace["subject"].rpartition("-")[0]: trace["traceId"] for trace in found}


def pages(base: str) -> dict[str, str]:
    """Return what is pictured: a file's name and the address."""
    pods = starts(base)
    trace = ask(base, f"traces/{pods['web']}")
    names = [trace["operations"][number]["name"] for number in trace["rows"]["operation"]]
    pull = trace["rows"]["spanId"][names.index("runtime.v1.ImageService/PullImage")]
    return {
        "list": "/?q=root%3Async*",
        "trace": f"/trace/{pods['web']}",
        "span": f"/trace/{pods['web']}?span={pull}",
        "flame": f"/trace/{pods['web']}?view=flame",
        "operations": "/operations",
        "map": "/map",
        "pods": "/pods",
        "compare": f"/compare?before={pods['web']}&after={pods['broken']}&only=changes",
    }


def take(chromium: Browser, base: str, theme: Any, directory: Path) -> None:
    """Picture every page in one theme."""
    context = chromium.new_context(viewport={"width": 1280, "height": 800}, color_scheme=theme)
    page = context.new_page()
    for name, address in pages(base).items():
        page.goto(base + address)
        page.wait_for_timeout(800)  # the live list and the critical path come a moment later
        page.screenshot(path=directory / f"{name}-{theme}.png")
    context.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
