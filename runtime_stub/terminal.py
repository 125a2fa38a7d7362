"""This module is the terminal between a client's keyboard and a command: the line discipline of a new tty.

It edits one line at a time, echoes what is typed, turns Enter into a newline, ^C into an interrupt and ^D on an empty
line into the end of input; output gets carriage returns. Kernel counterpart: drivers/tty/n_tty.c with the settings that
a container's tty has.
"""

from dataclasses import dataclass

MAX_LINE_BYTES = 4096
"""A line has no more; what is typed beyond is lost, as in the kernel."""

_INTERRUPT, _END, _KILL_LINE, _ERASE, _BACKSPACE = 0x03, 0x04, 0x15, 0x7F, 0x08


@dataclass(frozen=True, slots=True)
class Typed:
    """What some keystrokes amount to."""

    echo: bytes = b""
    """To be shown to whoever types."""
    lines: tuple[bytes, ...] = ()
    """To be read by the command, one at a time; nothing (`b""`) is the end of its input."""
    interrupted: bool = False


class LineDiscipline:
    """The line that is being typed."""

    def __init__(self) -> None:
        self._line = bytearray()

    def type(self, keys: bytes) -> Typed:
        """Take keystrokes; ^C loses those before it that nobody has read."""
        echo, lines, interrupted = bytearray(), list[bytes](), False
        for key in keys:
            if key in b"\r\n":
                echo += b"\r\n"
                lines.append(self._taken() + b"\n")
            elif key == _INTERRUPT:
                echo += b"^C\r\n"
                self._line.clear()
                lines.clear()
                interrupted = True
            elif key == _END:
                lines.append(self._taken())
            elif key in (_ERASE, _BACKSPACE):
                if self._line:
                    del self._line[-1]
                    echo += b"\b \b"
            elif key == _KILL_LINE:
                echo += b"\b \b" * len(self._line)
                self._line.clear()
            elif len(self._line) < MAX_LINE_BYTES - 1:
                self._line.append(key)
                echo += _shown(key)
        return Typed(bytes(echo), tuple(lines), interrupted)

    def _taken(self) -> bytes:
        line = bytes(self._line)
        self._line.clear()
        return line


def displayed(output: bytes) -> bytes:
    """Return a command's output as the terminal shows it: each newline goes back to the line's beginning."""
    return output.replace(b"\n", b"\r\n")


def _shown(key: int) -> bytes:
    if key < 0x20 and key != 0x09:
        return bytes((0x5E, key | 0x40))
    return bytes((key,))
