"""Static pods from a URL, served by a real HTTP server."""

import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from lightkube.models.core_v1 import Pod

from kubeletsim.model.pod import pod_name
from kubeletsim.pods.sources import url as url_module
from kubeletsim.pods.sources.url import URLSource, shown_url


def manifest(name: str) -> dict[str, object]:
    spec = {"containers": [{"name": "app", "image": "web:1"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def pod_list(*items: object) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "PodList", "items": list(items)})


@dataclass
class Site:
    """What the server answers, what it was asked, and what came of it."""

    body: str | bytes = ""
    status: int = 200
    hanging: bool = False
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    requests: asyncio.Queue[web.Request] = field(default_factory=asyncio.Queue)
    handed_over: list[list[str]] = field(default_factory=list)
    pods: list[Pod] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.put_nowait(request)
        if self.hanging:
            await self.closing.wait()
        return web.Response(body=self.body, status=self.status)

    async def publish(self, pods: list[Pod]) -> None:
        self.pods = list(pods)
        self.handed_over.append([pod_name(pod) for pod in pods])

    def source(self, url: str = "", headers: dict[str, list[str]] | None = None) -> URLSource:
        return URLSource(
            url or self.url,
            headers=headers or {},
            node_name="node",
            publish=self.publish,
            check_frequency_seconds=0.01,
            rng=random.Random(1),
        )


@asynccontextmanager
async def served(site: Site) -> AsyncIterator[Site]:
    app = web.Application()
    app.router.add_get("/pods", site.answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        listener = web.TCPSite(runner, "127.0.0.1", 0)
        await listener.start()
        host, port = runner.addresses[0]
        site.url = f"http://{host}:{port}/pods"
        yield site
    finally:
        site.closing.set()
        await runner.cleanup()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with served(Site()) as site:
        yield site


def faults(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_pod_is_handed_over_with_the_url_as_its_place(site: Site):
    site.body = json.dumps(manifest("one"))

    await site.source().refresh()
    (pod,) = site.pods
    await site.source(f"{site.url}?copy").refresh()

    assert site.handed_over == [["one-node"], ["one-node"]]
    assert pod.spec.tolerations is None
    assert pod.metadata.uid != site.pods[0].metadata.uid


@pytest.mark.parametrize("typed", [True, False])
async def test_a_list_gives_all_its_pods_whether_or_not_its_items_have_a_kind(site: Site, typed: bool):
    items = [manifest("one"), manifest("two")]
    site.body = pod_list(*(item if typed else {key: item[key] for key in ("metadata", "spec")} for item in items))

    await site.source().refresh()

    assert site.handed_over == [["one-node", "two-node"]]


@pytest.mark.parametrize("items", ["[]", "null"])
async def test_a_list_without_items_is_no_pods(site: Site, items: str):
    site.body = f"apiVersion: v1\nkind: PodList\nitems: {items}\n"

    await site.source().refresh()

    assert site.handed_over == [[]]


async def test_the_configured_headers_are_sent_each_value_by_itself(site: Site):
    site.body = pod_list()

    await site.source(headers={"X-Node": ["a", "b"], "Authorization": ["Bearer secret"]}).refresh()

    request = site.requests.get_nowait()
    assert request.headers.getall("X-Node") == ["a", "b"]
    assert request.headers["Authorization"] == "Bearer secret"


async def test_an_answer_like_the_last_is_not_handed_over_again(site: Site):
    source = site.source()
    for name in ("one", "one", "two", "one"):
        site.body = json.dumps(manifest(name))
        await source.refresh()

    assert site.handed_over == [["one-node"], ["two-node"], ["one-node"]]


async def test_an_empty_body_is_no_pods_and_an_error(site: Site, caplog: pytest.LogCaptureFixture):
    source = site.source()
    for body in (json.dumps(manifest("one")), "", "", json.dumps(manifest("one"))):
        site.body = body
        await source.refresh()

    assert site.handed_over == [["one-node"], [], ["one-node"]]
    assert faults(caplog) == [
        f"Cannot use static pods from {site.url}: the answer is empty; it has no pods any more",
    ]


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (404, json.dumps(manifest("two")), "HTTP 404 Not Found"),
        (204, "", "HTTP 204 No Content"),
        (200, "spec: [", "neither YAML nor JSON: line 2, column 1"),
        (200, "<html>", "no Pod here: not a mapping"),
        (200, "[" * 100_000, "too large or too deep"),
        (200, b"\xff", "not UTF-8"),
        (200, json.dumps({**manifest("two"), "kind": "Service"}), "kind: 'Service': must be Pod"),
        (200, pod_list(manifest("two"), manifest("UPPER")), "items[1]: metadata.name: 'UPPER-node'"),
        (200, pod_list(manifest("two"), 7), "items[1]: no Pod here: not a mapping"),
        (200, json.dumps({"apiVersion": "v1", "kind": "PodList", "items": 7}), "items: must be a list of pods"),
        (200, json.dumps({"apiVersion": "v2", "kind": "PodList"}), "apiVersion: 'v2': must be v1"),
    ],
)
async def test_an_answer_that_cannot_be_used_changes_nothing_and_is_told_once(
    site: Site, caplog: pytest.LogCaptureFixture, status: int, body: str | bytes, fault: str
):
    site.body = json.dumps(manifest("one"))
    source = site.source()
    await source.refresh()

    site.status, site.body = status, body
    await source.refresh()
    await source.refresh()

    assert site.handed_over == [["one-node"]]
    (told,) = faults(caplog)
    assert told.startswith(f"Cannot use static pods from {site.url}: {fault}")
    assert told.endswith("; the pods known so far stay")


async def test_an_answer_that_is_too_large_is_not_read_to_its_end(site: Site, monkeypatch, caplog):
    monkeypatch.setattr(url_module, "MAX_MANIFEST_BYTES", 1 << 20)
    site.body = b" " * ((1 << 20) + 1)

    await site.source().refresh()

    assert site.handed_over == []
    assert "larger than 1 MiB" in faults(caplog)[0]


async def test_an_answer_that_takes_too_long_is_given_up(site: Site, monkeypatch, caplog):
    monkeypatch.setattr(url_module, "TIMEOUT_SECONDS", 0.05)
    site.hanging = True

    await site.source().refresh()

    assert site.handed_over == []
    assert "no answer within 0.05 s" in faults(caplog)[0]


async def test_a_server_that_is_away_is_told_once(site: Site, caplog):
    async with served(Site()) as gone:
        source = site.source(gone.url)
    await source.refresh()
    await source.refresh()

    assert site.handed_over == []
    assert len(faults(caplog)) == 1


async def test_that_a_fault_is_over_is_told_too(site: Site, caplog):
    caplog.set_level(logging.INFO, "kubeletsim")
    source = site.source()
    site.body = json.dumps(manifest("one"))
    for status in (200, 503, 503, 200, 200):
        site.status = status
        await source.refresh()

    told = [record.getMessage() for record in caplog.records if record.name.startswith("kubeletsim")]
    assert [text.partition(": ")[0] for text in told] == [
        f"Cannot use static pods from {site.url}",
        f"Static pods from {site.url} can be used again",
    ]
    assert site.handed_over == [["one-node"]]


@pytest.mark.parametrize("url", ["ftp://192.0.2.1/pods", "nonsense", "http://[", "http://user:secret@/x"])
async def test_a_url_that_cannot_be_fetched_is_told_without_its_secrets(site: Site, caplog, url: str):
    await site.source(url).refresh()

    (told,) = faults(caplog)
    assert "no URL that can be fetched" in told
    assert "secret" not in told


async def test_a_header_that_cannot_be_sent_is_told_without_its_value(site: Site, caplog):
    await site.source(headers={"X-Node": ["secret\r\nX-Other: 1"]}).refresh()

    (told,) = faults(caplog)
    assert "secret" not in told
    assert site.requests.empty()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://name:word@host:8443/pods?token=t#f", "https://host:8443/pods"),
        ("http://host/pods", "http://host/pods"),
        ("http://[", "staticPodURL"),
    ],
)
def test_what_may_be_secret_in_a_url_is_not_shown(url: str, shown: str):
    assert shown_url(url) == shown


async def test_the_url_is_fetched_again_and_again_until_the_source_is_cancelled(site: Site):
    site.body = json.dumps(manifest("one"))
    running = asyncio.create_task(site.source().run())
    async with asyncio.timeout(60):
        for hanging in (False, False, True, True):
            await site.requests.get()
            site.hanging = hanging

    running.cancel()
    await asyncio.wait([running], timeout=60)

    assert running.cancelled()
    assert site.handed_over == [["one-node"]]
