"""This module is the line editor of an interactive shell: the cursor, the usual control keys, and the lines before.

A shell takes the terminal's line discipline over while it reads, and edits itself: what a kernel would show as `^[[D`
moves the cursor. busybox's counterpart is libbb/lineedit.c; there is no completion here, and a line is taken to fit
into one row. Commands below the shell get their input from the same editor.
"""

import codecs
import re

from runtime_stub.terminal import MAX_LINE_BYTES, Typed

MAX_HISTORY_LINES = 255

_SEQUENCE = re.compile(r"\x1b(?:[\[O][0-9;]*[~A-Za-z]|[^\[O])")
_BEGUN_SEQUENCE = re.compile(r"\x1b(?:[\[O][0-9;]{0,8})?")
_KEYS = {
    "A": "older", "B": "newer", "C": "right", "D": "left", "H": "home", "F": "end",
    "1~": "home", "7~": "home", "3~": "delete", "4~": "end", "8~": "end",
    "\x01": "home", "\x02": "left", "\x05": "end", "\x06": "right", "\x08": "erase", "\x7f": "erase",
    "\x0b": "kill to end", "\x0e": "newer", "\x10": "older", "\x15": "kill to home", "\x17": "erase word",
}  # fmt: skip
"""What keys do: the ends of escape sequences, and control characters."""


class LineEditor:
    """The line that is being typed at a shell, and those before it."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._escape = ""
        """An escape sequence that has begun."""
        self._line = ""
        self._cursor = 0
        self._history: list[str] = []
        self._place = 0
        """Which line of the history is shown; the newest is the one being typed."""
        self._draft = ""
        """What was being typed before older lines were looked at."""

    def type(self, keys: bytes) -> Typed:
        """Take keystrokes; ^C loses those before it that nobody has read."""
        echo, lines, interrupted = "", list[bytes](), False
        for key in self._decoder.decode(keys):
            if self._escape or key == "\x1b":
                echo += self._take_escape(key)
            elif key in "\r\n":
                echo += "\r\n"
                lines.append(_encoded(self._entered() + "\n"))
            elif key == "\x03":
                echo += "^C\r\n"
                self._clear()
                lines.clear()
                interrupted = True
            elif key == "\x04" and not self._line:
                lines.append(b"")
            elif key == "\x04":
                echo += self._act("delete")
            elif key in _KEYS:
                echo += self._act(_KEYS[key])
            elif key.isprintable() or "\udc80" <= key <= "\udcff":
                echo += self._insert(key)
        return Typed(_encoded(echo), tuple(lines), interrupted)

    def _take_escape(self, key: str) -> str:
        sequence = self._escape + key
        self._escape = sequence if _BEGUN_SEQUENCE.fullmatch(sequence) else ""
        return self._act(_KEYS.get(sequence[2:], "")) if _SEQUENCE.fullmatch(sequence) else ""

    def _insert(self, key: str) -> str:
        if len(self._line) >= MAX_LINE_BYTES - 1:
            return ""
        return self._change(self._line[: self._cursor] + key + self._line[self._cursor :], self._cursor + 1)

    def _act(self, action: str) -> str:
        """Do what a key does, and return what shows it."""
        line, cursor = self._line, self._cursor
        match action:
            case "left":
                return self._change(line, max(0, cursor - 1))
            case "right":
                return self._change(line, min(len(line), cursor + 1))
            case "home":
                return self._change(line, 0)
            case "end":
                return self._change(line, len(line))
            case "erase":
                start = max(0, cursor - 1)
                return self._change(line[:start] + line[cursor:], start)
            case "delete":
                return self._change(line[:cursor] + line[cursor + 1 :], cursor)
            case "kill to end":
                return self._change(line[:cursor], cursor)
            case "kill to home":
                return self._change(line[cursor:], 0)
            case "erase word":
                start = len(line[:cursor].rstrip().rpartition(" ")[0])
                start += 1 if start else 0
                return self._change(line[:start] + line[cursor:], start)
            case "older":
                return self._recall(self._place - 1)
            case "newer":
                return self._recall(self._place + 1)
        return ""

    def _recall(self, place: int) -> str:
        if not 0 <= place <= len(self._history):
            return ""
        if self._place == len(self._history):
            self._draft = self._line
        self._place = place
        line = self._draft if place == len(self._history) else self._history[place]
        return self._change(line, len(line))

    def _change(self, line: str, cursor: int) -> str:
        """Show another line, or another place in it, in the place of what is shown."""
        same = 0
        while same < min(len(line), len(self._line)) and line[same] == self._line[same]:
            same += 1
        at, shown = self._cursor, ""
        if line != self._line:
            shown += _move(self._line, at, same) + line[same:]
            left_over = max(0, len(self._line) - len(line))
            shown += " " * left_over + "\b" * left_over
            at = len(line)
        shown += _move(line, at, cursor)
        self._line, self._cursor = line, cursor
        return shown

    def _entered(self) -> str:
        line = self._line
        if line.strip() and self._history[-1:] != [line]:
            self._history = [*self._history, line][-MAX_HISTORY_LINES:]
        self._clear()
        return line

    def _clear(self) -> None:
        self._line, self._cursor, self._draft, self._place = "", 0, "", len(self._history)


def _move(line: str, at: int, to: int) -> str:
    """Return what moves the terminal's cursor along a line that is shown."""
    return "\b" * (at - to) if to < at else line[at:to]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
