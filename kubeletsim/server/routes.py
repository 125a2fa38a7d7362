"""The route table: which paths exist, under which name, and what answers them. Pure.

Two layers as upstream: a multiplexer that knows prefixes, before anybody is authenticated, and behind it the services,
which know their exact paths and methods. So an unknown first segment gives a 404 to anybody, while a wrong path or
method below a known one is told only to those who may ask.

Upstream: InstallAuthNotRequiredHandlers and InstallAuthRequiredHandlers in pkg/kubelet/server/server.go, on go-restful
and Go's ServeMux.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from posixpath import normpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web

Handler = Callable[["web.BaseRequest"], Awaitable["web.StreamResponse"]]

GET = frozenset({"GET"})
POST = frozenset({"POST"})
COUNTED_AS_OTHER = frozenset({"metrics/slis"})
"""What exists and has no label of its own in metrics, as upstream."""
GET_OR_POST = GET | POST


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One thing that can be asked for."""

    prefix: str
    """What the multiplexer knows: one exact path, or with a `/` at its end everything below."""
    templates: tuple[str, ...] | None = None
    """The paths that are answered, such as `/exec/{podNamespace}/{podID}`; None: every path that the prefix matches."""
    methods: frozenset[str] | None = None
    """The methods that are answered; None: any."""
    handler: Handler

    def template(self, path: str) -> str | None:
        """Return the template that a path fits, or the prefix where it has no templates; None when it fits none."""
        if self.templates is None:
            return self.prefix
        return next((template for template in self.templates if fits(path, template)), None)

    def allows(self, method: str) -> bool:
        """Tell whether a method is answered."""
        return self.methods is None or method in self.methods

    def name(self, path: str, *, method: str) -> str:
        """Return what a request is called in spans: by its template where it is answered, else by the prefix."""
        return (self.template(path) if self.allows(method) else None) or self.prefix


def fits(path: str, template: str) -> bool:
    """Tell whether a path has a template's segments; one in braces stands for any, `{name:*}` for all that follow."""
    given, wanted = _segments(path), _segments(template)
    if wanted and wanted[-1].endswith(":*}"):
        given, wanted = given[: len(wanted) - 1], wanted[:-1]
    return len(given) == len(wanted) and all(
        theirs == ours or ours.startswith("{") for theirs, ours in zip(given, wanted, strict=True)
    )


def service(root: str, *paths: str, methods: frozenset[str], handler: Handler, collection: bool = False) -> list[Route]:
    """Return the routes of a go-restful service: its root is known to the multiplexer with and without a slash.

    Args:
        root: `/exec`; with a slash at its end it is known with that alone.
        paths: templates below it; none for the root itself.
        methods: that are answered.
        handler: answers them.
        collection: whether the root itself is answered besides the paths.
    """
    stem = root.rstrip("/")
    templates = tuple(f"{stem}/{path}" for path in ([""] if collection or not paths else []) + list(paths))
    prefixes = [root] if root.endswith("/") else [root, f"{root}/"]
    return [Route(prefix=prefix, templates=templates, methods=methods, handler=handler) for prefix in prefixes]


@dataclass(frozen=True, slots=True)
class Redirect:
    """The path exists under another name: with a `/` at its end, or without what is too much in it."""

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
        self._buckets = frozenset(metric_bucket(prefix) for prefix in (*self._exact, *self._below)) - COUNTED_AS_OTHER

    def match(self, path: str) -> Route | Redirect | None:
        """Return the route whose prefix fits the path; None where nothing does."""
        if (clean := clean_path(path)) != path:
            return Redirect(clean)
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


def clean_path(path: str) -> str:
    """Return a path without empty segments and dots; a `/` at its end stays (cleanPath of Go's ServeMux)."""
    clean = normpath(f"/{path.lstrip('/')}")
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean


def _segments(path: str) -> list[str]:
    return [] if path == "/" else path.strip("/").split("/")


def metric_bucket(path: str) -> str:
    """Cut a path down to what may become a metric's label: its first segment, two of them below /metrics."""
    first, _, rest = path.removeprefix("/").partition("/")
    return f"metrics/{rest.partition('/')[0]}" if first == "metrics" and rest else first
