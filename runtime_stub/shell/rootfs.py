"""This module is the root file system that an image brings along: a small Linux, and what the catalogue adds.

Directories are paths that end with a slash. Every image has busybox's commands below `/bin`, so that a shell finds what
it looks for; the contents of programs do not matter, hence are empty.
"""

from collections.abc import Mapping
from functools import lru_cache

from runtime_stub.behaviour.catalogue import ImageEntry
from runtime_stub.shell.busybox import BUSYBOX

USERS = """\
root:x:0:0:root:/root:/bin/sh
daemon:x:1:1:daemon:/usr/sbin:/bin/false
bin:x:2:2:bin:/bin:/bin/false
sys:x:3:3:sys:/dev:/bin/false
sync:x:4:100:sync:/bin:/bin/sync
mail:x:8:8:mail:/var/spool/mail:/bin/false
www-data:x:33:33:www-data:/var/www:/bin/false
operator:x:37:37:Operator:/var:/bin/false
nobody:x:65534:65534:nobody:/home:/bin/false
"""

GROUPS = """\
root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
wheel:x:10:root
www-data:x:33:
users:x:100:
nobody:x:65534:
"""

_FILES = {
    "/etc/passwd": USERS,
    "/etc/group": GROUPS,
    "/etc/shadow": "root:*:::::::\nnobody:*:::::::\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
    "/etc/localtime": "",
}
_DIRECTORIES = "/bin/ /dev/ /etc/ /home/ /lib/ /proc/ /root/ /run/ /sys/ /tmp/ /usr/bin/ /usr/sbin/ /usr/lib/ /var/log/ /var/lib/ /var/run/ /var/tmp/ /var/www/ /var/spool/mail/"  # noqa: E501


def rootfs(entry: ImageEntry) -> Mapping[str, bytes]:
    """Return an image's files: contents by absolute path; a path that ends with a slash is a directory."""
    return _with_parents({**_base(), **{path: text.encode() for path, text in entry.files.items()}})


def holds(files: Mapping[str, bytes], path: str) -> bool:
    """Tell whether a path, relative to the root or not, is a file or a directory of an image."""
    full = "/" + path.strip("/")
    return full in files or f"{full.rstrip('/')}/" in files


@lru_cache(maxsize=1)
def _base() -> Mapping[str, bytes]:
    files = {path: text.encode() for path, text in _FILES.items()}
    files.update(dict.fromkeys(_DIRECTORIES.split(), b""))
    files.update({f"/bin/{name}": b"" for name in sorted(BUSYBOX)})
    return _with_parents(files)


def _with_parents(files: Mapping[str, bytes]) -> dict[str, bytes]:
    complete = {"/": b""}
    for path, data in files.items():
        at = path.find("/", 1)
        while at > 0:
            complete.setdefault(path[: at + 1], b"")
            at = path.find("/", at + 1)
        complete[path] = data
    return complete
