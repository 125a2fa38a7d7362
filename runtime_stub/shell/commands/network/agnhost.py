"""This module is `agnhost`, the server of Kubernetes' own end-to-end tests, which its documentation uses, too.

Of its subcommands there are those that probes and services are shown with: `netexec`, `liveness`, `test-webserver`,
`porter`, `grpc-health-checking`, `serve-hostname`, `connect`, `pause`. Upstream: test/images/agnhost.
"""

import errno
from collections.abc import Callable, Mapping

from runtime_stub.network.answers import Answers, attend
from runtime_stub.network.answers.health import HealthAnswers
from runtime_stub.network.answers.http import HTTPAnswers, Page, Request, Site
from runtime_stub.network.stream import End
from runtime_stub.shell.commands.network.reaching import addresses, connected
from runtime_stub.shell.commands.text import out
from runtime_stub.shell.context import Call
from runtime_stub.shell.program import FOREVER, Output, Steps, Wait, news
from runtime_stub.shell.redirection import complaint

LIVELY_SECONDS = 10.0
"""How long `liveness` is well."""
_HTTP_PORT, _GRPC_PORT = 8080, 5000


def agnhost(call: Call) -> Steps:
    """`agnhost SUBCOMMAND [--FLAG=VALUE…]`."""
    words = call.arguments or ["pause"]
    command = _SUBCOMMANDS.get(words[0])
    if command is None:
        yield from complaint("Error", f'unknown command "{words[0]}" for "app"')
        return 1
    flags, operands = _flags(words[1:])
    return (yield from command(call, flags, operands))


def _flags(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return long flags with their values, and what is left."""
    found: dict[str, str] = {}
    operands: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            operands.append(word)
            continue
        name, assigned, value = word[2:].partition("=")
        found[name] = value if assigned else rest.pop(0) if rest and not rest[0].startswith("-") else "true"
    return found, operands


def _serving(call: Call, servers: Mapping[int, Callable[[], Answers]], ended: "list[int] | None" = None) -> Steps:
    """Answer on ports until a signal comes, or an exit code is in `ended`."""
    leaves: list[Callable[[], None]] = []
    try:
        for port, answers in servers.items():

            def accept(end: End, answers: Callable[[], Answers] = answers) -> None:
                attend(end, answers())

            try:
                leaves.append(call.context.network.listen(port, accept))
            except OSError:
                yield Output("stderr", f"listen tcp :{port}: bind: address already in use\n".encode())
                return 1
        while not ended:
            yield news(call.context.bell)
        return ended[0]
    finally:
        for leave in leaves:
            leave()


def _http(site: Site) -> Callable[[], Answers]:
    return lambda: HTTPAnswers(site)


def _text(body: str, status: int = 200) -> Page:
    return Page(body.encode(), status, "text/plain; charset=utf-8")


def _port(flags: Mapping[str, str], name: str, default: int) -> int:
    text = flags.get(name, str(default))
    return int(text) if text.isdecimal() and 0 < int(text) < 1 << 16 else default


def _netexec(call: Call, flags: Mapping[str, str], operands: list[str]) -> Steps:
    """Serve what tests ask of a web server; `/exit` ends it."""
    del operands
    ended: list[int] = []
    unhealthy: list[bool] = []

    def site(request: Request) -> Page:
        match request.path.rstrip("/"):
            case "" | "/index.html":
                return _text(f"NOW: {call.context.now():.0f}")
            case "/hostname" | "/hostName":
                return _text(call.context.hostname)
            case "/echo":
                return _text(request.query("msg"))
            case "/healthz":
                return _text("", 412 if unhealthy else 200)
            case "/shutdown" | "/exit":
                code = request.query("code", "0")
                ended.append(int(code) if code.isdecimal() else 0)
                call.context.bell.ring()
                return _text("")
            case "/header":
                return _text(request.fields.get(request.query("key").lower(), ""))
            case "/redirect":
                code = request.query("code", "302")
                return Page(b"", int(code) if code.isdecimal() else 302, fields={"Location": request.query("location")})
            case _:
                return _text("404 page not found\n", 404)

    return (yield from _serving(call, {_port(flags, "http-port", _HTTP_PORT): _http(site)}, ended))


def _liveness(call: Call, flags: Mapping[str, str], operands: list[str]) -> Steps:
    """Be well for ten seconds, then ill."""
    del flags, operands
    began = call.context.now()

    def site(request: Request) -> Page:
        elapsed = call.context.now() - began
        if request.path == "/healthz" and elapsed > LIVELY_SECONDS:
            return _text(f"error: {elapsed:f}", 500)
        if request.path not in ("/healthz", "/started", "/redirect"):
            return _text("404 page not found\n", 404)
        return _text(f"{elapsed:f}s" if request.path == "/started" else "ok")

    return (yield from _serving(call, {_HTTP_PORT: _http(site)}))


def _web_server(call: Call, flags: Mapping[str, str], operands: list[str]) -> Steps:
    del operands
    return (yield from _serving(call, {_port(flags, "port", 80): _http(lambda _: _text("test-webserver\n"))}))


def _serve_hostname(call: Call, flags: Mapping[str, str], operands: list[str]) -> Steps:
    del operands
    site = _http(lambda _: _text(call.context.hostname))
    return (yield from _serving(call, {_port(flags, "port", 9376): site}))


def _porter(call: Call, flags: Mapping[str, str], operands: list[str]) -> Steps:
    """Answer with the value of each variable SERVE_PORT_<port> on its port."""
    del flags, operands
    prefix = "SERVE_PORT_"
    servers = {
        int(name.removeprefix(prefix)): _http(lambda _, text=text: _text(text))  # type: ignore[misc]
        for name, text in call.environment.items()
        if name.startswith(prefix) and name.removeprefix(prefix).isdecimal()
    }
    return (yield from _serving(call, servers))


def _grpc_health_checking(call: Call, flags: Mapping[str, str], operands: list[str]) -> Steps:
    """Serve grpc.health.v1; what it says is changed over HTTP."""
    del operands
    service = flags.get("service", "")
    statuses = {"": "SERVING", service: "SERVING"}

    def site(request: Request) -> Page:
        wishes = {"/make-serving": "SERVING", "/make-not-serving": "NOT_SERVING"}
        if request.path not in wishes:
            return _text("404 page not found\n", 404)
        statuses.update(dict.fromkeys(statuses, wishes[request.path]))
        return _text(f"Marked as {wishes[request.path]}\n")

    return (
        yield from _serving(
            call,
            {
                _port(flags, "port", _GRPC_PORT): lambda: HealthAnswers(statuses.get),
                _port(flags, "http-port", _HTTP_PORT): _http(site),
            },
        )
    )


def _connect(call: Call, flags: Mapping[str, str], operands: list[str]) -> Steps:
    """Try a connection: `connect [--timeout=SECONDSs] HOST:PORT`."""
    host, _, port = (operands or [""])[0].rpartition(":")
    seconds = flags.get("timeout", "0").removesuffix("s")
    if not port.isdecimal():
        yield from complaint("OTHER", "missing port in address")
        return 1
    at = yield from addresses(call, host)
    if not at:
        yield from complaint("DNS", f"lookup {host}: no such host")
        return 1
    try:
        patience = float(seconds) if seconds.replace(".", "", 1).isdecimal() else 0.0
        end = yield from connected(call, at[0], int(port), timeout_seconds=patience)
    except OSError as error:
        words = {errno.ECONNREFUSED: "REFUSED", errno.ETIMEDOUT: "TIMEOUT"}
        yield Output("stderr", f"{words.get(error.errno or 0, 'OTHER')}\n".encode())
        return 1
    end.close()
    return 0


def _pause(call: Call, flags: Mapping[str, str], operands: list[str]) -> Steps:
    del call, flags, operands
    yield out("Paused\n")
    yield Wait(FOREVER, heeds_signals=True)
    return 0


_SUBCOMMANDS: Mapping[str, Callable[[Call, Mapping[str, str], list[str]], Steps]] = {
    "connect": _connect,
    "grpc-health-checking": _grpc_health_checking,
    "liveness": _liveness,
    "netexec": _netexec,
    "pause": _pause,
    "porter": _porter,
    "serve-hostname": _serve_hostname,
    "test-webserver": _web_server,
}
