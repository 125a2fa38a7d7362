"""This module is the shell at work: it carries out a parsed script as one process of steps.

A pipeline is pulled from its right end: a command that reads runs the command on its left as far as needed, so endless
writers are no harm. Subshells copy variables and share the file system. As PID 1 the shell has no signal handlers: what
it waits for is deaf to everything but SIGKILL, unless it is the last command, which takes the shell's place.
"""

import errno
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from runtime_stub.shell.builtins import BUILTINS, BreakLoop, EndShell, ReturnFromFunction
from runtime_stub.shell.commands import find_command
from runtime_stub.shell.context import Call, Context, Input
from runtime_stub.shell.conversation import converse
from runtime_stub.shell.expansion import ExpansionError, TextSteps, expand, expand_one, expand_pattern
from runtime_stub.shell.jobs import Jobs
from runtime_stub.shell.parameters import Parameters
from runtime_stub.shell.parser import parse
from runtime_stub.shell.pipes import PipeInput, as_child, captured
from runtime_stub.shell.program import Step, Steps, Wait
from runtime_stub.shell.redirection import Table, complaint, redirect, redirected, wording
from runtime_stub.shell.syntax import (
    Body,
    Case,
    Command,
    For,
    Function,
    Group,
    If,
    Item,
    Pipeline,
    Redirected,
    Redirection,
    Simple,
    While,
)
from runtime_stub.shell.traps import at_exit, deal_with_signals
from runtime_stub.shell.word_reader import ScriptError

SYNTAX_ERROR = 2
COMMANDS_PER_TICK = 200
TICK_SECONDS = 0.02
"""A shell that never waits is made to after so many commands: real ones need time as well."""
MAX_DEPTH = 60
"""How deeply functions and subshells may call each other."""


class Shell(Parameters):
    """One shell: functions, traps and options, besides what it knows.

    Args:
        context: the container.
        name: `$0`; error messages begin with it.
        variables: the environment.
        directory: where it begins.
    """

    def __init__(self, context: Context, *, name: str, variables: Mapping[str, str], directory: str) -> None:
        super().__init__(name=name, variables=variables, jobs=Jobs(context.now))
        self.context = context
        self.functions: dict[str, Command] = {}
        self.traps: dict[int, str] = {}
        """Commands by the number of the signal that they are for."""
        self.directory = directory
        self.pid = 0
        """The process that the shell is; 0 for a subshell that is part of its parent's."""
        self.stdin = Input()
        self._tested = 0
        self._depth = 0
        self._commands = 0
        self._substituted = 0

    def capture(self, body: Body) -> TextSteps:
        """Run a script in a subshell, and return its output without the last newlines."""
        self._substituted, output = yield from captured(self._copy().subshell(body, self.stdin))
        return output.replace(b"\0", b"").decode(errors="surrogateescape").rstrip("\n")

    # Running

    def run(self, script: str, *, replaces_shell: bool = False) -> Steps:
        """Run a script to its end, and return its status.

        Args:
            script: the text.
            replaces_shell: its last command takes the shell's place, as after `-c`.
        """
        try:
            body = parse(script)
        except ScriptError as error:
            yield from complaint(self.name, error)
            return SYNTAX_ERROR
        return (yield from self.jobs.mixed(at_exit(self, self._guarded(body, self.stdin, last=replaces_shell))))

    def interact(self) -> Steps:
        """Read commands from standard input, one line or construct at a time, until its end."""
        return (yield from self.jobs.mixed(at_exit(self, converse(self))))

    def subshell(self, body: Body, stdin: Input, *, last: bool = False) -> Steps:
        """Run a script that cannot change this shell; call it on a copy."""
        return (yield from at_exit(self, self._guarded(body, stdin, last=last)))

    def _guarded(self, body: Body, stdin: Input, *, last: bool) -> Steps:
        try:
            yield from self.body(body, stdin, last=last)
        except EndShell as end:
            return end.status
        except (BreakLoop, ReturnFromFunction):
            pass
        except ExpansionError as error:
            yield from complaint(self.name, error)
            return SYNTAX_ERROR
        return self.status

    def body(self, body: Body, stdin: Input, *, last: bool = False) -> Steps:
        """Run items in order."""
        for number, item in enumerate(body):
            if item.background:
                self._begin_job(replace(item, background=False))
            else:
                yield from self._item(item, stdin, last=last and number == len(body) - 1)
            if self.traps:
                yield from deal_with_signals(self)
        return self.status

    def _begin_job(self, item: Item) -> None:
        """Let a subshell go on in the background, as a process of its own."""
        shell = self._copy()
        shell.pid = self.context.begin([self.name])
        shell.jobs = Jobs(self.context.now)
        steps = shell.jobs.mixed(shell.subshell((item,), Input(), last=True))
        self.jobs.begin(steps, pid=shell.pid, end=lambda: self.context.end(shell.pid))
        self.status = 0

    def _item(self, item: Item, stdin: Input, *, last: bool) -> Steps:
        for number, (joint, pipeline) in enumerate(item.pipelines):
            if (joint == "&&" and self.status) or (joint == "||" and not self.status):
                continue
            is_last = number == len(item.pipelines) - 1
            self._tested += not is_last
            try:
                yield from self._pipeline(pipeline, stdin, last=last and is_last)
            finally:
                self._tested -= not is_last
            if self.stop_at_failure and self.status and is_last and not self._tested and not pipeline.negated:
                raise EndShell(self.status)
        return self.status

    def _pipeline(self, pipeline: Pipeline, stdin: Input, *, last: bool) -> Steps:
        *left, right = pipeline.commands
        for command in left:
            body = (Item((("", Pipeline((command,))),)),)
            stdin = PipeInput(self._copy().subshell(body, stdin))
        if left:
            shell = self._copy()
            try:
                self.status = yield from shell.subshell((Item((("", Pipeline((right,))),)),), stdin)
                if isinstance(stdin, PipeInput):
                    yield from stdin.finish()
            finally:
                stdin.close()
        else:
            yield from self.command(right, stdin, last=last and not pipeline.negated)
        if pipeline.negated:
            self.status = int(not self.status)
        return self.status

    def command(self, command: Command, stdin: Input, *, last: bool = False) -> Steps:
        """Run one command."""
        match command:
            case Simple():
                yield from self._simple(command, stdin, last=last)
            case Redirected(inner, redirections):
                yield from self._redirected(inner, redirections, stdin)
            case Group(body, subshell):
                if subshell and not (last and self.pid and not self.traps):  # else it takes the shell's place
                    self.status = yield from self._copy().subshell(body, stdin)
                else:
                    yield from self.body(body, stdin, last=last)
            case If(clauses, otherwise):
                for condition, body in clauses:
                    if not (yield from self._test(condition, stdin)):
                        self.status = 0
                        yield from self.body(body, stdin, last=last)
                        return self.status
                self.status = 0
                yield from self.body(otherwise, stdin, last=last)
            case While():
                yield from self._while(command, stdin)
            case For():
                yield from self._for(command, stdin)
            case Case(word, branches):
                yield from self._case(word, branches, stdin)
            case Function(name, body):
                self.functions[name] = body
                self.status = 0
        return self.status

    def _test(self, condition: Body, stdin: Input) -> Steps:
        self._tested += 1
        try:
            return (yield from self.body(condition, stdin))
        finally:
            self._tested -= 1

    def _while(self, command: While, stdin: Input) -> Steps:
        status = 0
        while True:
            tested = yield from self._test(command.condition, stdin)
            if bool(tested) is not command.until:
                self.status = status
                return status
            if (yield from self._once(command.body, stdin)):
                return self.status
            status = self.status

    def _for(self, command: For, stdin: Input) -> Steps:
        words = list(self.arguments) if command.words is None else (yield from self._expand(command.words))
        self.status = 0
        for word in words:
            self.variables[command.name] = word
            if (yield from self._once(command.body, stdin)):
                break
        return self.status

    def _once(self, body: Body, stdin: Input) -> Steps:
        """Run a loop's body; return 1 when the loop is over."""
        try:
            yield from self._tick()
            yield from self.body(body, stdin)
        except BreakLoop as left:
            self.status = 0
            if left.levels > 1:
                raise BreakLoop(left.levels - 1, goes_on=left.goes_on) from None
            return int(not left.goes_on)
        return 0

    def _case(self, word: Sequence[object], branches: Sequence[tuple[object, Body]], stdin: Input) -> Steps:
        text = yield from expand_one(word, self)  # type: ignore[arg-type]
        self.status = 0
        for patterns, body in branches:
            for pattern in patterns:  # type: ignore[attr-defined]
                if fnmatchcase(text, (yield from expand_pattern(pattern, self))):
                    return (yield from self.body(body, stdin))
        return 0

    # Simple commands

    def _simple(self, command: Simple, stdin: Input, *, last: bool) -> Steps:
        yield from self._tick()
        self._substituted = 0
        argv = yield from self._expand(command.words)
        values = {}
        for name, word in command.assignments:
            values[name] = yield from expand_one(word, self)
            if not argv:
                self.variables[name] = values[name]
        if not command.words:
            self.status = self._substituted  # of the last command substitution
        table = Table()
        try:
            stdin = yield from self._redirect(command.redirections, table, stdin)
        except OSError as error:
            what = "can't create" if error.args[2:] and error.args[2] == "w" else "can't open"
            reason = "no such file" if error.errno == errno.ENOENT else wording(error)
            yield from complaint(self.name, f"{what} {error.filename}", reason)
            self.status = 1
            return 1
        if argv:
            last = last and not command.redirections and not self.traps
            self.status = yield from redirected(self._call(argv, values, stdin, last=last), table)
        return self.status

    def _call(self, argv: list[str], values: Mapping[str, str], stdin: Input, *, last: bool) -> Steps:
        name = argv[0]
        if (function := self.functions.get(name)) is not None:
            return (yield from self._call_function(function, argv, stdin))
        if (builtin := BUILTINS.get(name)) is not None:
            if name in ("exec", "command", "eval", "."):
                return (yield from builtin(self, argv, stdin))
            self.variables.update(values)
            return (yield from builtin(self, argv, stdin))
        return (yield from self.execute(argv, stdin, values=values, last=last))

    def execute(
        self, argv: Sequence[str], stdin: Input, *, values: Mapping[str, str] | None = None, last: bool = False
    ) -> Steps:
        """Run a command that is not part of the shell."""
        environment = {name: self.variables[name] for name in self.exported if name in self.variables}
        environment.update(values or {})
        if last and self.pid:
            self.context.processes[self.pid] = list(argv)  # it takes the shell's place
        pid = self.pid if last else self.context.begin(argv)
        try:
            steps = find_command(Call(argv, self.context, stdin, environment, self.directory, pid), shell=self.name)
            return (yield from steps if last else as_child(steps))
        finally:
            if not last:
                self.context.end(pid)

    def _call_function(self, function: Command, argv: Sequence[str], stdin: Input) -> Steps:
        if self._depth >= MAX_DEPTH:
            raise ExpansionError("maximum function nesting level exceeded")
        before, self.arguments = self.arguments, list(argv[1:])
        self._depth += 1
        try:
            yield from self.command(function, stdin)
        except ReturnFromFunction as returned:
            self.status = returned.status
        finally:
            self.arguments = before
            self._depth -= 1
        return self.status

    # Redirection

    def _redirected(self, command: Command, redirections: Sequence[Redirection], stdin: Input) -> Steps:
        table = Table()
        try:
            opened = redirect(
                redirections, table, stdin, variables=self, directory=self.directory, files=self.context.files
            )
            stdin = (yield from opened) or stdin
        except OSError as error:
            yield from complaint(self.name, f"can't open {error.filename}", wording(error))
            self.status = 1
            return 1
        return (yield from redirected(self.command(command, stdin), table))

    def _redirect(
        self, redirections: Sequence[Redirection], table: Table, stdin: Input
    ) -> Generator[Step, bytes | None, Input]:
        files = self.context.files
        return redirect(redirections, table, stdin, variables=self, directory=self.directory, files=files)

    # Odds and ends

    def _expand(self, words: Sequence[Sequence[object]]) -> Generator[Step, bytes | None, list[str]]:
        files, directory = self.context.files, self.directory
        return (yield from expand(words, self, files=files, directory=directory))  # type: ignore[arg-type]

    def _copy(self) -> "Shell":
        if self._depth >= MAX_DEPTH:
            raise ExpansionError("too many nested subshells")
        copy = Shell(self.context, name=self.name, variables=self.variables, directory=self.directory)
        copy.process_id, copy.traps = self.process_id, {one: "" for one, text in self.traps.items() if not text}
        copy.exported, copy.arguments = set(self.exported), list(self.arguments)
        copy.functions, copy.status, copy.stdin = dict(self.functions), self.status, self.stdin
        copy.stop_at_failure, copy.jobs = self.stop_at_failure, self.jobs
        copy._tested, copy._depth = self._tested, self._depth + 1
        return copy

    def _tick(self) -> Steps:
        self._commands += 1
        if self._commands % COMMANDS_PER_TICK == 0:
            yield Wait(TICK_SECONDS)
        return 0
