"""The commands of a small Linux, each one a function from its call to a process; `text`, `editing`,
`filesystem`, `system`, `network`.

They write what busybox writes. What is not here but may exist in an image is a server, or succeeds as an exec
(`entrypoint`).
"""

from collections.abc import Callable, Mapping

from runtime_stub.shell.applets import APPLETS, SHELLS
from runtime_stub.shell.busybox import BUSYBOX
from runtime_stub.shell.commands import editing, filesystem, network, system, text
from runtime_stub.shell.commands.text import guarded
from runtime_stub.shell.commands.top import top
from runtime_stub.shell.context import Call, Context, absolute
from runtime_stub.shell.program import Steps, steps_of
from runtime_stub.shell.redirection import complaint

Command = Callable[[Call], Steps]

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_EXECUTABLE = 126
NOT_FOUND = 127


def _simple(name: str) -> Command:
    return lambda call: steps_of(APPLETS[name](call.arguments))


COMMANDS: Mapping[str, Command] = {
    **{name: _simple(name) for name in APPLETS},
    **text.COMMANDS,
    **editing.COMMANDS,
    **filesystem.COMMANDS,
    **system.COMMANDS,
    **network.COMMANDS,
    "top": guarded(top),
}
"""Every emulated command by its name."""

_PART_OF_SHELL = frozenset({"echo", "printf", "test", "[", "[[", "true", "false", ":"})
"""Commands that a shell finds in itself, whatever the file system says."""


def where(name: str, context: Context, path: str | None, *, directory: str) -> str:
    """Return the path of a command; empty when there is none."""
    if "/" in name:
        full = absolute(name, directory)
        return full if context.files.exists(full) else ""
    for folder in (path or DEFAULT_PATH).split(":"):
        candidate = absolute(name, folder or directory)
        if context.files.exists(candidate) and not context.files.look(candidate).is_directory:
            return candidate
    return ""


def find_command(call: Call, *, shell: str) -> Steps:
    """Return the process of a command that a shell calls; what cannot be called complains."""
    name, base = call.argv[0], call.name
    if base in _PART_OF_SHELL and "/" not in name:
        return COMMANDS[base](call)
    path = where(name, call.context, call.environment.get("PATH"), directory=call.directory)
    if path and (call.files.is_masked(path) or not call.files.look(path).is_program):
        return _complain(shell, name, "Permission denied", NOT_EXECUTABLE)
    if path and base not in COMMANDS and base not in SHELLS and (script := _contents(call, path)):
        return system.run_shell(call, script.decode(errors="surrogateescape"), [name, *call.arguments])
    if not path and "/" in name and base not in COMMANDS and call.context.is_busybox:
        return _complain(shell, name, "not found", NOT_FOUND)
    if base in SHELLS:
        return system.shell(call)
    if base in COMMANDS and (path or not call.context.is_busybox):
        return COMMANDS[base](call)
    if call.context.is_busybox and base not in BUSYBOX:
        return _complain(shell, name, "not found", NOT_FOUND)
    return steps_of(call.context.unknown)


def _contents(call: Call, path: str) -> bytes:
    try:
        return call.files.read(path)
    except OSError:
        return b""  # a directory


def _complain(shell: str, name: str, text: str, status: int) -> Steps:
    yield from complaint(shell, name, text)
    return status
