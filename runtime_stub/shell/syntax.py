"""This module is what a shell script consists of, as the parser leaves it. Source: POSIX, Shell Command Language."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union


@dataclass(frozen=True, slots=True)
class Text:
    """Characters that stand for themselves; quoted ones are neither split nor matched."""

    text: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """`$name`, `${name:-word}`, `${#name}`."""

    name: str
    operator: str = ""
    argument: "Word" = ()
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Substitution:
    """`$(script)` or backquotes."""

    body: "Body"
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`$((expression))`; parameters in it are expanded first."""

    expression: "Word"
    quoted: bool = False


Part = Union[Text, Parameter, Substitution, Arithmetic]  # noqa: UP007  # classes above refer to it
Word = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Redirection:
    """`2>file`, `<file`, `>&2`, `<<END` (then `target` is the text)."""

    descriptor: int
    operator: str
    target: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Simple:
    """`NAME=value command argument… >file`."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """`{ …; }`, or in a subshell `( … )`."""

    body: "Body"
    subshell: bool = False


@dataclass(frozen=True, slots=True)
class If:
    """`if … then … elif … else … fi`."""

    clauses: tuple[tuple["Body", "Body"], ...]
    otherwise: "Body"


@dataclass(frozen=True, slots=True)
class While:
    """`while … do … done`, and `until`."""

    condition: "Body"
    body: "Body"
    until: bool = False


@dataclass(frozen=True, slots=True)
class For:
    """`for name in … do … done`; without `in`, over the positional parameters."""

    name: str
    words: tuple[Word, ...] | None
    body: "Body"


@dataclass(frozen=True, slots=True)
class Case:
    """`case word in pattern) …;; esac`."""

    word: Word
    branches: tuple[tuple[tuple[Word, ...], "Body"], ...]


@dataclass(frozen=True, slots=True)
class Function:
    """`name() { …; }`."""

    name: str
    body: "Command"


@dataclass(frozen=True, slots=True)
class Redirected:
    """A compound command with redirections."""

    command: "Command"
    redirections: tuple[Redirection, ...]


Command = Union[Simple, Group, If, While, For, Case, Function, Redirected]  # noqa: UP007


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`! a | b | c`."""

    commands: tuple[Command, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """Pipelines joined by `&&` and `||`, each with the joint before it, in the background or not."""

    pipelines: tuple[tuple[str, Pipeline], ...]
    background: bool = False


Body = tuple[Item, ...]
