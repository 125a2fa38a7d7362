"""This module is what processes do with signals: names and numbers, and who has said that it catches which."""

import signal
from dataclasses import dataclass, field

from runtime_stub.shell.bell import Bell

EXIT = 0
"""Where `trap` speaks of it, the end of the shell."""


def number_of(text: str) -> int | None:
    """Return the number of a signal by name or number, EXIT included; None for one that there is not."""
    if text.isdecimal():
        return int(text) if int(text) in (EXIT, *signal.Signals) else None
    name = text.upper().removeprefix("SIG")
    return EXIT if name == "EXIT" else signal.Signals[f"SIG{name}"].value if f"SIG{name}" in _NAMES else None


def name_of(number: int) -> str:
    """Return a signal's name as `trap` lists it."""
    return "EXIT" if number == EXIT else signal.Signals(number).name.removeprefix("SIG")


_NAMES = frozenset(signal.Signals.__members__)


@dataclass(slots=True)
class Mailbox:
    """The signals that a process has something to do with itself.

    Args:
        bell: rings when one comes, which ends a `wait`.
    """

    bell: Bell
    caught: set[int] = field(default_factory=set)
    ignored: set[int] = field(default_factory=set)
    pending: list[int] = field(default_factory=list)

    def take(self, signum: int) -> bool:
        """Take a signal; tell whether the process deals with it, so that nothing else becomes of it."""
        if signum == signal.SIGKILL or signum not in self.caught | self.ignored:
            return False
        if signum in self.caught:
            self.pending.append(signum)
            self.bell.ring()
        return True
