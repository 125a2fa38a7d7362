"""This module is `trap`: what a shell does when a signal comes, or when it ends.

A signal that comes while a command runs is dealt with after it; one that comes during `wait` ends that at once. What
the shell waits for is not told: as in a container, the signal goes to the shell alone.
"""

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runtime_stub.shell.context import Input
from runtime_stub.shell.parser import parse
from runtime_stub.shell.program import Output, Steps
from runtime_stub.shell.redirection import complaint
from runtime_stub.shell.signals import EXIT, name_of, number_of
from runtime_stub.shell.word_reader import ScriptError

if TYPE_CHECKING:
    from runtime_stub.shell.interpreter import Shell


def trap(shell: "Shell", argv: Sequence[str], stdin: Input) -> Steps:
    """`trap`, `trap COMMAND SIGNAL…`, `trap - SIGNAL…`, `trap '' SIGNAL…`."""
    del stdin
    words = [word for word in argv[1:] if word != "--"]
    if not words:
        for number, command in sorted(shell.traps.items()):
            yield Output("stdout", f"trap -- {shlex.quote(command)} {name_of(number)}\n".encode())
        return 0
    command, *names = words
    if not names or number_of(command) is not None:  # without a command, the default comes back
        command, names = "-", words
    status = 0
    for name in names:
        found = number_of(name)
        if found is None:
            yield from complaint(shell.name, "trap", name, "invalid signal specification")
            status = 1
        elif command == "-":
            shell.traps.pop(found, None)
        else:
            shell.traps[found] = command
    if shell.pid:
        mailbox = shell.context.mailbox(shell.pid)
        mailbox.caught = {one for one, text in shell.traps.items() if text and one != EXIT}
        mailbox.ignored = {one for one, text in shell.traps.items() if not text}
    return status


def deal_with_signals(shell: "Shell") -> Steps:
    """Do what the shell has said it would do on the signals that have come."""
    mailbox = shell.context.mailboxes.get(shell.pid)
    while mailbox is not None and mailbox.pending:
        status = shell.status
        yield from _carry_out(shell, shell.traps.get(mailbox.pending.pop(0), ""))
        shell.status = status
    return 0


def at_exit(shell: "Shell", steps: Steps) -> Steps:
    """Return a shell's process with what it does at its end; that may change its status."""
    from runtime_stub.shell.builtins import EndShell  # the builtins have `trap`

    status = yield from steps
    command = shell.traps.pop(EXIT, "")
    if not command:
        return status
    shell.status = status
    try:
        yield from _carry_out(shell, command)
    except EndShell as end:
        return end.status
    return status


def _carry_out(shell: "Shell", command: str) -> Steps:
    try:
        body = parse(command)
    except ScriptError as error:
        yield from complaint(shell.name, error)
        return 2
    return (yield from shell.body(body, shell.stdin))
