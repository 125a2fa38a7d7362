"""What is counted, and that nothing stays counted as under way."""

import asyncio
from dataclasses import replace

from tests.server.lab import OPEN, trusting


async def test_requests_are_counted_refused_and_unknown_ones_too(host):
    auth = replace(OPEN, anonymous=False)
    async with host.serve(host.settings(auth=auth)) as client:
        await client.ask("/pods")
        await client.ask("/no/such/path")
        await client.ask("/healthz/ping", method="PATCH")

    def count(method: str, path: str) -> float | None:
        labels = {"method": method, "path": path, "server_type": "readwrite", "long_running": "false"}
        return host.registry.get_sample_value("kubelet_http_requests_total", labels)

    assert [count("GET", "pods"), count("GET", "other"), count("other", "healthz")] == [1, 1, 1]
    inflight = [m for m in host.registry.collect() if m.name == "kubelet_http_inflight_requests"]
    assert {sample.value for sample in inflight[0].samples} == {0}


async def test_a_caller_who_leaves_before_the_answer_leaves_nothing_behind(host):
    host.cri.latencies["ListPodSandbox"] = 0.05
    async with host.serve() as client:
        _, writer = await asyncio.open_connection("127.0.0.1", client.server.https.port, ssl=trusting())
        writer.write(b"GET /runningpods/ HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        writer.transport.abort()
        assert (await client.ask("/runningpods/")).status == 200

    inflight = [m for m in host.registry.collect() if m.name == "kubelet_http_inflight_requests"]
    assert {sample.value for sample in inflight[0].samples} == {0}
