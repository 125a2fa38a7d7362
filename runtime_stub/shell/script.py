"""This module is the simplest of scripts, known when it starts: `sleep`, `echo`, servers, `;`, `&&`, `||`, `exit`.

Most test workloads are no more than that, and a fixed program costs a hundredth of what an emulated shell does. Other
scripts are for the shell (`interpreter`), which does the same with these. As PID 1 the shell ignores signals while it
waits for a command, unless the command is its last: then it has replaced itself by it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from runtime_stub.shell.applets import APPLETS, SHELLS
from runtime_stub.shell.busybox import EMULATED
from runtime_stub.shell.program import Exit, Output, Program, Step, Wait, exit_code
from runtime_stub.shell.words import Statement, UnfinishedScript, split_script

Unknown = Callable[[str], Program]
"""What a command does that is not emulated, by its name; the shell does not outlive a program without an `Exit`."""

_SILENT_BUILTINS = frozenset({"umask", "unset", "wait"})
_OTHER_BUILTINS = frozenset(
    {".", "break", "cd", "command", "continue", "eval", "export", "kill", "local", "pwd", "read", "readonly", "return"}
) | {"set", "shift", "source", "trap"}
COMMAND_NOT_FOUND = 127
SYNTAX_ERROR = 2


class NeedsShell(Exception):  # a way to say that another one must do it
    """A script uses more than waiting, writing and ending."""


def compile_script(script: str, *, shell: str, unknown: Unknown, stop_at_failure: bool = False) -> Program:
    """Return what a shell does with a script.

    Args:
        script: the text after `-c`.
        shell: the shell's name as it was called; error messages begin with it.
        unknown: the program of a command that is not emulated.
        stop_at_failure: `-e` was given.

    Raises:
        NeedsShell: what it does shows only as it goes along.
    """
    try:
        statements = split_script(script)
    except UnfinishedScript:
        text = f"{shell}: syntax error: unterminated quoted string\n"
        return (Output("stderr", text.encode()), Exit(SYNTAX_ERROR))
    if any(one.foreign or _needs_shell(one.words) for one in statements):
        raise NeedsShell
    steps: list[Step] = []
    status = 0
    for number, statement in enumerate(statements):
        if (statement.joint == "&&" and status) or (statement.joint == "||" and not status):
            continue
        is_last = number == len(statements) - 1
        ends = statement.words[0] in ("exit", "exec")
        program = _run(statement, shell=shell, status=status, unknown=unknown)
        program = program if is_last or statement.words[0] == "exec" else tuple(_as_child(step) for step in program)
        steps += [step for step in program if not isinstance(step, Exit)]
        if not any(isinstance(step, Exit) for step in program):
            return tuple(steps)
        status = exit_code(program)
        guarded = not is_last and statements[number + 1].joint in ("&&", "||")
        if ends or (stop_at_failure and status and not guarded):
            break
    return (*steps, Exit(status))


def _run(statement: Statement, *, shell: str, status: int, unknown: Unknown) -> Program:
    words = statement.words
    if words[0] == "exec" and len(words) > 1:
        words = words[1:]
    name, arguments = words[0], words[1:]
    if name == "exit":
        return _exit(arguments, shell=shell, status=status)
    if name in _SILENT_BUILTINS or name == "exec":
        return (Exit(0),)
    applet = APPLETS.get(name)
    return applet(arguments) if applet else unknown(name)


def _needs_shell(words: Sequence[str]) -> bool:
    """Tell whether a command is more than a fixed program, or must be looked for among files."""
    words = words[1:] if words[0] == "exec" and len(words) > 1 else words
    name = words[0]
    return "/" in name or name in EMULATED or name in _OTHER_BUILTINS or name in SHELLS


def _exit(arguments: Sequence[str], *, shell: str, status: int) -> Program:
    if not arguments:
        return (Exit(status),)
    if not arguments[0].isdecimal():
        text = f"{shell}: exit: Illegal number: {arguments[0]}\n"
        return (Output("stderr", text.encode()), Exit(SYNTAX_ERROR))
    return (Exit(int(arguments[0]) % 256),)


def _as_child(step: Step) -> Step:
    """Return the step of a command that the shell waits for: the shell, which is PID 1, ignores signals."""
    return replace(step, heeds_signals=False) if isinstance(step, Wait) else step
