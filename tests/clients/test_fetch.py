"""One GET against a real server; what static pods make of it is tested with them (tests/pods/sources/test_url.py)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from kubeletsim.clients.fetch import FetchError, fetch


@pytest.fixture
async def base() -> AsyncIterator[str]:
    """The URL of a server with a page, a redirect to it, a redirect to itself and one to another scheme."""

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.headers.get('X-Node')} {request.headers.get('Authorization')}")

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["to"])

    async def cut(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "100"})
        await answer.prepare(request)
        await answer.write(b"half")
        assert request.transport
        request.transport.close()
        return answer

    app = web.Application()
    app.add_routes([web.get("/page", page), web.get("/redirect", redirect), web.get("/cut", cut)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def get(url: str, **headers: str) -> bytes:
    return await fetch(url, headers=headers.items(), timeout_seconds=10, max_bytes=1 << 20)


async def test_a_redirect_is_followed_with_the_headers(base: str):
    assert await get(f"http://{base}/redirect?to=/page", **{"X-Node": "1"}) == b"1 None"


async def test_name_and_password_of_the_url_are_sent(base: str):
    assert await get(f"http://me:secret@{base}/page") == b"None Basic bWU6c2VjcmV0"


@pytest.mark.parametrize("target", ["", "ftp://secret@host/", "http://["], ids=["itself", "another scheme", "no URL"])
async def test_a_redirect_that_leads_nowhere_fails_without_naming_the_url(base: str, target: str):
    with pytest.raises(FetchError) as failed:
        await get(f"http://{base}/redirect?token=secret&to={target}")

    assert "secret" not in str(failed.value)


async def test_an_answer_that_breaks_off_fails(base: str):
    with pytest.raises(FetchError):
        await get(f"http://{base}/cut")


async def test_a_fetch_can_be_cancelled():
    async def never_answers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await done.wait()
        writer.close()

    asked, done = asyncio.Event(), asyncio.Event()
    async with await asyncio.start_server(never_answers, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        fetching = asyncio.create_task(get(f"http://{host}:{port}/"))
        await asked.wait()
        fetching.cancel()
        await asyncio.wait([fetching], timeout=60)
        done.set()

    assert fetching.cancelled()
