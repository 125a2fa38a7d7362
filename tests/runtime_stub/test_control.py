"""The control API shows and changes rules while the runtime runs, and takes orders from no web page."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import grpc
import pytest

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.control import controlling
from runtime_stub.host import Host, hosting
from runtime_stub.listener import ListenError
from runtime_stub.server import living
from runtime_stub.settings import Settings
from tests.runtime_stub.conftest import Client, dialled
from tests.runtime_stub.test_rules import rule

FAIL = {"name": "fail", "match": {"rpc": "Version"}, "fault": {"error": {"code": "ABORTED", "message": "no"}}}
SLOW = {"name": "slow", "match": {"rpc": "List*"}, "latency": {"add": "1ms"}}


class Api:
    """What curl does."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address = address
        self._session = session

    async def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        if body is not None:
            named = {"Content-Type": "application/json", **named}
        async with self._session.request(method, f"http://{self.address}{path}", data=data, headers=named) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text


@dataclass
class Lab:
    """A stub with a control API."""

    host: Host
    client: Client
    api: Api


@pytest.fixture
async def lab(settings: Settings) -> AsyncIterator[Lab]:
    async with laboratory(settings) as lab:
        yield lab


@asynccontextmanager
async def laboratory(settings: Settings) -> AsyncIterator[Lab]:
    settings = replace(settings, control="127.0.0.1:0")
    async with (
        hosting(settings, environ={}) as host,
        controlling(host) as address,
        living(host),
        dialled(settings) as client,
        aiohttp.ClientSession() as session,
    ):
        yield Lab(host, client, Api(address, session))


async def version(client: Client) -> str:
    try:
        await client.runtime.Version(pb.VersionRequest())
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def test_a_rule_counts_as_soon_as_it_is_there(lab: Lab) -> None:
    assert await lab.api("GET", "/rules") == (200, {"rules": []})
    assert await version(lab.client) == "OK"

    status, shown = await lab.api("POST", "/rules", FAIL)

    assert (status, shown) == (200, {"rules": [{**FAIL, "counts": {}}]})
    assert await version(lab.client) == "ABORTED"
    assert (await lab.api("GET", "/rules/fail"))[1]["counts"] == {"Version": {"matched": 1, "acted": 1}}
    assert (await lab.api("DELETE", "/rules/fail"))[0] == 200
    assert await version(lab.client) == "OK"


async def test_rules_are_replaced_one_by_one_or_all_together(lab: Lab) -> None:
    await lab.api("PUT", "/rules", {"rules": [FAIL, SLOW]})
    await version(lab.client)

    _, shown = await lab.api("PUT", "/rules/slow", {key: SLOW[key] for key in ("match",)} | {"latency": {"add": "2ms"}})

    assert [(one["name"], one["counts"]) for one in shown["rules"]] == [
        ("fail", {"Version": {"matched": 1, "acted": 1}}),
        ("slow", {}),
    ], "the one that stays keeps its counts"
    assert (await lab.api("PUT", "/rules/new", {**SLOW, "name": "new"}))[1]["rules"][2]["name"] == "new"
    assert (await lab.api("POST", "/rules?first=true", {**SLOW, "name": "top"}))[1]["rules"][0]["name"] == "top"
    assert (await lab.api("DELETE", "/rules"))[1] == {"rules": []}


async def test_a_reset_brings_the_configured_rules_back(settings: Settings) -> None:
    configured = rule(name="configured", match={"rpc": "Version"}, when={"first": 1}, fault=FAIL["fault"])
    async with laboratory(replace(settings, rules=(configured,))) as lab:
        assert [await version(lab.client) for _ in range(2)] == ["ABORTED", "OK"]
        await lab.api("DELETE", "/rules")

        _, shown = await lab.api("POST", "/reset")

        assert [(one["name"], one["counts"]) for one in shown["rules"]] == [("configured", {})]
        assert [await version(lab.client) for _ in range(2)] == ["ABORTED", "OK"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/rules", {"name": "x"}, 400, "must have latency, fault or both"),
        ("POST", "/rules", {**FAIL, "wen": {}}, 400, "wen: no such field; did you mean when?"),
        ("POST", "/rules", {**FAIL, "match": {"rpc": "Versoin"}}, 400, 'match.rpc: "Versoin": no such RPC of CRI v1'),
        ("PUT", "/rules", {"rules": [SLOW, {**FAIL, "when": {"first": 0}}]}, 400, "rules[1].when.first: 0: must be at"),
        ("PUT", "/rules", {"rules": [SLOW, SLOW]}, 400, 'rules[0].name: "slow": there is another rule of that name'),
        ("PUT", "/rules", [], 400, 'must be {"rules": […]}'),
        ("PUT", "/rules/x", FAIL, 400, 'name: "fail": must be "x", as in the path'),
        ("POST", "/rules", b"{", 400, "not JSON"),
        ("POST", "/rules", b"[" * 100_000, 400, "not JSON"),
        ("GET", "/rules/x", None, 404, '"x": no such rule'),
        ("DELETE", "/rules/x", None, 404, '"x": no such rule'),
        ("GET", "/nosuch", None, 404, "Not Found"),
        ("PATCH", "/rules", None, 405, "Method Not Allowed"),
        ("POST", "/restart", {"down": "soon"}, 400, "down: \"soon\": 'soon'"),
        ("POST", "/restart", {"downn": "1s"}, 400, "downn: no such field; did you mean down?"),
    ],
)
async def test_what_is_wrong_is_said_and_changes_nothing(
    lab: Lab, method: str, path: str, body: Any, status: int, error: str
) -> None:
    before = await lab.api("GET", "/rules")

    got, said = await lab.api(method, path, body)

    assert got == status
    assert said["errors"][0].startswith(error)
    assert await lab.api("GET", "/rules") == before


async def test_a_second_rule_of_a_name_is_a_conflict(lab: Lab) -> None:
    await lab.api("POST", "/rules", FAIL)

    status, said = await lab.api("POST", "/rules", FAIL)

    assert (status, said) == (
        409,
        {"errors": ['name: "fail": there is a rule of that name; PUT /rules/fail replaces it']},
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
    ],
)
async def test_web_pages_order_nothing(lab: Lab, headers: dict[str, str]) -> None:
    status, said = await lab.api("POST", "/rules", FAIL, **headers)

    assert status in (403, 415)
    assert said["errors"]
    assert (await lab.api("GET", "/rules"))[1] == {"rules": []}


async def test_a_restart_can_be_ordered(lab: Lab) -> None:
    assert await lab.api("POST", "/restart", {"down": "2s"}) == (200, {"restarting": {"downSeconds": 2.0}})

    restart = await lab.host.restarts.next()

    assert restart is not None
    assert restart.down_seconds == 2


async def test_counts_are_metrics(lab: Lab) -> None:
    await lab.api("POST", "/rules", FAIL)
    await version(lab.client)

    _, text = await lab.api("GET", "/metrics")

    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        'runtime_stub_rule_matched_total{rpc="Version",rule="fail"} 1.0',
        'runtime_stub_rule_acted_total{rpc="Version",rule="fail"} 1.0',
    ]


async def test_an_address_in_use_is_a_clear_error(lab: Lab, settings: Settings) -> None:
    async with hosting(replace(settings, control=lab.api.address), environ={}) as host:
        with pytest.raises(ListenError, match=f"control: {lab.api.address}: cannot listen there"):
            async with controlling(host):
                pass


async def test_without_an_address_there_is_no_api(settings: Settings) -> None:
    async with hosting(settings, environ={}) as host, controlling(host) as address:
        assert address == ""
