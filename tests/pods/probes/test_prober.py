"""Claims about one probe: what counts as good, what is told of it, and what says nothing at all."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from kubeletsim.model.errors import CRIError
from kubeletsim.model.events import Event
from kubeletsim.model.runtime import ContainerID, ExecResult
from kubeletsim.pods.http_requests import UnknownPort, resolve_port
from kubeletsim.pods.probes import Prober, ProbeResult
from kubeletsim.pods.probes.rules import targets
from tests.fakes.pods import container, make_pod

S, F = ProbeResult.SUCCESS, ProbeResult.FAILURE


class Execs:
    """A runtime that only runs commands: each gives the next answer, the last one again and again."""

    def __init__(self, *answers: ExecResult | CRIError) -> None:
        self.answers = list(answers)
        self.commands: list[tuple[str, ...]] = []

    async def exec_sync(self, container_id: ContainerID, command: Any, *, timeout_seconds: int) -> ExecResult:
        self.commands.append(tuple(command))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, CRIError):
            raise answer
        return answer


async def probe(
    handler: dict[str, Any], *, execs: Execs | None = None, pod_ip: str = "127.0.0.1", **fields: Any
) -> tuple[ProbeResult | None, list[Event]]:
    """Run a readiness probe once."""
    events: list[Event] = []
    pod = make_pod(container("app", readinessProbe=handler, **fields))
    prober = Prober(execs or Execs(CRIError("no commands here")), record=events.append)
    found = await prober.probe(targets(pod)[0], container_id=ContainerID("app-0"), pod_ip=pod_ip)
    return found, events


def run_in(*command: str) -> dict[str, Any]:
    return {"exec": {"command": list(command)}}


async def test_a_command_knows_the_containers_own_variables() -> None:
    execs = Execs(ExecResult(stdout=b"", stderr=b"", exit_code=0))

    found, events = await probe(run_in("test", "$(FILE)"), execs=execs, env=[{"name": "FILE", "value": "/ok"}])

    assert (found, events, execs.commands) == (S, [], [("test", "/ok")])


async def test_an_exit_code_is_a_failure_and_its_output_is_told_as_far_as_it_is_of_use() -> None:
    found, events = await probe(run_in("x"), execs=Execs(ExecResult(stdout=b"a" * 20_000, stderr=b"b", exit_code=1)))

    assert found is F
    assert [(event.reason, event.regarding.field_path) for event in events] == [("Unhealthy", "spec.containers{app}")]
    assert events[0].message == "Readiness probe failed: " + "a" * 10_240


async def test_a_runtime_that_cannot_run_the_command_gets_three_tries() -> None:
    trouble, fine = CRIError("busy"), ExecResult(stdout=b"", stderr=b"", exit_code=0)

    patient, impatient = Execs(trouble, trouble, fine), Execs(trouble)
    assert await probe(run_in("x"), execs=patient) == (S, [])
    found, events = await probe(run_in("x"), execs=impatient)

    assert (found, len(impatient.commands)) == (None, 3)
    assert events[0].message.startswith("Readiness probe errored and resulted in unknown state: rpc error")


@pytest.fixture
async def server() -> AsyncIterator[tuple[int, list[web.BaseRequest]]]:
    """A server whose path is the status it answers with."""
    requests: list[web.BaseRequest] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        requests.append(request)
        status = int(request.path.strip("/") or 200)
        headers = {"Location": "http://192.0.2.1/"} if 300 <= status < 400 else {}
        return web.Response(status=status, text="body", headers=headers)

    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1], requests
    await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "found", "told"),
    [
        ("/200", S, []),
        ("/204", S, []),
        ("/302", S, [("ProbeWarning", "Readiness probe warning: Probe terminated redirects, Response body: body")]),
        ("/404", F, [("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 404")]),
        ("/503", F, [("Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503")]),
    ],
)
async def test_an_http_status_below_400_is_good(
    server: tuple[int, list[web.BaseRequest]], path: str, found: ProbeResult, told: list[tuple[str, str]]
) -> None:
    result, events = await probe({"httpGet": {"path": path, "port": server[0]}})

    assert (result, [(event.reason, event.message) for event in events]) == (found, told)


async def test_a_request_says_who_asks_unless_the_manifest_does(server: tuple[int, list[web.BaseRequest]]) -> None:
    port, requests = server
    ports = [{"name": "web", "containerPort": port}]
    headers = [{"name": "user-agent", "value": "me"}, {"name": "Accept", "value": ""}, {"name": "X-A", "value": "b"}]

    await probe({"httpGet": {"path": "200", "port": "web"}}, ports=ports)
    await probe({"httpGet": {"path": "/200", "port": str(port), "httpHeaders": headers}})

    assert requests[0].path == "/200"
    assert (requests[0].headers["User-Agent"], requests[0].headers["Accept"]) == ("kube-probe/1.36", "*/*")
    assert (requests[1].headers["User-Agent"], requests[1].headers["X-A"]) == ("me", "b")
    assert "Accept" not in requests[1].headers


async def test_a_tcp_probe_goes_to_the_pod_unless_a_host_is_named() -> None:
    taken = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with taken:
        port = taken.sockets[0].getsockname()[1]
        assert (await probe({"tcpSocket": {"port": port}}))[0] is S
        assert (await probe({"tcpSocket": {"port": port, "host": "127.0.0.1"}}, pod_ip="192.0.2.1"))[0] is S
        assert (await probe({"tcpSocket": {"port": port}}, pod_ip="127.0.0.77"))[0] is F


async def test_a_grpc_probe_of_nobody_fails() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        found, events = await probe({"grpc": {"port": port}})

    assert found is F
    assert events[0].message.startswith(
        f'Readiness probe failed: timeout: failed to connect service "127.0.0.1:{port}"'
    )


async def test_a_port_that_is_not_there_says_nothing_of_the_container() -> None:
    found, events = await probe({"tcpSocket": {"port": "web"}})

    assert found is None
    assert events[0].message == (
        'Readiness probe errored and resulted in unknown state: strconv.Atoi: parsing "web": invalid syntax'
    )


def test_a_port_is_a_number_digits_or_a_name() -> None:
    (app,) = make_pod(container("app", ports=[{"name": "web", "containerPort": 80}])).spec.containers  # type: ignore[union-attr]
    assert [resolve_port(port, app) for port in (1, "2", "web")] == [1, 2, 80]
    with pytest.raises(UnknownPort, match="invalid port number: 70000"):
        resolve_port(70_000, app)
