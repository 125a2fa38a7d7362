"""This module is `wget`, busybox's, over HTTP."""

from collections.abc import Generator
from urllib.parse import SplitResult, urljoin, urlsplit

from runtime_stub.network.stream import End
from runtime_stub.shell.commands.network.reaching import addresses, arrived, connected
from runtime_stub.shell.commands.options import UsageError, options
from runtime_stub.shell.context import Call
from runtime_stub.shell.program import Output, Step, Steps
from runtime_stub.shell.redirection import complaint, wording

HTTP_PORT = 80
MAX_REDIRECTIONS = 20
MAX_HEAD_BYTES = 64 * 1024
PATIENCE_SECONDS = 900
_LONG = ("spider", "no-check-certificate", "header", "post-data", "quiet", "timeout", "server-response")
_REDIRECTIONS = frozenset({"301", "302", "303", "307", "308"})


class _Failed(Exception):
    """A download fails; the message is wget's."""


def wget(call: Call) -> Steps:
    """`wget [-cqS] [--spider] [-O FILE] [-T SEC] [-U AGENT] [--header H] [--post-data D] URL…`."""
    arguments, extra = _long_options(call.arguments)
    found, urls = options(arguments, "cqS", valued="OPTUoY", long=_LONG)
    if not urls:
        raise UsageError("missing URL")
    for url in urls:
        try:
            yield from _Download(call, {**found, **extra}).run(url)
        except _Failed as error:
            yield from complaint(call.name, error)
            return 1
        except TimeoutError:
            yield from complaint(call.name, "download timed out")
            return 1
        except OSError as error:
            yield from complaint(call.name, wording(error))
            return 1
    return 0


def _long_options(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the arguments without long options that mean something, and those."""
    rest, found = list(arguments), {}
    kept: list[str] = []
    while rest:
        word = rest.pop(0)
        name, assigned, value = word[2:].partition("=")
        if word == "--spider":
            found["spider"] = ""
        elif word.startswith("--") and name in ("header", "post-data"):
            value = value if assigned else rest.pop(0) if rest else ""
            found[name] = f"{found[name]}\r\n{value}" if name in found else value
        else:
            kept.append(word)
    return kept, found


class _Download:
    """One URL on its way into a file."""

    def __init__(self, call: Call, found: dict[str, str]) -> None:
        self._call = call
        self._found = found
        seconds = found.get("T", str(PATIENCE_SECONDS))
        if not seconds.isdecimal():
            raise UsageError(f"invalid number '{seconds}'")
        self._patience = float(seconds)

    def run(self, url: str) -> Steps:
        target = self._target(url)
        for _ in range(MAX_REDIRECTIONS):
            parts, port = _parts(url)
            if parts.scheme != "http" or not parts.hostname:
                raise _Failed(f"not an http or ftp url: {url}" if parts.scheme != "https" else _NO_TLS)
            end = yield from self._connect(parts.hostname, port)
            try:
                path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                end.write(self._request(path, parts.netloc))
                head, body = yield from self._head(end)
                status, *fields = head.split("\r\n")
                yield from self._show(head)
                location = _field(fields, "location")
                if status.split(" ")[1] in _REDIRECTIONS and location:
                    url = _joined(f"http://{parts.netloc}{path}", location)
                    continue
                if not status.split(" ")[1].startswith("2"):
                    raise _Failed(f"server returned error: {status}")
                return (yield from self._save(end, target, fields, body))
            finally:
                end.close()
        raise _Failed("too many redirections")

    def _target(self, url: str) -> str:
        if "O" in self._found:
            return self._found["O"]
        return _parts(url)[0].path.rpartition("/")[2] or "index.html"

    def _connect(self, host: str, port: int) -> Generator[Step, bytes | None, End]:
        at = yield from addresses(self._call, host)
        if not at:
            raise _Failed(f"bad address '{host}'")
        if "q" not in self._found:
            yield Output("stderr", f"Connecting to {host}:{port} ({at[0]}:{port})\n".encode())
        try:
            return (yield from connected(self._call, at[0], port, timeout_seconds=self._patience))
        except OSError as error:
            raise _Failed(f"can't connect to remote host ({at[0]}): {wording(error)}") from error

    def _request(self, path: str, host: str) -> bytes:
        data = self._found.get("post-data")
        fields = [f"{'GET' if data is None else 'POST'} {path} HTTP/1.1", f"Host: {host}"]
        fields += [f"User-Agent: {self._found.get('U', 'Wget')}", "Connection: close"]
        if "header" in self._found:
            fields.append(self._found["header"])
        if data is not None:
            fields += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(data.encode())}"]
        return ("\r\n".join(fields) + "\r\n\r\n" + (data or "")).encode(errors="surrogateescape")

    def _head(self, end: End) -> Generator[Step, bytes | None, tuple[str, bytes]]:
        received = b""
        while b"\r\n\r\n" not in received and b"\n\n" not in received:
            try:
                data = yield from arrived(self._call, end, timeout_seconds=self._patience)
            except ConnectionError:
                data = b""
            if not data or len(received) > MAX_HEAD_BYTES:
                raise _Failed("error getting response")
            received += data
        separator = b"\r\n\r\n" if b"\r\n\r\n" in received else b"\n\n"
        head, _, body = received.partition(separator)
        text = head.decode("latin-1").replace("\r\n", "\n").replace("\n", "\r\n")
        if len(text.split(" ")) < 2 or not text.startswith("HTTP/"):
            raise _Failed("error getting response")
        return text, body

    def _show(self, head: str) -> Steps:
        if "S" in self._found:
            yield Output("stderr", "".join(f"  {line}\n" for line in [*head.split("\r\n"), ""]).encode())
        return 0

    def _save(self, end: End, target: str, fields: list[str], body: bytes) -> Steps:
        loud = "q" not in self._found
        if "spider" in self._found:
            if loud:
                yield Output("stderr", b"remote file exists\n")
            return 0
        path = self._call.path(target)
        if target != "-" and "O" not in self._found and "c" not in self._found and self._call.files.exists(path):
            raise _Failed(f"can't open '{target}': File exists")
        if loud:
            yield Output("stderr", (_TO_STDOUT if target == "-" else f"saving to '{target}'\n").encode())
        body = yield from self._body(end, fields, body)
        if target == "-":
            yield Output("stdout", body)
        else:
            try:
                self._call.files.write(path, body)
            except OSError as error:
                raise _Failed(f"can't open '{target}': {wording(error)}") from error
        if loud:
            done = "written to stdout" if target == "-" else f"'{target}' saved"
            bar = f"{target[:20]:20} 100% |{'*' * 32}| {len(body):5d}  0:00:00 ETA"
            yield Output("stderr", f"{bar}\n{done}\n".encode())
        return 0

    def _body(self, end: End, fields: list[str], body: bytes) -> Generator[Step, bytes | None, bytes]:
        length = _field(fields, "content-length")
        wanted = int(length) if length.isdecimal() else None
        while wanted is None or len(body) < wanted:
            data = yield from arrived(self._call, end, timeout_seconds=self._patience)
            if not data:
                break
            body += data
        if wanted is not None and len(body) < wanted:
            raise _Failed("connection closed prematurely")
        return _unchunked(body) if _field(fields, "transfer-encoding").lower() == "chunked" else body


_TO_STDOUT = "writing to stdout\n"
_NO_TLS = "TLS is not simulated"


def _parts(url: str) -> tuple[SplitResult, int]:
    """Return the parts of a URL, which may lack its scheme, and its port."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or HTTP_PORT
    except ValueError as error:
        raise _Failed(f"bad URL '{url}'") from error
    return parts, port


def _joined(base: str, location: str) -> str:
    try:
        return urljoin(base, location)
    except ValueError as error:
        raise _Failed(f"bad URL '{location}'") from error


def _field(fields: list[str], name: str) -> str:
    return next((value.strip() for key, _, value in (one.partition(":") for one in fields) if key.lower() == name), "")


def _unchunked(body: bytes) -> bytes:
    pieces = []
    while body:
        size, _, body = body.partition(b"\r\n")
        try:
            length = int(size.partition(b";")[0], 16)
        except ValueError:
            break
        if not length:
            break
        pieces.append(body[:length])
        body = body[length + 2 :]
    return b"".join(pieces)
