"""This module is the first reading of a shell script: statements, how they are joined, and the words of each.

Splitting into statements has to see quotes, so it is done here, character by character; the words of a statement are
then shlex's business. Anything the emulation does not know, such as a pipe or an expansion, marks its statement as
`foreign` instead of being misread.
"""

import shlex
from dataclasses import dataclass
from typing import Literal

Joint = Literal["", ";", "&&", "||"]

_FOREIGN = frozenset("|&<>()$`")
_KEYWORDS = frozenset({"if", "for", "while", "until", "case", "function", "!", "[[", "{"})


@dataclass(frozen=True, slots=True)
class Statement:
    """One simple command of a script."""

    joint: Joint
    """What joins it to the statement before."""
    words: tuple[str, ...]
    foreign: bool = False
    """It uses more of the shell's language than is emulated."""


class UnfinishedScript(ValueError):
    """A quote that was opened is never closed."""


def split_script(script: str) -> list[Statement]:
    """Return the statements of a script; empty ones and comments are left out.

    Raises:
        UnfinishedScript: a quotation has no end.
    """
    statements: list[Statement] = []
    joint: Joint = ""
    text: list[str] = []
    quote, foreign, position = "", False, 0
    while position < len(script):
        char = script[position]
        end = position + 1
        if quote:
            foreign = foreign or (quote == '"' and char in "$`")
            end += char == "\\" and quote == '"'
            quote = "" if char == quote else quote
            text.append(script[position:end])
        elif char in "'\"":
            quote = char
            text.append(char)
        elif char == "\\":
            end += 1
            escaped = script[position:end] if end <= len(script) else "\\\\"  # a last backslash stands for itself
            text.append("" if escaped == "\\\n" else escaped)
        elif char == "#" and (not text or text[-1].isspace()):
            end = script.find("\n", position) % (len(script) + 1)  # -1, no further line, becomes the end
        elif (found := _joint(script, position)) is not None:
            statements += _statement(joint, "".join(text), foreign=foreign)
            joint, text, foreign = found, [], False
            end = position + len(found)
        else:
            foreign = foreign or char in _FOREIGN
            text.append(char)
        position = end
    if quote:
        raise UnfinishedScript(f"unterminated quoted string in {script!r}")
    return statements + _statement(joint, "".join(text), foreign=foreign)


def _joint(script: str, position: int) -> Joint | None:
    if script.startswith("&&", position):
        return "&&"
    if script.startswith("||", position):
        return "||"
    return ";" if script[position] in ";\n" else None


def _statement(joint: Joint, text: str, *, foreign: bool) -> list[Statement]:
    words = tuple(shlex.split(text))
    if not words:
        return []
    assignment = words[0].partition("=")[0].isidentifier() and "=" in words[0]
    return [Statement(joint, words, foreign or assignment or words[0] in _KEYWORDS)]
