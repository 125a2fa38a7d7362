"""This module is what web servers show: pages that the configuration describes, and files of a container."""

import errno
from collections.abc import Callable, Mapping
from posixpath import join, normpath

from runtime_stub.network.answers.http import Page, Request, Site
from runtime_stub.shell.files import Files

_TYPES = {
    "css": "text/css",
    "gif": "image/gif",
    "htm": "text/html",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "xml": "text/xml",
}


def described(*, status: int, body: str, paths: Mapping[str, int]) -> Site:
    """Return a site that answers every path alike, but for those that have a status of their own."""

    def site(request: Request) -> Page:
        found = paths.get(request.path, status)
        return Page(body.encode() if found == status else f"{found}\n".encode(), found)

    return site


def files_below(root: str, files: Callable[[], Files], *, fallback: Site) -> Site:
    """Return a site of a container's files, with `index.html` for directories.

    Args:
        root: the directory that is shown as `/`.
        files: returns the container's.
        fallback: makes the page when a path has no status of its own and no file, from its status there.
    """

    def site(request: Request) -> Page:
        if request.method not in ("GET", "HEAD"):
            return Page(b"", 405)
        page = fallback(request)
        if page.status != HTTP_OK:
            return page
        return file_page(files(), root, request.path) or _error(404)

    return site


HTTP_OK = 200


def file_page(files: Files, root: str, path: str) -> Page | None:
    """Return the page of a file below a directory, or that a directory has none; None when there is no such file."""
    inside = normpath("/" + path.lstrip("/")).lstrip("/")
    full = join(root, inside).rstrip("/") or "/"
    try:
        if files.look(full).is_directory:
            full = join(full, "index.html")
            if not files.exists(full):
                return _error(403)
        extension = full.rpartition("/")[2].rpartition(".")[2]
        return Page(files.read(full), 200, _TYPES.get(extension, "application/octet-stream"))
    except OSError as error:
        return _error(403) if error.errno in (errno.EACCES, errno.EPERM) else None


def _error(status: int) -> Page:
    words = {403: "Forbidden", 404: "Not Found"}[status]
    title = f"{status} {words}"
    return Page(
        f"<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n".encode(), status
    )
