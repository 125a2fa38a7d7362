"""Claims about the guard: who may read, and what a browser may do with it."""

from pathlib import Path

import aiohttp
import pytest

from kubeletsim.base.loopback import is_loopback
from kubeletsim.traces.receiver import Address, ListenError
from kubeletsim.traces.store import TraceStore
from kubeletsim.traces.web.serving import serving
from tests.traces.web.conftest import Served

PATHS = ["/", "/static/app.js", "/api/v1/traces", "/api/v1/stream", "/api/services", "/api/v1/traces/x", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_forbids_scripts_from_elsewhere_and_guessing_types(served: Served, path: str) -> None:
    async with served.http.get(served.base + path) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_the_page_has_no_script_or_style_in_line_and_asks_nobody_else(served: Served) -> None:
    static = Path(__file__).parents[3] / "kubeletsim" / "traces" / "web" / "static"
    html = (static / "index.html").read_text()

    assert "<style" not in html
    assert " style=" not in html
    assert html.count("<script") == html.count('<script type="module" src="/static/')
    for path in static.rglob("*.*"):
        text = path.read_text()
        assert "https://" not in text, path
        assert "http://" not in text.replace("http://www.w3.org/", ""), path
        for way_to_make_markup in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way_to_make_markup not in text, path
        async with served.http.get(f"{served.base}/static/{path.relative_to(static)}") as answer:
            assert answer.status == 200
            wanted = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
            assert answer.content_type == wanted[path.suffix]


@pytest.mark.parametrize(
    "path", ["/static/../api.py", "/static/%2e%2e/api.py", "/static//etc/passwd", "/static/none.js"]
)
async def test_only_what_is_in_the_folder_is_served(served: Served, path: str) -> None:
    from yarl import URL

    async with served.http.get(URL(served.base + path, encoded=True)) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example:80"},
        {"Host": ""},
        {"Host": "127.0.0.1.rebound.example"},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
)
async def test_pages_from_elsewhere_cannot_read(served: Served, headers: dict[str, str]) -> None:
    await served.get("/api/v1/traces", status=403, **headers)
    await served.get("/api/traces", status=403, **headers)


async def test_the_own_page_and_a_person_may_read(served: Served) -> None:
    port = served.base.rpartition(":")[2]
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        await served.get("/api/v1/traces", Host=host, Origin=f"http://{host}")
    async with served.http.get(
        served.base, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    ) as answer:
        assert answer.status == 200  # a link that somebody follows


async def test_nothing_can_be_written(served: Served) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        async with served.http.request(method, served.base + "/api/v1/traces") as answer:
            assert answer.status == 403


async def test_bound_elsewhere_every_request_wants_the_token(tmp_path: Path) -> None:
    with TraceStore.create(tmp_path / "traces.db") as store:
        jar = aiohttp.CookieJar(unsafe=True)
        async with (
            serving(store.path, address=Address("0.0.0.0", 0)) as page,
            aiohttp.ClientSession(cookie_jar=jar) as http,
        ):
            assert page.token is not None
            base = page.url.partition("?")[0].removesuffix("/")

            async def status(path: str, **headers: str) -> int:
                async with http.get(base + path, headers=headers, allow_redirects=False) as answer:
                    return answer.status

            for path in PATHS:
                assert await status(path) == 401
            assert await status("/api/v1/traces?token=wrong") == 401
            assert await status("/api/v1/traces", Authorization=f"Basic {page.token}") == 401
            assert await status("/api/v1/traces", Authorization=f"Bearer {page.token}") == 200
            assert await status(f"/api/v1/traces?token={page.token}") == 200
            assert await status("/api/v1/traces", Host="any.name.example") == 401
            async with http.get(
                f"{base}/?q=error&token={page.token}", headers={"Sec-Fetch-Mode": "navigate"}, allow_redirects=False
            ) as answer:
                assert answer.headers["Location"] == "/?q=error"
                assert "HttpOnly" in answer.headers["Set-Cookie"]
                assert "SameSite=Strict" in answer.headers["Set-Cookie"]
            assert await status("/api/v1/traces") == 200  # by the cookie


async def test_a_port_in_use_is_named(served: Served) -> None:
    address = Address("127.0.0.1", int(served.base.rpartition(":")[2]))
    with pytest.raises(ListenError, match=f"cannot listen on {address} for the web page: Address already in use"):
        async with serving(served.store.path, address=address):
            pass


def test_loopback_is_what_only_this_machine_reaches() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.1.2.3", "::1"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "example", ""))
