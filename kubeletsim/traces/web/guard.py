"""The guard: who may read, and what a browser may do with what it gets.

The page has no accounts. On loopback whoever can connect may read, so what is left to fear is a page from elsewhere in
the user's own browser: it is kept out by looking at Host (a name that was rebound to 127.0.0.1 is not ours), Origin and
Sec-Fetch-Site. Bound to any other address, every request needs the token that was printed at the start: once in the
address, from then on in a cookie, or as `Authorization: Bearer`.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from kubeletsim.base.loopback import is_own_name

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_READS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Guard:
    """What is asked of a request; without a token only the browser's word is looked at."""

    token: str | None = None

    @web.middleware
    async def __call__(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Refuse what must not read; answer the first visit with a token by a cookie."""
        if reason := self.refusal(request):
            return web.json_response({"error": {"status": 403, "message": reason}}, status=403)
        if self.token is None:
            return await handler(request)
        if not self._has_token(request):
            message = "this address wants the token printed at the start: open the address with ?token=…"
            return web.json_response({"error": {"status": 401, "message": message}}, status=401)
        if "token" in request.query and request.headers.get("Sec-Fetch-Mode") == "navigate":
            answer = web.Response(status=303, headers={"Location": str(request.rel_url.without_query_params("token"))})
            # Strict: a link elsewhere must not open a page that already has the right to read.
            answer.set_cookie(self._cookie(request), self.token, httponly=True, samesite="Strict", path="/")
            return answer
        return await handler(request)

    def refusal(self, request: web.Request) -> str | None:
        """Return why a request is none that a page of ours or a person makes; None when it is fine."""
        host = request.headers.get("Host", "")
        if request.method not in _READS:
            return f"{request.method}: only GET and HEAD are answered"
        if self.token is None and not is_own_name(host):
            return f"Host: {host!r}: must be localhost or an IP address"
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"{request.scheme}://{host}":
            return f"Origin: {origin!r}: pages from elsewhere may not read here"
        # Whoever follows a link from elsewhere opens the page, which then asks from its own origin.
        from_elsewhere = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
        if from_elsewhere and (request.headers.get("Sec-Fetch-Mode") != "navigate" or request.path.startswith("/api/")):
            return "Sec-Fetch-Site: pages from elsewhere may not read here"
        return None

    def _has_token(self, request: web.Request) -> bool:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        offered = [request.query.get("token", ""), request.cookies.get(self._cookie(request), "")]
        if scheme.lower() == "bearer":
            offered.append(credentials.strip())
        return any(hmac.compare_digest(one.encode(), (self.token or "").encode()) for one in offered)

    def _cookie(self, request: web.Request) -> str:
        """Return the cookie's name: cookies do not know ports, so two viewers on one machine need two names."""
        return f"kubeletsim-traces-{request.url.port}"


async def add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    """Put the security headers on every answer, streams and errors included."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")
