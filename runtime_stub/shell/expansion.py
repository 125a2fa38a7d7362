"""This module is the expansion of words: parameters, commands, arithmetic, field splitting, file names.

A part of a word may be a command, so expansion is a part of the process. Source: POSIX, Shell Command Language, 2.6.
"""

import re
from collections.abc import Generator, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from runtime_stub.shell.files import Files
from runtime_stub.shell.program import Step
from runtime_stub.shell.syntax import Arithmetic, Body, Parameter, Part, Substitution, Text

TextSteps = Generator[Step, bytes | None, str]
_MAGIC = re.compile(r"[*?\[]")
_NUMBERS = re.compile(r"(?<![\w.])0[xX][0-9a-fA-F]+|\d+|[A-Za-z_]\w*|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%()<>!~&|^?:]|\s+")
_MAX_ARITHMETIC_CHARS = 500


class ExpansionError(Exception):
    """A word cannot be expanded; the message is the shell's."""


class Variables(Protocol):
    """The shell, as far as expansion needs it."""

    def get(self, name: str) -> str | None:
        """Return a variable or a special parameter; None when it is not set."""

    def set(self, name: str, value: str) -> None:
        """Set a variable."""

    def positional(self) -> Sequence[str]:
        """Return the positional parameters."""

    def capture(self, body: Body) -> TextSteps:
        """Run a script in a subshell, and return what it writes without the last newlines."""


class _Fields:
    """Fields as they grow: each with its text, and the same as a pattern in which quoted characters are plain."""

    def __init__(self, *, splitters: str) -> None:
        self._splitters = splitters
        self.done: list[tuple[str, str]] = []
        self._text: list[str] = []
        self._pattern: list[str] = []
        self._begun = False

    def add(self, text: str, *, quoted: bool, split: bool) -> None:
        if quoted or not split:
            self._begun = self._begun or quoted or bool(text)
            self._text.append(text)
            self._pattern.append(_plain(text) if quoted else text)
            return
        for piece in re.split(f"([{re.escape(self._splitters)}]+)", text) if self._splitters else [text]:
            if piece and self._splitters and piece[0] in self._splitters:
                self.end()
            elif piece:
                self.add(piece, quoted=False, split=False)

    def end(self) -> None:
        if self._begun:
            self.done.append(("".join(self._text), "".join(self._pattern)))
        self._text, self._pattern, self._begun = [], [], False


def expand(
    words: Iterable[Sequence[Part]], variables: Variables, *, files: Files, directory: str
) -> Generator[Step, bytes | None, list[str]]:
    """Return the fields that words become."""
    result: list[str] = []
    for word in words:
        fields = _Fields(splitters=" \t\n" if (ifs := variables.get("IFS")) is None else ifs)
        for part in word:
            yield from _add(part, fields, variables)
        fields.end()
        for text, pattern in fields.done:
            names = glob(pattern, files, directory) if _MAGIC.search(pattern) else []
            result += names or [text]
    return result


def expand_one(word: Sequence[Part], variables: Variables) -> TextSteps:
    """Return a word as one text: no splitting, no file names."""
    text = ""
    for part in word:
        text += yield from _value(part, variables)
    return text


def expand_pattern(word: Sequence[Part], variables: Variables) -> TextSteps:
    """Return a word as a pattern, in which what is quoted stands for itself."""
    pieces = []
    for part in word:
        text = yield from _value(part, variables)
        pieces.append(_plain(text) if part.quoted else text)
    return "".join(pieces)


def glob(pattern: str, files: Files, directory: str) -> list[str]:
    """Return the paths that match a pattern, in order."""
    found = [""] if not pattern.startswith("/") else ["/"]
    for name in filter(None, pattern.split("/")):
        matches = []
        for base in found:
            here = base if base.startswith("/") else f"{directory.rstrip('/')}/{base}"
            if not _MAGIC.search(name):
                candidates = [_unplain(name)]
            else:
                try:
                    candidates = files.names(here.rstrip("/") or "/")
                except OSError:
                    continue
                hidden = name.startswith(".")
                candidates = [one for one in candidates if fnmatchcase(one, name) and (hidden or one[0] != ".")]
            matches += [f"{base}{one}" for one in candidates if files.exists(f"{here.rstrip('/')}/{one}")]
        found = [f"{one}/" for one in matches]
    return sorted(one.rstrip("/") or "/" for one in found if one)


def _add(part: Part, fields: _Fields, variables: Variables) -> Generator[Step, bytes | None, None]:
    if isinstance(part, Parameter) and part.name in ("@", "*") and not part.operator:
        texts = variables.positional()
        if part.quoted and part.name == "*":
            fields.add(" ".join(texts), quoted=True, split=False)
            return
        for number, text in enumerate(texts):
            if number:
                fields.end()
            fields.add(text, quoted=part.quoted, split=not part.quoted)
        return
    text = yield from _value(part, variables)
    fields.add(text, quoted=part.quoted, split=not isinstance(part, Text))


def _value(part: Part, variables: Variables) -> TextSteps:
    match part:
        case Text(text):
            return text
        case Substitution(body):
            return (yield from variables.capture(body))
        case Arithmetic(expression):
            return str(calculate((yield from expand_one(expression, variables)), variables))
        case Parameter():
            return (yield from _parameter(part, variables))


def _parameter(part: Parameter, variables: Variables) -> TextSteps:
    value = " ".join(variables.positional()) if part.name in ("@", "*") else variables.get(part.name)
    match part.operator:
        case "":
            return value or ""
        case "length":
            return str(len(value or ""))
        case "-" | ":-" | "=" | ":=" | "?" | ":?" | "+" | ":+":
            return (yield from _conditional(part, value, variables))
        case operator:
            pattern = yield from expand_pattern(part.argument, variables)
            return _trimmed(value or "", pattern, operator)


def _conditional(part: Parameter, value: str | None, variables: Variables) -> TextSteps:
    operator = part.operator[-1]
    missing = value is None or (part.operator.startswith(":") and not value)
    if operator == "+":
        return "" if missing else (yield from expand_one(part.argument, variables))
    if not missing:
        return value or ""
    text = yield from expand_one(part.argument, variables)
    if operator == "=":
        variables.set(part.name, text)
    if operator == "?":
        raise ExpansionError(f"{part.name}: {text or 'parameter not set'}")
    return text


def _trimmed(value: str, pattern: str, operator: str) -> str:
    lengths: Iterable[int] = range(len(value) + 1)
    if len(operator) == 2:
        lengths = reversed(range(len(value) + 1))
    for length in lengths:
        if operator[0] == "#" and fnmatchcase(value[:length], pattern):
            return value[length:]
        if operator[0] == "%" and fnmatchcase(value[len(value) - length :], pattern):
            return value[: len(value) - length]
    return value


def _plain(text: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", text)


def _unplain(text: str) -> str:
    return re.sub(r"\[([*?\[])\]", r"\1", text)


def calculate(expression: str, variables: Variables) -> int:
    """Return the value of an arithmetic expression.

    Raises:
        ExpansionError: it is none.
    """
    if len(expression) > _MAX_ARITHMETIC_CHARS:
        raise ExpansionError("arithmetic expression too long")
    if assigned := re.fullmatch(r"\s*([A-Za-z_]\w*)\s*([-+*/%]?)=(?!=)(.*)", expression, re.DOTALL):
        name, operator, rest = assigned.groups()
        value = calculate(f"{name} {operator} ({rest})" if operator else rest, variables)
        variables.set(name, str(value))
        return value
    return _Calculator(expression, variables).value()


class _Calculator:
    """Precedence climbing over the tokens of an expression."""

    _LEVELS = (
        ("||",),
        ("&&",),
        ("|",),
        ("^",),
        ("&",),
        ("==", "!="),
        ("<", ">", "<=", ">="),
        ("<<", ">>"),
        ("+", "-"),
        ("*", "/", "%"),
    )  # a table

    def __init__(self, expression: str, variables: Variables) -> None:
        tokens = _NUMBERS.findall(expression)
        if "".join(tokens) != expression:
            raise ExpansionError("arithmetic syntax error")
        self._tokens = [one for one in tokens if not one.isspace()]
        self._variables = variables

    def value(self) -> int:
        if not self._tokens:
            return 0
        value = self._ternary()
        if self._tokens:
            raise ExpansionError("arithmetic syntax error")
        return value

    def _ternary(self) -> int:
        condition = self._binary(0)
        if not self._tokens or self._tokens[0] != "?":
            return condition
        self._tokens.pop(0)
        first = self._ternary()
        self._expect(":")
        second = self._ternary()
        return first if condition else second

    def _binary(self, level: int) -> int:
        if level == len(self._LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._tokens and self._tokens[0] in self._LEVELS[level]:
            left = _combine(self._tokens.pop(0), left, self._binary(level + 1))
        return left

    def _unary(self) -> int:
        if not self._tokens:
            raise ExpansionError("arithmetic syntax error")
        token = self._tokens.pop(0)
        match token:
            case "-":
                return -self._unary()
            case "+":
                return self._unary()
            case "!":
                return int(not self._unary())
            case "~":
                return ~self._unary()
            case "(":
                value = self._ternary()
                self._expect(")")
                return value
        if token[0].isdigit():
            base = 16 if token[:2].lower() == "0x" else 8 if token[0] == "0" else 10
            try:
                return int(token, base)
            except ValueError:
                raise ExpansionError("arithmetic syntax error") from None
        if not (token[0].isalpha() or token[0] == "_"):
            raise ExpansionError("arithmetic syntax error")
        text = (self._variables.get(token) or "0").strip()
        try:
            return int(text)
        except ValueError:
            raise ExpansionError("arithmetic syntax error") from None

    def _expect(self, token: str) -> None:
        if not self._tokens or self._tokens.pop(0) != token:
            raise ExpansionError("arithmetic syntax error")


def _combine(operator: str, left: int, right: int) -> int:
    if operator in "/%" and not right:
        raise ExpansionError("divide by zero")
    if operator in ("<<", ">>") and not 0 <= right < 64:
        raise ExpansionError("arithmetic syntax error")
    quotient = abs(left) // abs(right) if operator in "/%" else 0
    quotient = quotient if (left < 0) == (right < 0) else -quotient
    value = {
        "||": lambda: int(bool(left or right)),
        "&&": lambda: int(bool(left and right)),
        "|": lambda: left | right,
        "^": lambda: left ^ right,
        "&": lambda: left & right,
        "==": lambda: int(left == right),
        "!=": lambda: int(left != right),
        "<": lambda: int(left < right),
        ">": lambda: int(left > right),
        "<=": lambda: int(left <= right),
        ">=": lambda: int(left >= right),
        "<<": lambda: left << right,
        ">>": lambda: left >> right,
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: quotient,
        "%": lambda: left - quotient * right,
    }[operator]()
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)  # 64 bits, as in C
