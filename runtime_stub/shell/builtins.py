"""This module is the commands that are part of the shell, since they change it."""

# ruff: noqa: ARG001  # one signature for all

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from runtime_stub.shell.context import Input, absolute
from runtime_stub.shell.expansion import ExpansionError
from runtime_stub.shell.parser import parse
from runtime_stub.shell.program import Output, Steps, news
from runtime_stub.shell.redirection import complaint, wording
from runtime_stub.shell.signals import name_of, number_of
from runtime_stub.shell.traps import trap
from runtime_stub.shell.word_reader import ScriptError

if TYPE_CHECKING:
    from runtime_stub.shell.interpreter import Shell

SIGNAL_STATUS = 128
"""What is added to a signal's number where it is a status."""

Builtin = Callable[["Shell", Sequence[str], Input], Steps]


class EndShell(Exception):  # a script's way to end
    """`exit`."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


class BreakLoop(Exception):  # a script's way to leave a loop
    """`break` and `continue`."""

    def __init__(self, levels: int, *, goes_on: bool) -> None:
        self.levels = levels
        self.goes_on = goes_on
        super().__init__(levels)


class ReturnFromFunction(Exception):  # a script's way back
    """`return`."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)


def _number(shell: "Shell", argv: Sequence[str], default: int) -> int:
    if len(argv) < 2:
        return default
    if not argv[1].isdecimal():
        raise ExpansionError(f"{argv[0]}: Illegal number: {argv[1]}")
    return int(argv[1])


def _exit(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    yield from ()
    raise EndShell(_number(shell, argv, shell.status) % 256)


def _return(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    yield from ()
    raise ReturnFromFunction(_number(shell, argv, shell.status) % 256)


def _break(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    yield from ()
    raise BreakLoop(max(1, _number(shell, argv, 1)), goes_on=argv[0] == "continue")


def _nothing(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    yield from ()
    return 0


def _cd(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    target = argv[1] if len(argv) > 1 else shell.variables.get("HOME", "/")
    path = absolute(shell.variables.get("OLDPWD", "/") if target == "-" else target, shell.directory)
    try:
        is_directory = shell.context.files.look(path).is_directory
    except OSError as error:
        yield from complaint(shell.name, "cd", f"can't cd to {target}", wording(error))
        return 2
    if not is_directory:
        yield from complaint(shell.name, "cd", f"can't cd to {target}", "Not a directory")
        return 2
    shell.variables.update(OLDPWD=shell.directory, PWD=path)
    shell.directory = path
    return 0


def _pwd(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    yield Output("stdout", f"{shell.directory}\n".encode())
    return 0


def _export(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    for word in argv[1:]:
        name, assigned, value = word.partition("=")
        if assigned:
            shell.variables[name] = value
        if argv[0] == "export" and not name.startswith("-"):
            shell.exported.add(name)
    yield from ()
    return 0


def _unset(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    for name in argv[1:]:
        shell.variables.pop(name, None)
        shell.exported.discard(name)
    yield from ()
    return 0


def _set(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    words = list(argv[1:])
    if not words:
        text = "".join(f"{name}='{value}'\n" for name, value in sorted(shell.variables.items()))
        yield Output("stdout", text.encode(errors="surrogateescape"))
    while words and words[0][:1] in ("-", "+") and len(words[0]) > 1:
        word = words.pop(0)
        if word == "--":
            shell.arguments = words
            return 0
        if "e" in word[1:] and not word.endswith("o"):
            shell.stop_at_failure = word[0] == "-"
        if word.endswith("o") and words:
            shell.stop_at_failure = word[0] == "-" if words.pop(0) == "errexit" else shell.stop_at_failure
    if words:
        shell.arguments = words
    return 0


def _shift(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    count = _number(shell, argv, 1)
    yield from ()
    if count > len(shell.arguments):
        return 1
    del shell.arguments[:count]
    return 0


def _eval(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    return (yield from _script(shell, " ".join(argv[1:]), stdin))


def _source(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    if len(argv) < 2:
        return 0
    try:
        text = shell.context.files.read(absolute(argv[1], shell.directory)).decode(errors="surrogateescape")
    except OSError as error:
        yield from complaint(shell.name, f"can't open '{argv[1]}'", wording(error))
        raise EndShell(2) from error
    return (yield from _script(shell, text, stdin))


def _script(shell: "Shell", text: str, stdin: Input) -> Steps:
    try:
        body = parse(text)
    except ScriptError as error:
        yield from complaint(shell.name, error)
        return 2
    return (yield from shell.body(body, stdin))


def _exec(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    if len(argv) < 2:
        return 0
    raise EndShell((yield from shell.execute(argv[1:], stdin, last=True)))


def _command(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    from runtime_stub.shell.commands import where  # commands know the shell

    words = list(argv[1:])
    if words and words[0] in ("-v", "-V"):
        found = [
            name if name in BUILTINS else where(name, shell.context, shell.get("PATH"), directory=shell.directory)
            for name in words[1:]
        ]
        for path in filter(None, found):
            yield Output("stdout", f"{path}\n".encode())
        return 0 if all(found) else 127
    if not words:
        return 0
    if words[0] in BUILTINS:
        return (yield from BUILTINS[words[0]](shell, words, stdin))
    return (yield from shell.execute(words, stdin))


def _read(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    names = [word for word in argv[1:] if not word.startswith("-")] or ["REPLY"]
    line = yield from stdin.line()
    text = line.decode(errors="surrogateescape").rstrip("\n")
    fields = text.split(None, len(names) - 1) if len(names) > 1 else [text.strip()]
    for name, value in zip(names, [*fields, *[""] * len(names)], strict=False):
        shell.variables[name] = value
    return int(not line.endswith(b"\n"))


def _wait(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    words = [one for one in (shell.jobs.named(word) for word in argv[1:]) if one is not None]
    if len(words) < len(argv[1:]):
        return 127
    while any(job.status is None for job in (words or shell.jobs.running)):
        mailbox = shell.context.mailboxes.get(shell.pid)
        if mailbox is not None and mailbox.pending:
            return SIGNAL_STATUS + mailbox.pending[0]
        yield news(shell.context.bell, shell.jobs.next_due(), heeds_signals=False)
    return (words[-1].status or 0) if words else 0


def _kill(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    words, signum, status = list(argv[1:]), int(signal.SIGTERM), 0
    if words[:1] == ["-l"]:
        yield Output("stdout", "".join(f"{one.value:2}) {name_of(one.value)}\n" for one in signal.Signals).encode())
        return 0
    if words and words[0].startswith("-"):
        name = words.pop(0)[1:]
        name = words.pop(0) if name == "s" and words else name
        number = number_of(name)
        if number is None:
            yield from complaint(shell.name, "kill", f"bad signal name '{name}'")
            return 1
        signum = number
    for word in words:
        if not _send(shell, word, signum):
            yield from complaint(shell.name, "kill", f"can't kill pid {word}", "No such process")
            status = 1
    return status


def _send(shell: "Shell", word: str, signum: int) -> bool:
    """Send a signal to a job or a process; tell whether there is one."""
    context, job = shell.context, shell.jobs.named(word)
    if job is not None:
        if job.status is None and signum and not context.catches(job.pid, signum):
            shell.jobs.kill(job, signum)
        return job.status is None or bool(signum)
    pid = int(word) if word.isdecimal() else 0
    if pid not in context.processes:
        return False
    if not signum or context.catches(pid, signum):
        return True
    if pid == context.main_pid:
        if signum != signal.SIGKILL:  # means nothing from inside the namespace
            context.signal_init(signum)
    elif pid in context.enders:
        context.enders[pid]()
    elif pid == shell.process_id:
        raise EndShell(SIGNAL_STATUS + signum)
    return True


def _umask(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    if len(argv) < 2:
        yield Output("stdout", b"0022\n")
    return 0


BUILTINS: Mapping[str, Builtin] = {
    ":": _nothing,
    ".": _source,
    "source": _source,
    "break": _break,
    "continue": _break,
    "cd": _cd,
    "command": _command,
    "eval": _eval,
    "exec": _exec,
    "exit": _exit,
    "export": _export,
    "readonly": _export,
    "local": _export,
    "kill": _kill,
    "pwd": _pwd,
    "read": _read,
    "return": _return,
    "set": _set,
    "shift": _shift,
    "trap": trap,
    "umask": _umask,
    "unset": _unset,
    "wait": _wait,
}
