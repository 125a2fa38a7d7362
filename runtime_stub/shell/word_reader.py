"""This module is the reader of a script's words: quotes, expansions, here-documents, down to single characters.

Words nest scripts, so the reader leaves one thing to the parser that is built upon it: to read a script up to its end.
Source: POSIX, Shell Command Language, 2.2, 2.3 and 2.6.
"""

import re
from abc import ABC, abstractmethod

from runtime_stub.shell.syntax import Arithmetic, Body, Parameter, Part, Substitution, Text, Word

META = frozenset(" \t\n;&|<>()")
"""What ends a word where nothing is quoted."""
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-]")
_SHORT_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_OPERATORS = (":-", ":=", ":?", ":+", "%%", "##", "-", "=", "?", "+", "%", "#")
_RESERVED = frozenset(
    ["if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "{", "}", "!"]
)
_MAX_DEPTH = 60


class ScriptError(ValueError):
    """The text is no script; the message is the shell's."""


class UnfinishedScript(ScriptError):
    """The text ends in the middle of something; more of it may be typed."""


class WordReader(ABC):
    """A text and how far it has been read.

    Args:
        text: the script.
        depth: how many scripts it is nested in.

    Raises:
        ScriptError: nested too deeply.
    """

    def __init__(self, text: str, depth: int = 0) -> None:
        if depth > _MAX_DEPTH:
            raise ScriptError("syntax error: too deeply nested")
        self._text = text
        self._at = 0
        self._depth = depth
        self._documents: list[tuple[list[Part], str, bool, bool]] = []  # here-documents to be read at the line's end
        self.is_open = False
        """Whether the text ended before a here-document did."""

    @abstractmethod
    def body(self, ends: frozenset[str]) -> Body:
        """Read a script up to one of some reserved words, a closing parenthesis, or the end."""

    def whole(self) -> Body:
        """Read everything as one script."""
        body = self.body(frozenset())
        if self.rest():
            raise self.unexpected()
        return body

    def rest(self) -> bool:
        """Tell whether anything is left."""
        return self._at < len(self._text)

    def unexpected(self) -> ScriptError:
        """Return the complaint about what comes next."""
        if not self.rest():
            return UnfinishedScript("syntax error: unexpected end of file")
        word = re.compile(r"&&|\|\||;;|[;&|<>()\n]|[^\s;&|<>()]+").match(self._text, self._at)
        found = word[0] if word else self._text[self._at]
        shown = "newline" if found == "\n" else f'"{found}"' if found else "end of file"
        return ScriptError(f"syntax error: unexpected {shown}")

    # Words

    def _words(self) -> tuple[Word, ...]:
        words = []
        self._blank()
        while (word := self._word()) is not None:
            words.append(word)
            self._blank()
        return tuple(words)

    def _word(self, ends: frozenset[str] = META) -> Word | None:
        parts: list[Part] = []
        start = self._at
        while self.rest() and (char := self._text[self._at]) not in ends:
            if char == "\\":
                if self._text[self._at + 1 : self._at + 2] != "\n":
                    parts.append(Text(self._text[self._at + 1 : self._at + 2] or "\\", quoted=True))
                self._at += 2
            elif char == "'":
                end = self._text.find("'", self._at + 1)
                if end < 0:
                    raise UnfinishedScript("syntax error: unterminated quoted string")
                parts.append(Text(self._text[self._at + 1 : end], quoted=True))
                self._at = end + 1
            elif char == '"':
                self._at += 1
                parts += self.quoted('"')
                self._expect('"')
            elif char in "$`":
                parts.append(self._expansion(quoted=False))
            else:
                end = self._at + 1
                while end < len(self._text) and self._text[end] not in ends and self._text[end] not in "\\'\"$`":
                    end += 1
                parts.append(Text(self._text[self._at : end]))
                self._at = end
        return tuple(parts) if self._at > start else None

    def quoted(self, end: str) -> list[Part]:
        """Read the inside of double quotes, or of a here-document (`end` empty)."""
        parts: list[Part] = [Text("", quoted=True)]
        while not end or not self._sees(end):
            if not self.rest():
                if not end:
                    return parts
                raise UnfinishedScript("syntax error: unterminated quoted string")
            char = self._text[self._at]
            if char == "\\":
                following = self._text[self._at + 1 : self._at + 2]
                if following != "\n":
                    escaped = following in ("$", "`", "\\", end)
                    parts.append(Text(following if escaped and following else f"\\{following}", quoted=True))
                self._at += 2
            elif char in "$`":
                parts.append(self._expansion(quoted=True))
            else:
                parts.append(Text(char, quoted=True))
                self._at += 1
        return parts

    def _expansion(self, *, quoted: bool) -> Part:
        if self._text[self._at] == "`":
            return self._backquotes(quoted=quoted)
        if self._text.startswith("$((", self._at):
            return self._arithmetic(quoted=quoted)
        if self._text.startswith("$(", self._at):
            self._at += 2
            body = self.body(frozenset())
            self._expect(")")
            return Substitution(body, quoted)
        if self._text.startswith("${", self._at):
            self._at += 2
            return self._braces(quoted=quoted)
        self._at += 1
        if name := _SHORT_PARAMETER.match(self._text, self._at):
            self._at = name.end()
            return Parameter(name[0], quoted=quoted)
        return Text("$", quoted=True)

    def _backquotes(self, *, quoted: bool) -> Substitution:
        end = self._at + 1
        while end < len(self._text) and self._text[end] != "`":
            end += 2 if self._text[end] == "\\" else 1
        if end >= len(self._text):
            raise UnfinishedScript("syntax error: EOF in backquote substitution")
        inside = re.sub(r"\\([$`\\])", r"\1", self._text[self._at + 1 : end])
        self._at = end + 1
        return Substitution(type(self)(inside, self._depth + 1).whole(), quoted)

    def _arithmetic(self, *, quoted: bool) -> Arithmetic:
        start, depth = self._at + 3, 2
        end = start
        while end < len(self._text) and depth:
            depth += {"(": 1, ")": -1}.get(self._text[end], 0)
            end += 1
        if depth or self._text[end - 2 : end] != "))":
            raise UnfinishedScript('syntax error: missing "))"')
        inner = type(self)(self._text[start : end - 2], self._depth + 1)
        self._at = end
        return Arithmetic(tuple(inner.quoted("")), quoted)

    def _braces(self, *, quoted: bool) -> Parameter:
        if self._sees("#") and not self._text.startswith("#}", self._at):
            self._at += 1
            name = _PARAMETER.match(self._text, self._at)
            operator = "length"
        else:
            name, operator = _PARAMETER.match(self._text, self._at), ""
        if name is None:
            raise ScriptError("syntax error: bad substitution")
        self._at = name.end()
        argument: Word = ()
        if operator != "length" and not self._sees("}"):
            operator = next((one for one in _OPERATORS if self._sees(one)), "")
            if not operator:
                raise ScriptError("syntax error: bad substitution")
            self._at += len(operator)
            argument = self._word(frozenset("}")) or ()
        if not self._sees("}"):
            raise UnfinishedScript('syntax error: missing "}"')
        self._at += 1
        return Parameter(name[0], operator, argument, quoted)

    # Characters

    def _nest(self, step: int) -> None:
        self._depth += step
        if self._depth > _MAX_DEPTH:
            raise ScriptError("syntax error: too deeply nested")

    def _sees(self, text: str) -> bool:
        return self._text.startswith(text, self._at)

    def _blank(self) -> None:
        while self.rest():
            if self._text[self._at] in " \t":
                self._at += 1
            elif self._sees("\\\n"):
                self._at += 2
            elif self._sees("#"):
                end = self._text.find("\n", self._at)
                self._at = len(self._text) if end < 0 else end
            else:
                break

    def _skip_lines(self) -> None:
        self._blank()
        while self._sees("\n"):
            self._end_line()
            self._blank()

    def _end_line(self) -> None:
        self._at += 1
        for document, end, quoted, strip in self._documents:
            lines = []
            while self.rest():
                stop = self._text.find("\n", self._at) % (len(self._text) + 1)
                line = self._text[self._at : stop]
                self._at = min(stop + 1, len(self._text))
                line = line.lstrip("\t") if strip else line
                if line == end:
                    break
                lines.append(line + "\n")
            else:
                self.is_open = True
            text = "".join(lines)
            document += [Text(text, quoted=True)] if quoted else type(self)(text, self._depth + 1).quoted("")
        self._documents.clear()

    def _plain_word(self) -> str:
        end = self._at
        while end < len(self._text) and self._text[end] not in META and self._text[end] not in "\\'\"$`":
            end += 1
        quoted = end < len(self._text) and self._text[end] in "\\'\"$`"
        return "" if quoted else self._text[self._at : end]

    def _reserved(self) -> str:
        self._blank()
        word = self._plain_word()
        return word if word in _RESERVED else ""

    def _take(self, word: str) -> None:
        self._skip_lines()
        if self._plain_word() != word:
            raise self.unexpected()
        self._at += len(word)

    def _expect(self, char: str) -> None:
        if char != '"':
            self._skip_lines()
        if not self._sees(char):
            raise self.unexpected()
        self._at += len(char)
