"""The way of a request: what is refused where, to whom, in which words."""

from dataclasses import replace

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from kubeletsim.server.auth import AuthSettings
from tests.server.lab import OPEN, Authority


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/nothing", 404, "404 page not found\n"),
        ("GET", "/healthz/nothing", 404, "404 page not found\n"),
        ("GET", "/pods/web", 404, "404: Page Not Found"),
        ("POST", "/pods", 405, "405: Method Not Allowed"),
        ("POST", "/healthz", 200, "ok"),
    ],
)
async def test_unknown_paths_and_methods_are_told_apart_as_upstream_does(host, method, path, status, body):
    async with host.serve() as client:
        answer = await client.ask(path, method=method)

    assert (answer.status, answer.text) == (status, body)


async def test_running_pods_without_its_slash_is_sent_there(host):
    async with host.serve() as client:
        answer = await client.ask("/runningpods?x=1")

    assert (answer.status, answer.headers["Location"]) == (307, "/runningpods/?x=1")
    assert answer.text == '<a href="/runningpods/?x=1">Temporary Redirect</a>.\n\n'


async def test_nobody_gets_in_without_credentials_unless_anonymous_callers_may(host):
    async with host.serve(host.settings(auth=replace(OPEN, anonymous=False))) as client:
        refused = await client.ask("/pods")
        unknown = await client.ask("/nothing")
    host.registry = CollectorRegistry()
    async with host.serve() as client:
        allowed = await client.ask("/pods")

    assert (refused.status, refused.text) == (401, "Unauthorized")
    assert "WWW-Authenticate" not in refused.headers
    assert unknown.status == 404
    assert allowed.status == 200


async def test_a_client_certificate_of_the_ca_is_a_user_with_groups(host, authority):
    class OnlyProxy:
        async def allows(self, attributes):
            asked.append(attributes)
            return attributes.subresource == "proxy"

    asked = []
    auth = AuthSettings(client_ca_file=str(authority.ca), webhook_authentication=False, authorization_mode="Webhook")
    admin = authority.issue("admin", groups=("system:masters", "ops"))
    async with host.serve(host.settings(auth=auth), webhook_authorizer=OnlyProxy()) as client:
        allowed = await client.ask("/pods", pair=admin)
        denied = await client.ask("/metrics", pair=admin)
        nobody = await client.ask("/pods")

    first = asked[0]
    assert (first.user.name, first.user.groups) == ("admin", ("system:masters", "ops", "system:authenticated"))
    assert (first.verb, first.node_name, first.subresource) == ("get", "node-1", "pods")
    assert allowed.status == 200
    assert (denied.status, denied.text) == (
        403,
        "Forbidden (user=admin, verb=get, resource=nodes, subresource(s)=[metrics])\n",
    )
    assert nobody.status == 401


async def test_a_certificate_of_another_ca_does_not_get_through_the_handshake_even_where_anybody_may_ask(
    host, authority, tmp_path
):
    stranger = Authority(tmp_path / "other", "other-ca").issue("admin")
    auth = replace(OPEN, client_ca_file=str(authority.ca))
    async with host.serve(host.settings(auth=auth)) as client:
        with pytest.raises((aiohttp.ClientError, OSError)):
            await client.ask("/pods", pair=stranger)
        assert (await client.ask("/pods")).status == 200


async def test_a_certificate_without_a_name_counts_as_none(host, authority):
    auth = replace(OPEN, anonymous=False, client_ca_file=str(authority.ca))
    async with host.serve(host.settings(auth=auth)) as client:
        answer = await client.ask("/pods", pair=authority.issue("", groups=("somebody",)))

    assert answer.status == 401


async def test_a_handler_with_a_bug_is_a_500_and_the_server_lives(host, caplog):
    host.pods = [object()]
    async with host.serve() as client:
        broken = await client.ask("/pods")
        host.pods = []
        fine = await client.ask("/pods")

    assert (broken.status, fine.status) == (500, 200)
    assert "Traceback" not in broken.text
    assert "GET /pods failed" in caplog.text
