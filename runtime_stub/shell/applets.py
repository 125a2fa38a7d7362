"""This module is the emulated commands: what each one writes, how long it takes, how it ends.

They behave like busybox's. Each takes its arguments and returns a whole program, ending with an `Exit` unless it never
ends.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from runtime_stub.shell.program import FOREVER, Exit, Output, Program, Wait

Applet = Callable[[Sequence[str]], Program]

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+\.?\d*|\.\d+)([smhd]?)")
_ECHO_OPTIONS = re.compile(r"-[neE]+")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\"}
_ESCAPE = re.compile(r"\\(?:0([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))", re.DOTALL)
_SLEEP_USAGE = "sleep: missing operand\n"


def echo(arguments: Sequence[str]) -> Program:
    """`echo [-neE] [WORD]…`."""
    words = list(arguments)
    options = ""
    while words and _ECHO_OPTIONS.fullmatch(words[0]):
        options += words.pop(0)[1:]
    text = " ".join(words)
    ended = False
    if "e" in options:
        text, cut, _ = text.partition("\\c")
        ended = bool(cut)
        text = _ESCAPE.sub(_unescape, text)
    text += "" if "n" in options or ended else "\n"
    return (Output("stdout", text.encode()), Exit(0)) if text else (Exit(0),)


def sleep(arguments: Sequence[str]) -> Program:
    """`sleep NUMBER[smhd]…`: the sum of its operands; deaf to signals, as PID 1 without handlers is."""
    if not arguments:
        return (Output("stderr", _SLEEP_USAGE.encode()), Exit(1))
    seconds = 0.0
    for argument in arguments:
        found = _DURATION.fullmatch(argument)
        if not found and argument not in ("inf", "infinity"):
            return (Output("stderr", f"sleep: invalid number '{argument}'\n".encode()), Exit(1))
        seconds += float(found[1]) * _UNITS[found[2]] if found else FOREVER
    return (Wait(seconds), Exit(0)) if seconds < FOREVER else (Wait(FOREVER),)


def true(arguments: Sequence[str]) -> Program:
    """`true`, and `:`; arguments do not matter."""
    del arguments
    return (Exit(0),)


def false(arguments: Sequence[str]) -> Program:
    """`false`; arguments do not matter."""
    del arguments
    return (Exit(1),)


APPLETS: Mapping[str, Applet] = {"echo": echo, "sleep": sleep, "true": true, ":": true, "false": false}
"""Commands that are emulated, besides the shells."""

SHELLS = frozenset({"sh", "ash", "bash", "dash"})


def _unescape(found: re.Match[str]) -> str:
    octal, hexadecimal, letter = found.groups()
    if octal or hexadecimal:
        return chr(int(octal, 8) & 0xFF if octal else int(hexadecimal, 16))
    return _ESCAPES.get(letter, found[0])
