"""This module is the control API: HTTP on loopback, by which rules are seen and changed while the runtime runs.

Rules are written as in the file and checked by the same schema. Loopback keeps other machines away; what is left to
fear is a page in the user's own browser, so whatever comes from a page is refused: a foreign Host, any Origin, a body
that is not declared as JSON (a page may send no other without asking first).
"""

import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from kubeletsim.base.loopback import is_own_name, parse_loopback
from runtime_stub.behaviour.rules.restarts import Restart
from runtime_stub.behaviour.rules.rule import Rule
from runtime_stub.host import Host
from runtime_stub.listener import ListenError
from runtime_stub.rule_check import rule_findings
from runtime_stub.source import Source

if TYPE_CHECKING:
    from aiohttp import web

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
CLOSING_SECONDS = 0.5


class Wrong(Exception):  # an answer, not an error of ours
    """A request that cannot be met; becomes a 4xx with its faults.

    Args:
        status: the HTTP status.
        faults: one line each.
    """

    def __init__(self, status: int, *faults: str) -> None:
        self.status = status
        self.faults = faults
        super().__init__(status, faults)


class Control:
    """What can be asked and ordered.

    Args:
        host: whose rules and restarts are meant.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    async def show(self, request: "web.Request") -> Any:
        """GET /rules: every rule with its counts."""
        del request
        return self._shown()

    async def replace(self, request: "web.Request") -> Any:
        """PUT /rules: these and no others."""
        document = await _body(request)
        if not isinstance(document, dict) or not isinstance(document.get("rules"), list) or len(document) != 1:
            raise Wrong(400, 'must be {"rules": […]}')
        self._put(self._parsed(document["rules"], where=("rules",)))
        return self._shown()

    async def add(self, request: "web.Request") -> Any:
        """POST /rules: one more, asked after the others; before them with ?first=true."""
        (rule,) = self._parsed([await _body(request)], where=())
        if any(one.name == rule.name for one in self._rules):
            raise Wrong(409, f'name: "{rule.name}": there is a rule of that name; PUT /rules/{rule.name} replaces it')
        self._put([rule, *self._rules] if request.query.get("first") == "true" else [*self._rules, rule])
        return self._shown()

    async def clear(self, request: "web.Request") -> Any:
        """DELETE /rules: none at all."""
        del request
        self._put([])
        return self._shown()

    async def show_one(self, request: "web.Request") -> Any:
        """GET /rules/NAME: one of them."""
        name = self._named(request)
        return next(one for one in self._shown()["rules"] if one["name"] == name)

    async def replace_one(self, request: "web.Request") -> Any:
        """PUT /rules/NAME: in place of the one of that name, or after the others."""
        name = request.match_info["name"]
        document = await _body(request)
        if isinstance(document, dict) and document.setdefault("name", name) != name:
            raise Wrong(400, f'name: {json.dumps(document["name"])}: must be "{name}", as in the path')
        (rule,) = self._parsed([document], where=())
        found = [rule if one.name == name else one for one in self._rules]
        self._put(found if rule in found else [*found, rule])
        return self._shown()

    async def remove_one(self, request: "web.Request") -> Any:
        """DELETE /rules/NAME: all but that one."""
        name = self._named(request)
        self._put([one for one in self._rules if one.name != name])
        return self._shown()

    async def reset(self, request: "web.Request") -> Any:
        """POST /reset: the rules of the configuration, as if nothing had happened before."""
        del request
        self._host.book.reset(self._host.configured_rules, now=self._host.clock.monotonic())
        log.info("control: reset to %d rules", len(self._rules))
        return self._shown()

    async def restart(self, request: "web.Request") -> Any:
        """POST /restart: the whole runtime, now."""
        from runtime_stub.config_file import restart_of

        document = await _body(request) if request.can_read_body else {}
        found = restart_of(document)
        if not isinstance(found, Restart):
            raise Wrong(400, *(Source().fault(path, what) for path, what in found))
        self._host.restarts.ask(found)
        return {"restarting": {"downSeconds": found.down_seconds}}

    async def metrics(self, request: "web.Request") -> Any:
        """GET /metrics: the counts for Prometheus."""
        del request
        return exposition(self._host.book.counts())

    @property
    def _rules(self) -> Sequence[Rule]:
        return self._host.book.rules

    def _put(self, rules: Sequence[Rule]) -> None:
        self._host.book.replace(rules, now=self._host.clock.monotonic())
        log.info("control: %d rules in force", len(rules))

    def _parsed(self, documents: Sequence[Any], *, where: tuple[str | int, ...]) -> list[Rule]:
        from pydantic import ValidationError

        from runtime_stub.config_findings import worded
        from runtime_stub.rule_schema import RuleText

        rules, faults = [], []
        for index, document in enumerate(documents):
            place = (*where, index) if where else ()
            try:
                rules.append(RuleText.model_validate(document).rule())
            except ValidationError as error:
                faults += [Source().fault((*place, *path), what) for path, what in worded(RuleText, error)]
        if not faults:
            for one in rule_findings(rules, self._host.profile):
                faults.append(Source().fault((*where, *one.path) if where else one.path[1:], one.problem))
        if faults:
            raise Wrong(400, *faults)
        return rules

    def _named(self, request: "web.Request") -> str:
        name = str(request.match_info["name"])
        if not any(one.name == name for one in self._rules):
            raise Wrong(404, f'"{name}": no such rule')
        return name

    def _shown(self) -> dict[str, Any]:
        counts = self._host.book.counts()
        return {"rules": [{**one.written, "name": one.name, "counts": counts[one.name]} for one in self._rules]}


def exposition(counts: dict[str, dict[str, dict[str, int]]]) -> str:
    """Return counts of rules in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily
    from prometheus_client.registry import Collector

    class Counts(Collector):
        def collect(self) -> Iterator[CounterMetricFamily]:
            for kind, what in (("matched", "was asked about"), ("acted", "acted on")):
                family = CounterMetricFamily(
                    f"runtime_stub_rule_{kind}", f"Calls that a rule {what}.", labels=("rule", "rpc")
                )
                for rule, by_rpc in counts.items():
                    for rpc, count in by_rpc.items():
                        family.add_metric((rule, rpc), count[kind])
                yield family

    registry = CollectorRegistry()
    registry.register(Counts())
    return generate_latest(registry).decode()


@asynccontextmanager
async def controlling(host: Host) -> AsyncIterator[str]:
    """Serve the control API, if the configuration has one, as long as the block lasts; yields its address.

    Raises:
        ListenError: its address is in use.
    """
    if not host.settings.control:
        yield ""
        return
    from aiohttp import web

    name, port = parse_loopback(host.settings.control)
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(application(Control(host)), access_log=None, shutdown_timeout=CLOSING_SECONDS)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, name, port).start()
        except OSError as error:
            raise ListenError(f"control: {host.settings.control}: cannot listen there: {error.strerror}") from error
        address = f"{name}:{runner.addresses[0][1]}"
        log.info("control API on http://%s/rules", address)
        yield address


def application(control: Control) -> "web.Application":
    """Return the routes of the control API."""
    from aiohttp import web

    @web.middleware
    async def answer(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            refuse_pages(request)
            found = await handler(request)
        except Wrong as wrong:
            return web.json_response({"errors": list(wrong.faults)}, status=wrong.status)
        except web.HTTPException as error:
            return web.json_response({"errors": [error.reason]}, status=error.status)
        if isinstance(found, str):
            return web.Response(text=found, content_type="text/plain")
        return web.json_response(found)

    app = web.Application(middlewares=[answer], client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/rules", control.show)
    app.router.add_put("/rules", control.replace)
    app.router.add_post("/rules", control.add)
    app.router.add_delete("/rules", control.clear)
    app.router.add_get("/rules/{name}", control.show_one)
    app.router.add_put("/rules/{name}", control.replace_one)
    app.router.add_delete("/rules/{name}", control.remove_one)
    app.router.add_post("/reset", control.reset)
    app.router.add_post("/restart", control.restart)
    app.router.add_get("/metrics", control.metrics)
    return app


def refuse_pages(request: "web.Request") -> None:
    """Refuse what a page in a browser could have sent.

    Raises:
        Wrong: it could.
    """
    host = request.headers.get("Host", "")
    if not is_own_name(host):
        raise Wrong(403, f"Host: {json.dumps(host)}: must be localhost or an IP address")
    for header in ("Origin", "Sec-Fetch-Site"):
        if header in request.headers:
            raise Wrong(403, f"{header}: pages may not order anything here")


async def _body(request: "web.Request") -> Any:
    if request.content_type != "application/json":
        raise Wrong(415, f"Content-Type: {json.dumps(request.content_type)}: must be application/json")
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise Wrong(400, f"not JSON: {error}") from error
