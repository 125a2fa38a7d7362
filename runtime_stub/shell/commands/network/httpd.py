"""This module is `httpd`, busybox's, without CGI: it shows a container's files."""

from runtime_stub.network.answers import attend
from runtime_stub.network.answers.http import HTTPAnswers, Page, Request
from runtime_stub.network.answers.pages import HTTP_OK, file_page
from runtime_stub.network.stream import End
from runtime_stub.shell.commands.options import UsageError, options
from runtime_stub.shell.context import Call
from runtime_stub.shell.program import FOREVER, Steps, Wait
from runtime_stub.shell.redirection import complaint, wording

HTTP_PORT = 80
_ERRORS = {
    404: ("Not Found", "The requested URL was not found"),
    501: ("Not Implemented", "The requested method is not recognized"),
}


def httpd(call: Call) -> Steps:
    """`httpd [-f] [-p [ADDRESS:]PORT] [-h DIRECTORY]`: shows files; goes to the background without `-f`."""
    found, _ = options(call.arguments, "fvi", valued="phcur")
    port = found.get("p", str(HTTP_PORT)).rpartition(":")[2]
    if not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise UsageError(f"invalid number '{port}'")
    root = call.path(found.get("h", "."))
    try:
        call.files.names(root)
    except OSError as error:
        yield from complaint(call.name, f"can't change directory to '{found.get('h', '.')}'", wording(error))
        return 1

    def site(request: Request) -> Page:
        if request.method not in ("GET", "HEAD"):
            return _error(501)
        page = file_page(call.files, root, request.path)
        return page if page is not None and page.status == HTTP_OK else _error(404)

    def accept(end: End) -> None:
        attend(end, HTTPAnswers(site, keeps_alive=False))

    try:
        leave = call.context.network.listen(int(port), accept)
    except OSError as error:
        yield from complaint(call.name, "bind", wording(error))
        return 1
    if "f" not in found:
        pid = call.context.begin(call.argv)

        def end() -> None:
            leave()
            call.context.end(pid)

        call.context.enders[pid] = end
        return 0
    try:
        yield Wait(FOREVER, heeds_signals=True)
    finally:
        leave()
    return 0


def _error(status: int) -> Page:
    title, text = _ERRORS[status]
    page = (
        f"<HTML><HEAD><TITLE>{status} {title}</TITLE></HEAD>\n<BODY><H1>{status} {title}</H1>\n{text}\n</BODY></HTML>\n"
    )
    return Page(page.encode(), status)
