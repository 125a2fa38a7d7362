"""The route table: which paths exist, under which name, and what answers them. Pure.

Two layers as upstream: a multiplexer that knows prefixes, before anybody is authenticated, and behind it the services,
which know their exact paths and methods. So an unknown first segment gives a 404 to anybody, while a wrong path or
method below a known one is told only to those who may ask.

Upstream: InstallAuthNotRequiredHandlers … InstallDebuggingHandlers in pkg/kubelet/server/server.go, on go-restful and
Go's ServeMux.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

Handler = Callable[["web.BaseRequest"], Awaitable["web.StreamResponse"]]

GET = frozenset({"GET"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One thing that can be asked for."""

    prefix: str
    """What the multiplexer knows: one exact path, or with a `/` at its end everything below."""
    paths: frozenset[str] | None = None
    """The paths below the prefix that are answered; None: every path that the prefix matches."""
    methods: frozenset[str] | None = None
    """The methods that are answered; None: any."""
    template: str
    """The route's name in spans."""
    handler: Handler

    def answers(self, path: str) -> bool:
        """Tell whether the path is one of the route's own."""
        return self.paths is None or path in self.paths


@dataclass(frozen=True, slots=True)
class Redirect:
    """The path exists only with a `/` at its end."""

    location: str


class RouteTable:
    """The routes of one listener."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, Route] = {}
        self._below: dict[str, Route] = {}
        for route in routes:
            (self._below if route.prefix.endswith("/") else self._exact)[route.prefix] = route
        # As the multiplexer: the longest prefix wins.
        self._prefixes = sorted(self._below, key=len, reverse=True)
        self._buckets = frozenset(metric_bucket(prefix) for prefix in (*self._exact, *self._below))

    def match(self, path: str) -> Route | Redirect | None:
        """Return the route whose prefix fits the path; None where nothing does."""
        if path in self._exact:
            return self._exact[path]
        for prefix in self._prefixes:
            if path.startswith(prefix):
                return self._below[prefix]
        return Redirect(f"{path}/") if f"{path}/" in self._below else None

    def bucket(self, path: str) -> str:
        """Return a path's label in metrics: its first segment, or `other` for what does not exist."""
        bucket = metric_bucket(path)
        return bucket if bucket in self._buckets else "other"


def metric_bucket(path: str) -> str:
    """Cut a path down to what may become a metric's label: its first segment, two of them below /metrics."""
    first, _, rest = path.removeprefix("/").partition("/")
    return f"metrics/{rest.partition('/')[0]}" if first == "metrics" and rest else first
