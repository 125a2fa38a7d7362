"""Claims about the network requests of probes and hooks: what is sent to real servers on loopback, what it says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.clients.network.dialing import DialFailure, dial, join_host_port
from kubeletsim.clients.network.grpc_health import METHOD, Unhealthy, check_health, decode_status, encode_request
from kubeletsim.clients.network.http_get import MAX_BODY_BYTES, HTTPAnswer, HTTPFailure, HTTPGet, http_get
from tests.ports import free_port

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve HTTP and yield the server's URL."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def answer_of(handler: Handler, *, path: str = "/", timeout_seconds: float = 60) -> HTTPAnswer:
    async with serving(handler) as url:
        return await http_get(HTTPGet(url=url + path), timeout_seconds=timeout_seconds)


async def test_a_request_carries_what_it_is_given_and_no_more() -> None:
    seen: list[web.BaseRequest] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.Response(text="fine")

    async with serving(handler) as url:
        headers = (("Accept", "*/*"), ("X-Twice", "1"), ("X-Twice", "2"))
        answer = await http_get(HTTPGet(url=f"{url}/a?b=c", headers=headers), timeout_seconds=5)

    assert answer == HTTPAnswer(status=200, body="fine")
    assert seen[0].path_qs == "/a?b=c"
    assert {name.title() for name in seen[0].headers} == {"Host", "Connection", "Accept", "X-Twice"}
    assert seen[0].headers.getall("X-Twice") == ["1", "2"]
    assert seen[0].headers["Connection"] == "close"


async def test_a_request_that_names_no_host_goes_to_this_machine() -> None:
    seen: list[web.BaseRequest] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.Response(text="fine")

    async with serving(handler) as url:
        port = int(url.rpartition(":")[2])
        answer = await http_get(HTTPGet(url=f"http://:{port}/"), timeout_seconds=5)
        await dial("", port, timeout_seconds=5)

    assert (answer.body, seen[0].host) == ("fine", f":{port}")
    with pytest.raises(HTTPFailure) as refused:
        await http_get(HTTPGet(url=f"http://:{port}/"), timeout_seconds=5)
    assert str(refused.value) == f'Get "http://:{port}/": dial tcp :{port}: connect: connection refused'
    with pytest.raises(Unhealthy, match=f'service ":{port}"'):
        await check_health("", port, service="", user_agent="test", timeout_seconds=1)


async def test_no_more_of_a_body_is_read_than_is_of_use() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"x" * 1_000_000)

    assert len((await answer_of(handler)).body) == MAX_BODY_BYTES


async def test_redirects_are_followed_at_home_and_are_an_answer_when_they_lead_elsewhere() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        targets = {"/": "/next", "/next": "/last", "/away": "http://192.0.2.1/"}
        if request.path in targets:
            return web.Response(status=302, headers={"Location": targets[request.path]}, text="moved")
        return web.Response(text=request.path)

    assert await answer_of(handler) == HTTPAnswer(status=200, body="/last")
    assert await answer_of(handler, path="/away") == HTTPAnswer(status=302, body="moved")


async def test_endless_redirects_end() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": "/"})

    with pytest.raises(HTTPFailure, match="stopped after 10 redirects"):
        await answer_of(handler)


async def test_a_server_that_takes_too_long_has_not_answered() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    with pytest.raises(HTTPFailure, match="context deadline exceeded"):
        await answer_of(handler, timeout_seconds=0.05)


async def test_nobody_there_is_said_in_gos_words() -> None:
    port = free_port()
    refused = f"dial tcp 127.0.0.1:{port}: connect: connection refused"

    with pytest.raises(HTTPFailure) as http:
        await http_get(HTTPGet(url=f"http://127.0.0.1:{port}/"), timeout_seconds=5)
    with pytest.raises(DialFailure) as tcp:
        await dial("127.0.0.1", port, timeout_seconds=5)

    assert str(http.value) == f'Get "http://127.0.0.1:{port}/": {refused}'
    assert str(tcp.value) == refused


async def test_a_url_that_makes_no_sense_is_a_failure_of_the_request() -> None:
    with pytest.raises(HTTPFailure):
        await http_get(HTTPGet(url="http://[::g]:1/"), timeout_seconds=1)


async def test_tls_asked_of_a_server_that_speaks_none_is_told_apart() -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.Response()

    async with serving(handler) as url:
        with pytest.raises(HTTPFailure, match="server gave HTTP response to HTTPS client") as caught:
            await http_get(HTTPGet(url=url.replace("http", "https")), timeout_seconds=5)

    assert caught.value.answered_in_clear


async def test_a_connection_that_is_taken_is_enough() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        await dial("127.0.0.1", server.sockets[0].getsockname()[1], timeout_seconds=5)


def test_ipv6_addresses_go_in_brackets() -> None:
    assert join_host_port("::1", 80) == "[::1]:80"


@asynccontextmanager
async def health_server(answers: dict[str, bytes]) -> AsyncIterator[int]:
    """Serve grpc.health.v1 with a fixed answer for each service."""

    async def check(request: bytes, context: "grpc.aio.ServicerContext[bytes, bytes]") -> bytes:
        name = request[2:].decode()
        if name not in answers:
            await context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return answers[name]

    server = grpc.aio.server()
    handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(check)
    service = METHOD.split("/")[1]
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Check": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def ask(port: int, service: str = "", *, timeout_seconds: float = 60) -> None:
    await check_health(
        "127.0.0.1", port, service=service, user_agent="kube-probe/1.36", timeout_seconds=timeout_seconds
    )


async def test_only_a_service_that_serves_is_healthy() -> None:
    async with health_server({"": b"\x08\x01", "down": b"\x08\x02", "odd": b""}) as port:
        await ask(port)
        with pytest.raises(Unhealthy, match=r'service unhealthy \(responded with "NOT_SERVING"\)'):
            await ask(port, "down")
        with pytest.raises(Unhealthy, match='responded with "UNKNOWN"'):
            await ask(port, "odd")
        with pytest.raises(Unhealthy, match="code = NOT_FOUND desc = unknown service"):
            await ask(port, "nosuch")


async def test_a_server_without_health_checks_says_so() -> None:
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        with pytest.raises(Unhealthy, match="this server does not implement the grpc health protocol"):
            await ask(port)
    finally:
        await server.stop(None)


async def test_a_server_that_is_not_there_is_given_up_in_time() -> None:
    with pytest.raises(Unhealthy, match=r'timeout: failed to connect service "127.0.0.1:\d+" within 200ms'):
        await ask(free_port(), timeout_seconds=0.2)


@given(st.text(min_size=1, max_size=300))
def test_a_service_name_is_one_field_with_its_length(service: str) -> None:
    name = service.encode()
    encoded = encode_request(service)
    assert encoded[:1] == b"\x0a"
    assert encoded.endswith(name)
    assert len(encoded) == len(name) + (2 if len(name) < 128 else 3)


@given(st.binary(max_size=20))
def test_any_answer_has_a_status(answer: bytes) -> None:
    assert decode_status(answer) in ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
