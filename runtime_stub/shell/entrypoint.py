"""This module is the decision what a process is: an emulated command, a shell script, or a server.

The rules, which the manual repeats (docs/runtime-stub.md):

1. A command is known by its basename: `/bin/sleep` is `sleep`.
2. In an image that is a busybox, a command outside busybox cannot exist: it fails to start as under runc. Any other
   image may contain anything.
   A path that the container has as a directory, or without the permission to be run, fails to start as well.
3. What is more than a fixed program (`script`, `applets`) is `LIVE`: the emulated shell carries it out.
4. A command that exists and is not emulated is a server: it runs until a signal ends it, and ends with 128 + the
   signal. As an exec, where a server would keep a probe waiting, it succeeds at once and writes nothing.
5. A container without a command runs its image's: a server, or for busybox a shell, which ends at once without input.
"""

from collections.abc import Sequence
from functools import partial
from posixpath import normpath

from runtime_stub.behaviour.service import Service
from runtime_stub.shell.applets import APPLETS, SHELLS
from runtime_stub.shell.busybox import BUSYBOX, EMULATED
from runtime_stub.shell.files import Files
from runtime_stub.shell.program import FOREVER, LIVE, Exit, Hush, Listen, Output, Program, Step, Wait
from runtime_stub.shell.script import COMMAND_NOT_FOUND, NeedsShell, compile_script

SERVER: Program = (Wait(FOREVER, heeds_signals=True),)
SUCCESS: Program = (Exit(0),)


class NotExecutable(Exception):
    """The command cannot exist in its image; the text is runc's."""


def container_program(
    command: Sequence[str],
    arguments: Sequence[str],
    *,
    image_path: str,
    has_stdin: bool = False,
    server: Program = SERVER,
) -> Program:
    """Return what a container's PID 1 does.

    Args:
        command: the CRI's `command`, which replaces the image's entry point; or that.
        arguments: the CRI's `args`, which replace the image's default arguments.
        image_path: the image's repository without its domain, such as `library/busybox`.
        has_stdin: whether somebody may type, which keeps an interactive shell alive.
        server: what a command does that is not emulated.

    Raises:
        NotExecutable: the command cannot be in that image.
    """
    argv = [*command, *arguments]
    if not command and not is_busybox(image_path):
        return server
    return _program(argv or ["sh"], image_path=image_path, has_stdin=has_stdin, server=server)


def exec_program(command: Sequence[str], *, image_path: str, has_stdin: bool = False) -> Program:
    """Return what a command run inside a container does.

    Args:
        command: the command line.
        image_path: the image's repository without its domain.
        has_stdin: whether somebody may type.

    Raises:
        NotExecutable: the command cannot be in that image.
    """
    return _program(list(command), image_path=image_path, has_stdin=has_stdin, server=SUCCESS)


def check_program(command: str, files: Files) -> None:
    """Refuse a path whose file may not be run. A path that is not there may still be, in an image nobody has described.

    Raises:
        NotExecutable: it is a directory, or has no permission for it.
    """
    try:
        is_program = files.look(normpath(command)).is_program
    except OSError:
        return
    if not is_program:
        raise NotExecutable(f'exec: "{command}": permission denied')


def server_program(services: Sequence[Service], *, banner: str = "") -> Program:
    """Return what a server does: it says who it is, answers, and in time fails at that, until a signal ends it."""
    steps: list[Step] = [Output("stderr", banner.encode())] if banner else []
    steps += [Listen(service) for service in services]
    elapsed = 0.0
    for service in sorted(services, key=lambda one: one.fails_after_seconds):
        if service.fails_after_seconds == FOREVER:
            break
        steps.append(Wait(service.fails_after_seconds - elapsed, heeds_signals=True))
        elapsed = service.fails_after_seconds
        failed = service.failed()
        steps.append(Hush(service.port) if failed is None else Listen(failed))
    return (*steps, *SERVER)


def only_sleeps(argv: Sequence[str]) -> bool:
    """Tell whether a command begins with a `sleep`, so that its container uses next to nothing."""
    words = list(argv)
    if len(words) > 2 and words[0].rpartition("/")[2] in SHELLS and words[1] == "-c":
        words = words[2].split()
    return bool(words) and words[0].rpartition("/")[2] == "sleep"


def is_tool(argv: Sequence[str]) -> bool:
    """Tell whether a command is a shell or one of busybox's tools, which are small."""
    name = argv[0].rpartition("/")[2] if argv else "sh"
    return name in SHELLS or name in BUSYBOX


def converses(argv: Sequence[str]) -> bool:
    """Tell whether a command is a shell that reads its commands, which ^C does not end."""
    words = [word for word in argv[1:] if word != "-"]
    name = argv[0].rpartition("/")[2] if argv else "sh"
    return name in SHELLS and all(word.startswith("-") and "c" not in word for word in words)


def is_busybox(image_path: str) -> bool:
    """Tell whether an image is taken for a busybox: its repository's last part is, or starts with, `busybox`."""
    return image_path.rpartition("/")[2].startswith("busybox")


def _program(argv: list[str], *, image_path: str, has_stdin: bool, server: Program) -> Program:
    busybox = is_busybox(image_path)
    name = argv[0].rpartition("/")[2] if argv else ""
    if not name or (busybox and name not in BUSYBOX):
        raise NotExecutable(_runc_text(argv[0] if argv else ""))
    if name in SHELLS:
        return _shell(argv, has_stdin=has_stdin, busybox=busybox, server=server)
    if name in EMULATED:
        return LIVE
    applet = APPLETS.get(name)
    return applet(argv[1:]) if applet else server


def _shell(argv: list[str], *, has_stdin: bool, busybox: bool, server: Program) -> Program:
    shell, *options = argv
    flags = ""
    while options and options[0].startswith("-") and options[0] != "-" and "c" not in flags:
        flags += options.pop(0)[1:]
    if "c" not in flags:  # a shell that reads commands, or a script file that would have to be read
        return LIVE if options or has_stdin else (Exit(0),)
    if not options:
        return (Output("stderr", f"{shell}: -c requires an argument\n".encode()), Exit(2))
    unknown = partial(_command_in_script, shell=shell, busybox=busybox, server=server)
    try:
        return compile_script(options[0], shell=shell, unknown=unknown, stop_at_failure="e" in flags)
    except NeedsShell:
        return LIVE


def _command_in_script(name: str, *, shell: str, busybox: bool, server: Program) -> Program:
    if busybox and name and name.rpartition("/")[2] not in BUSYBOX:
        return (Output("stderr", f"{shell}: {name}: not found\n".encode()), Exit(COMMAND_NOT_FOUND))
    return server


def _runc_text(command: str) -> str:
    if "/" in command:
        return f'exec: "{command}": stat {command}: no such file or directory'
    return f'exec: "{command}": executable file not found in $PATH'
