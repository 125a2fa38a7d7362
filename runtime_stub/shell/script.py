"""This module is `sh -c SCRIPT`: statements one after the other, `&&`, `||`, `exit`, and the exit status of the last.

A statement of the shell's language that is not emulated is taken for a command that is not emulated. As PID 1 the shell
ignores signals while it waits for a command, unless the command is its last: then it has replaced itself by it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from runtime_stub.shell.applets import APPLETS
from runtime_stub.shell.program import Exit, Output, Program, Step, Wait, exit_code
from runtime_stub.shell.words import Statement, UnfinishedScript, split_script

Unknown = Callable[[str], Program]
"""What a command does that is not emulated, by its name; the shell does not outlive a program without an `Exit`."""

_SILENT_BUILTINS = frozenset({"set", "umask", "cd", "export", "unset", "trap", "wait"})
COMMAND_NOT_FOUND = 127
SYNTAX_ERROR = 2


def compile_script(script: str, *, shell: str, unknown: Unknown, stop_at_failure: bool = False) -> Program:
    """Return what a shell does with a script.

    Args:
        script: the text after `-c`.
        shell: the shell's name as it was called; error messages begin with it.
        unknown: the program of a command that is not emulated.
        stop_at_failure: `-e` was given.
    """
    try:
        statements = split_script(script)
    except UnfinishedScript:
        text = f"{shell}: syntax error: unterminated quoted string\n"
        return (Output("stderr", text.encode()), Exit(SYNTAX_ERROR))
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
    if statement.foreign:
        return unknown("")
    if words[0] == "exec" and len(words) > 1:
        words = words[1:]
    name, arguments = words[0], words[1:]
    if name == "exit":
        return _exit(arguments, shell=shell, status=status)
    if name in _SILENT_BUILTINS or name == "exec":
        return (Exit(0),)
    applet = APPLETS.get(name.rpartition("/")[2])
    return applet(arguments) if applet else unknown(name)


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
