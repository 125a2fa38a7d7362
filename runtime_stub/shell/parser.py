"""This module is the parser of shell scripts: POSIX' language as busybox's ash has it, without aliases.

Ours, because the kept parsers do not fit: bashlex is under the GPL, and tree-sitter's grammar is bash's, a native
library that repairs what is wrong where a shell complains. Recursive descent over the characters, since words nest
scripts and scripts nest words. Source: POSIX, Shell Command Language, 2.10.
"""

import re

from runtime_stub.shell.syntax import (
    Arithmetic,
    Body,
    Case,
    Command,
    For,
    Function,
    Group,
    If,
    Item,
    Parameter,
    Part,
    Pipeline,
    Redirected,
    Redirection,
    Simple,
    Substitution,
    Text,
    While,
    Word,
)

_META = frozenset(" \t\n;&|<>()")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_FUNCTION = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)[ \t]*\([ \t]*\)")
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-]")
_SHORT_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_REDIRECTION = re.compile(r"(\d*)(<<-|<<|<>|<&|>>|>&|>\||<|>)")
_OPERATORS = (":-", ":=", ":?", ":+", "%%", "##", "-", "=", "?", "+", "%", "#")
_RESERVED = frozenset(
    ["if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac", "{", "}", "!"]
)
_MAX_DEPTH = 60


class ScriptError(ValueError):
    """The text is no script; the message is the shell's."""


def parse(script: str) -> Body:
    """Return what a script consists of.

    Raises:
        ScriptError: it is no script.
    """
    parser = _Parser(script)
    body = parser.body(frozenset())
    if parser.rest():
        raise parser.unexpected()
    return body


class _Parser:
    def __init__(self, text: str, depth: int = 0) -> None:
        if depth > _MAX_DEPTH:
            raise ScriptError("syntax error: too deeply nested")
        self._text = text
        self._at = 0
        self._depth = depth
        self._documents: list[tuple[list[Part], str, bool, bool]] = []  # here-documents to be read at the line's end

    # Lists and pipelines

    def body(self, ends: frozenset[str]) -> Body:
        """Read items up to one of some reserved words, a closing parenthesis, `;;`, or the end."""
        self._nest(1)
        items: list[Item] = []
        while True:
            self._skip_lines()
            if not self.rest() or self._sees(")") or self._sees(";;") or self._reserved() in ends:
                break
            items.append(self._item())
            self._blank()
            if self._sees("&"):
                self._at += 1
                items[-1] = Item(items[-1].pipelines, background=True)
            elif self._sees(";") and not self._sees(";;"):
                self._at += 1
            elif self._sees("\n"):
                self._end_line()
            else:
                break
        self._nest(-1)
        return tuple(items)

    def rest(self) -> bool:
        """Tell whether anything is left."""
        return self._at < len(self._text)

    def unexpected(self) -> ScriptError:
        """Return the complaint about what comes next."""
        if not self.rest():
            return ScriptError("syntax error: unexpected end of file")
        word = re.compile(r"&&|\|\||;;|[;&|<>()\n]|[^\s;&|<>()]+").match(self._text, self._at)
        found = word[0] if word else self._text[self._at]
        shown = "newline" if found == "\n" else f'"{found}"' if found else "end of file"
        return ScriptError(f"syntax error: unexpected {shown}")

    def _item(self) -> Item:
        pipelines = [("", self._pipeline())]
        while True:
            self._blank()
            joint = self._text[self._at : self._at + 2]
            if joint not in ("&&", "||"):
                return Item(tuple(pipelines))
            self._at += 2
            self._skip_lines()
            pipelines.append((joint, self._pipeline()))

    def _pipeline(self) -> Pipeline:
        negated = False
        while self._reserved() == "!":
            self._take("!")
            negated = not negated
        commands = [self._command()]
        while True:
            self._blank()
            if not self._sees("|") or self._sees("||"):
                return Pipeline(tuple(commands), negated)
            self._at += 1
            self._skip_lines()
            commands.append(self._command())

    # Commands

    def _command(self) -> Command:
        self._blank()
        compound = self._compound()
        if compound is None:
            return self._simple()
        redirections: list[Redirection] = []
        while (one := self._redirection()) is not None:
            redirections.append(one)
        return Redirected(compound, tuple(redirections)) if redirections else compound

    def _compound(self) -> Command | None:
        if self._sees("("):
            self._at += 1
            body = self.body(frozenset())
            self._expect(")")
            return Group(body, subshell=True)
        match self._reserved():
            case "{":
                self._take("{")
                body = self.body(frozenset({"}"}))
                self._take("}")
                return Group(body)
            case "if":
                return self._if()
            case "while" | "until" as word:
                self._take(word)
                condition = self.body(frozenset({"do"}))
                return While(condition, self._do(), until=word == "until")
            case "for":
                return self._for()
            case "case":
                return self._case()
            case "":
                if function := _FUNCTION.match(self._text, self._at):
                    self._at = function.end()
                    self._skip_lines()
                    return Function(function[1], self._command())
                return None
            case _:
                raise self.unexpected()

    def _if(self) -> If:
        clauses, word = [], "if"
        while word in ("if", "elif"):
            self._take(word)
            condition = self.body(frozenset({"then"}))
            self._take("then")
            clauses.append((condition, self.body(frozenset({"elif", "else", "fi"}))))
            word = self._reserved()
        otherwise: Body = ()
        if word == "else":
            self._take("else")
            otherwise = self.body(frozenset({"fi"}))
        self._take("fi")
        return If(tuple(clauses), otherwise)

    def _for(self) -> For:
        self._take("for")
        self._blank()
        if not (name := _NAME.match(self._text, self._at)):
            raise self.unexpected()
        self._at = name.end()
        self._skip_lines()
        words: tuple[Word, ...] | None = None
        if self._plain_word() == "in":
            self._take("in")
            words = self._words()
        self._blank()
        if self._sees(";"):
            self._at += 1
        self._skip_lines()
        return For(name[0], words, self._do())

    def _do(self) -> Body:
        self._take("do")
        body = self.body(frozenset({"done"}))
        self._take("done")
        return body

    def _case(self) -> Case:
        self._take("case")
        self._blank()
        if (word := self._word()) is None:
            raise self.unexpected()
        self._skip_lines()
        self._take("in")
        branches = []
        self._skip_lines()
        while self._reserved() != "esac":
            if self._sees("("):
                self._at += 1
            patterns = [*self._words()]
            while self._sees("|"):
                self._at += 1
                patterns += self._words()
            if not patterns:
                raise self.unexpected()
            self._expect(")")
            branches.append((tuple(patterns), self.body(frozenset({"esac"}))))
            if self._sees(";;"):
                self._at += 2
            self._skip_lines()
        self._take("esac")
        return Case(word, tuple(branches))

    def _simple(self) -> Simple:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        while True:
            self._blank()
            if (redirection := self._redirection()) is not None:
                redirections.append(redirection)
            elif not words and (assigned := _ASSIGNMENT.match(self._text, self._at)):
                self._at = assigned.end()
                assignments.append((assigned[0][:-1], self._word() or ()))
            elif (word := self._word()) is not None:
                words.append(word)
            else:
                break
        if not (assignments or words or redirections):
            raise self.unexpected()
        return Simple(tuple(assignments), tuple(words), tuple(redirections))

    def _redirection(self) -> Redirection | None:
        self._blank()
        found = _REDIRECTION.match(self._text, self._at)
        if found is None:
            return None
        self._at = found.end()
        operator = found[2]
        descriptor = int(found[1]) if found[1] else int(operator.startswith(">"))
        self._blank()
        if (target := self._word()) is None:
            raise self.unexpected()
        if operator.startswith("<<"):
            document: list[Part] = []
            end = "".join(part.text for part in target if isinstance(part, Text))
            quoted = any(isinstance(part, Text) and part.quoted for part in target)
            self._documents.append((document, end, quoted, operator == "<<-"))
            return Redirection(descriptor, "<<", document)  # filled at the end of the line
        return Redirection(descriptor, operator, target)

    # Words

    def _words(self) -> tuple[Word, ...]:
        words = []
        self._blank()
        while (word := self._word()) is not None:
            words.append(word)
            self._blank()
        return tuple(words)

    def _word(self, ends: frozenset[str] = _META) -> Word | None:
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
                    raise ScriptError("syntax error: unterminated quoted string")
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
                raise ScriptError("syntax error: unterminated quoted string")
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
            raise ScriptError("syntax error: EOF in backquote substitution")
        inside = re.sub(r"\\([$`\\])", r"\1", self._text[self._at + 1 : end])
        self._at = end + 1
        return Substitution(_nested(inside, self._depth + 1), quoted)

    def _arithmetic(self, *, quoted: bool) -> Arithmetic:
        start, depth = self._at + 3, 2
        end = start
        while end < len(self._text) and depth:
            depth += {"(": 1, ")": -1}.get(self._text[end], 0)
            end += 1
        if depth or self._text[end - 2 : end] != "))":
            raise ScriptError('syntax error: missing "))"')
        inner = _Parser(self._text[start : end - 2], self._depth + 1)
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
            raise ScriptError('syntax error: missing "}"')
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
            text = "".join(lines)
            document += [Text(text, quoted=True)] if quoted else _Parser(text, self._depth + 1).quoted("")
        self._documents.clear()

    def _plain_word(self) -> str:
        end = self._at
        while end < len(self._text) and self._text[end] not in _META and self._text[end] not in "\\'\"$`":
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


def _nested(script: str, depth: int) -> Body:
    parser = _Parser(script, depth)
    body = parser.body(frozenset())
    if parser.rest():
        raise parser.unexpected()
    return body
