"""A served store: the real server on a free port over a real file."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kubeletsim.traces.receiver import Address
from kubeletsim.traces.store import TraceStore
from kubeletsim.traces.web.serving import serving
from tests.fakes.traces import resource_spans, span_message

ONE = 0xAAAA << 112
TWO = 0xBBBB << 112


@dataclass
class Served:
    """A store to write to, and a client of the server that reads it."""

    store: TraceStore
    http: aiohttp.ClientSession
    base: str

    async def get(self, path: str, *, status: int = 200, **headers: str) -> Any:
        """GET a path and return its JSON."""
        async with self.http.get(self.base + path, headers=headers) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Serve two traces: a pod's start with the runtime's part, and a failed garbage collection."""
    with TraceStore.create(tmp_path / "traces.db") as store:
        store.add([
            resource_spans(
                span_message("syncPod", trace=ONE, ms=50, k8s__pod__name="web", k8s__namespace__name="default"),
                span_message("runtime.v1.RuntimeService/RunPodSandbox", trace=ONE, span=2, parent=1, start_ms=5, ms=30),
            ),
            resource_spans(
                span_message("RunPodSandbox", trace=ONE, span=3, parent=2, start_ms=7, ms=20), service="containerd"
            ),
            resource_spans(span_message("Images/GarbageCollect", trace=TWO, start_ms=100, ms=5, error="no")),
        ])  # fmt: skip
        async with (
            serving(store.path, address=Address("127.0.0.1", 0)) as page,
            aiohttp.ClientSession() as http,
        ):
            yield Served(store, http, page.url.removesuffix("/"))
