"""This module is a shell that takes its commands from its input, line by line, and talks with a terminal if it has one.

There is one shell from the first line to the last: variables, functions and the directory stay. At a terminal it
prompts, and ^C ends the command that runs, or the line that is being typed, but never the shell.
"""

import re
from typing import TYPE_CHECKING

from runtime_stub.shell.builtins import BreakLoop, EndShell, ReturnFromFunction
from runtime_stub.shell.expansion import ExpansionError
from runtime_stub.shell.parser import parse_typed
from runtime_stub.shell.program import Interrupted, Output, Steps
from runtime_stub.shell.redirection import complaint
from runtime_stub.shell.word_reader import ScriptError, UnfinishedScript

if TYPE_CHECKING:
    from runtime_stub.shell.interpreter import Shell

INTERRUPTED = 130
"""Status of what ^C ends: 128 + SIGINT."""
SYNTAX_ERROR = 2
MAX_SCRIPT_BYTES = 1024 * 1024

_PROMPT, _MORE_PROMPT = r"\w \$ ", "> "
_ESCAPE = re.compile(r"\\([\\$whunW])")


def converse(shell: "Shell") -> Steps:
    """Carry out a shell's input, one line or construct at a time, until its end or `exit`."""
    lines = ""
    while True:
        try:
            yield from _prompt(shell, "PS2" if lines else "PS1")
            line = yield from shell.stdin.line()
            lines += line.decode(errors="surrogateescape")
            if not lines:
                return shell.status
            if (yield from _is_done(shell, lines, may_go_on=bool(line) and len(lines) < MAX_SCRIPT_BYTES)):
                lines = ""
            if not line:
                return shell.status
        except EndShell as end:
            return end.status
        except Interrupted:
            if not shell.stdin.is_terminal:
                raise
            lines, shell.status = "", INTERRUPTED


def _is_done(shell: "Shell", lines: str, *, may_go_on: bool) -> Steps:
    """Carry out some lines; return 0 when the next one belongs to them."""
    try:
        body = parse_typed(lines)
    except UnfinishedScript as error:
        if may_go_on:
            return 0
        yield from complaint(shell.name, error)
        shell.status = SYNTAX_ERROR
        return 1
    except ScriptError as error:
        yield from complaint(shell.name, error)
        shell.status = SYNTAX_ERROR
        return 1
    try:
        yield from shell.body(body, shell.stdin)
    except (BreakLoop, ReturnFromFunction):
        pass
    except ExpansionError as error:
        yield from complaint(shell.name, error)
        shell.status = SYNTAX_ERROR
    return 1


def _prompt(shell: "Shell", variable: str) -> Steps:
    if shell.stdin.is_terminal:
        text = shell.variables.get(variable, _PROMPT if variable == "PS1" else _MORE_PROMPT)
        yield Output(
            "stderr", _ESCAPE.sub(lambda found: _shown(shell, found[1]), text).encode(errors="surrogateescape")
        )
    return 0


def _shown(shell: "Shell", letter: str) -> str:
    """Return what stands for an escape of a prompt; the letters are ash's."""
    home = shell.variables.get("HOME", "")
    is_home = len(home) > 1 and (shell.directory == home or shell.directory.startswith(f"{home}/"))
    match letter:
        case "w":
            return f"~{shell.directory[len(home) :]}" if is_home else shell.directory
        case "W":
            return shell.directory.rpartition("/")[2] or "/"
        case "$":
            return "$" if shell.context.identity.uid else "#"
        case "h":
            return shell.context.hostname
        case "u":
            return str(shell.context.identity.uid)
        case "n":
            return "\n"
        case _:
            return letter
