"""Which servers there are, where, and what keeps them from starting."""

from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry

from kubeletsim.model.errors import StartupError
from kubeletsim.server.auth import AuthSettings
from tests.ports import free_port
from tests.server.lab import OPEN


async def test_the_read_only_server_asks_for_no_credentials_and_has_no_debug_paths(host):
    settings = host.settings(auth=replace(OPEN, anonymous=False), read_only_port=free_port())
    async with host.serve(settings) as client:
        answers = [
            await client.ask(p, listener="read_only") for p in ("/pods", "/healthz", "/runningpods/", "/configz")
        ]

    assert [answer.status for answer in answers] == [200, 200, 405, 404]


async def test_the_health_server_knows_two_paths_and_nothing_of_the_sync_loop(host):
    host.last_sync_loop = -100_000.0
    async with host.serve(host.settings(healthz_port=free_port())) as client:
        paths = ("/healthz", "/healthz/ping", "/healthz/syncloop", "/pods")
        answers = [await client.ask(path, listener="healthz") for path in paths]
        ours = await client.ask("/healthz")

    assert [(answer.status, answer.text) for answer in answers[:2]] == [(200, "ok")] * 2
    assert [answer.status for answer in answers[2:]] == [404, 404]
    assert ours.status == 500


async def test_a_disabled_server_leaves_the_health_server_alone(host):
    settings = host.settings(
        enable_server=False, read_only_port=free_port(), healthz_port=free_port(), auth=AuthSettings()
    )
    async with host.serve(settings) as client:
        assert client.server.https is None
        assert client.server.read_only is None
        assert (await client.ask("/healthz", listener="healthz")).text == "ok"


async def test_webhooks_without_an_api_server_are_refused_line_by_line(host):
    with pytest.raises(StartupError) as caught:
        async with host.serve(host.settings(auth=AuthSettings())):
            pass

    lines = str(caught.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["authentication.webhook.enabled", "authorization.mode"]
    assert "no client provided, cannot use webhook authentication" in lines[0]
    assert "no client provided, cannot use webhook authorization" in lines[1]


async def test_two_nodes_live_in_one_process(host):
    async with host.serve() as first:
        host.registry = CollectorRegistry()
        async with host.serve() as second:
            assert first.server.https.port != second.server.https.port
            assert (await first.ask("/healthz")).text == (await second.ask("/healthz")).text == "ok"
