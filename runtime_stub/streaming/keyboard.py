"""This module is what a client types on its way to a process: through a terminal if the process has one, or plain."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from runtime_stub.line_editor import LineEditor
from runtime_stub.pipe import Pipe
from runtime_stub.terminal import LineDiscipline


@dataclass(slots=True)
class Keyboard:
    """The way from a client to a process's standard input."""

    stdin: Pipe
    echo: Callable[[bytes], Awaitable[None]]
    """Shows what is typed to whoever types, if there is a terminal."""
    interrupt: Callable[[], None]
    """Does what ^C does, if there is a terminal."""
    has_terminal: bool = False
    edits: bool = False
    """Whether what reads is a shell, which edits its lines itself."""
    _discipline: LineDiscipline | LineEditor = field(init=False)

    def __post_init__(self) -> None:
        self._discipline = LineEditor() if self.edits else LineDiscipline()

    async def type(self, keys: bytes) -> None:
        """Take what a client sends: keystrokes for a terminal, or just bytes.

        A terminal loses what nobody reads; a pipe makes the client wait.
        """
        if not self.has_terminal:
            await self.stdin.put(keys)
            return
        typed = self._discipline.type(keys)
        if typed.echo:
            await self.echo(typed.echo)
        if typed.interrupted:
            self.stdin.clear()
            self.interrupt()
        for line in typed.lines:
            self.stdin.offer(line)
