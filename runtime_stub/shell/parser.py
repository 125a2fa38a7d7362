"""This module is the parser of shell scripts: POSIX' language as busybox's ash has it, without aliases.

Ours, because the kept parsers do not fit: bashlex is under the GPL, and tree-sitter's grammar is bash's, a native
library that repairs what is wrong where a shell complains. Recursive descent over the characters, since words nest
scripts and scripts nest words. Source: POSIX, Shell Command Language, 2.10.
"""

import re

from runtime_stub.shell.syntax import (
    Body,
    Case,
    Command,
    For,
    Function,
    Group,
    If,
    Item,
    Part,
    Pipeline,
    Redirected,
    Redirection,
    Simple,
    Text,
    While,
    Word,
)
from runtime_stub.shell.word_reader import UnfinishedScript, WordReader

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_FUNCTION = re.compile(r"([A-Za-z_][A-Za-z0-9_-]*)[ \t]*\([ \t]*\)")
_REDIRECTION = re.compile(r"(\d*)(<<-|<<|<>|<&|>>|>&|>\||<|>)")


def parse(script: str) -> Body:
    """Return what a script consists of.

    Raises:
        ScriptError: it is no script.
    """
    return _Parser(script).whole()


def parse_typed(lines: str) -> Body:
    """Return what some lines consist of that somebody types.

    Raises:
        UnfinishedScript: the next line belongs to them.
        ScriptError: they are no script.
    """
    parser = _Parser(lines)
    body = parser.whole()
    backslashes = len(lines.rstrip("\n")) - len(lines.rstrip("\n").rstrip("\\"))
    if parser.is_open or (backslashes % 2 and lines.endswith("\n")):
        raise UnfinishedScript("syntax error: unexpected end of file")
    return body


class _Parser(WordReader):
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
