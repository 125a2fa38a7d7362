r"""The query language: one line that says which traces are wanted, the same for terminal, page and API.

    service:kubelet root:syncPod k8s.pod.name=web* duration>200ms error since:10m

Terms are separated by spaces and must all hold. A term is a field (`service:`, `root:`, `operation:`, `duration>`,
`duration<`, `since:`, `until:`, `limit:`), the word `error`, or an attribute, `key=value`. Names and values may hold
`*` and `?`. Double quotes keep spaces and everything else together (`\"` and `\\` within them), and a quoted key is
always an attribute's. Pure.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from kubeletsim.traces.filters import AttributeFilter, TraceFilter, parse_duration_ns

_OPERATORS: Final = ("!=", ">=", "<=", ":", "=", ">", "<")
_KEY = re.compile(r"[^\s:=<>!\"]+")
_VALUE = re.compile(r"\S+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")
_NO_TEXT = re.compile(r"[\ud800-\udfff]")
"""What bytes of a command line that are no UTF-8 become."""
_SPACES = re.compile(r"\s*")
_NAMES: Final = ("service", "root", "operation")
FIELDS: Final = (*_NAMES, "duration", "since", "until", "limit")
"""The words before `:`, `<` and `>`."""


class QueryError(ValueError):
    """A query that cannot be read: what is wrong, and the column (from 1) where it begins."""

    def __init__(self, reason: str, *, text: str, column: int) -> None:
        self.reason = reason
        self.text = text
        self.column = column
        super().__init__(f"column {column}: {reason}")

    def pointed(self) -> str:
        """Return the reason, and beneath it the query with a caret under the place."""
        return f"{self}\n  {self.text}\n  {' ' * (self.column - 1)}^"


def parse_query(text: str, *, now_ns: int) -> TraceFilter:
    """Read a query.

    Args:
        text: terms separated by spaces; nothing at all lets every trace through.
        now_ns: Unix nanoseconds; what `since:` and `until:` count back from.

    Raises:
        QueryError: a term cannot be read, or is given twice.
    """
    text = re.sub(r"\s", " ", text)  # a tab would put the caret in the wrong place
    if alien := _NO_TEXT.search(text):
        raise QueryError("not a character", text=_NO_TEXT.sub("?", text), column=alien.start() + 1)
    wanted = TraceFilter()
    seen: set[str] = set()
    for term in _terms(text):
        once = term.key + (term.operator[:1] if term.key == "duration" else "")
        if not term.is_attribute and once in seen:
            raise term.error(f"{term.key} is given twice")
        seen.add(once)
        wanted = _apply(term, wanted, now_ns)
    return wanted


@dataclass(frozen=True, slots=True)
class _Term:
    text: str
    """The whole query."""
    key: str
    quoted_key: bool
    operator: str
    """Empty for a word alone."""
    value: str
    key_at: int
    operator_at: int
    value_at: int

    @property
    def is_attribute(self) -> bool:
        return self.operator == "=" and (self.quoted_key or self.key not in FIELDS)

    def error(self, reason: str, at: int | None = None) -> QueryError:
        return QueryError(reason, text=self.text, column=(self.key_at if at is None else at) + 1)


def _terms(text: str) -> Iterator[_Term]:
    at = _skip_spaces(text, 0)
    while at < len(text):
        key_at, (key, operator_at) = at, _word(text, at, _KEY, what="a name")
        operator = next((sign for sign in _OPERATORS if text.startswith(sign, operator_at)), "")
        value_at = operator_at + len(operator)
        value, end = _word(text, value_at, _VALUE, what="a value") if operator else ("", operator_at)
        if end < len(text) and text[end] != " ":
            raise QueryError("want a space here", text=text, column=end + 1)
        yield _Term(text, key, text[key_at] == '"', operator, value, key_at, operator_at, value_at)
        at = _skip_spaces(text, end)


def _skip_spaces(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    return found.end() if found else at


def _word(text: str, at: int, pattern: re.Pattern[str], *, what: str) -> tuple[str, int]:
    """Read a quoted or a plain word; return it and where it ends."""
    if text.startswith('"', at):
        if (quoted := _QUOTED.match(text, at)) is None:
            raise QueryError("this quote is never closed", text=text, column=at + 1)
        return _ESCAPE.sub(r"\1", quoted[1]), quoted.end()
    if (plain := pattern.match(text, at)) is None:
        raise QueryError(f"want {what} here", text=text, column=at + 1)
    return plain[0], plain.end()


def _apply(term: _Term, wanted: TraceFilter, now_ns: int) -> TraceFilter:
    """Add one term to a filter."""
    if term.is_attribute:
        return replace(wanted, attributes=[*wanted.attributes, AttributeFilter(term.key, term.value)])
    if term.operator == "!=":
        raise term.error("`!=` cannot be asked: a query says what a trace has", term.operator_at)
    if not term.operator:
        if term.key == "error" and not term.quoted_key:
            return replace(wanted, error=True)
        raise term.error(f"{term.key!r} alone says nothing; want `error`, key=value, or one of {_listed()}")
    if term.quoted_key or term.key not in FIELDS:
        raise term.error(f"no field {term.key!r}; want {_listed()}, or an attribute as key=value")
    if term.key == "duration":
        return _with_duration(term, wanted)
    if term.operator != ":":
        hint = f'; an attribute of that name is "{term.key}"=value' if term.operator == "=" else ""
        raise term.error(f"{term.key} takes a colon, {term.key}:value{hint}", term.operator_at)
    if term.key in _NAMES:
        return _with_name(term, wanted)
    if term.key == "limit":
        return replace(wanted, limit=_read(term, _positive, "must be a whole number above 0"))
    moment = max(1, now_ns - _duration_ns(term))
    return replace(wanted, since_ns=moment) if term.key == "since" else replace(wanted, until_ns=moment)


def _with_name(term: _Term, wanted: TraceFilter) -> TraceFilter:
    if term.key == "service":
        return replace(wanted, service=term.value)
    return replace(wanted, root_name=term.value) if term.key == "root" else replace(wanted, operation=term.value)


def _with_duration(term: _Term, wanted: TraceFilter) -> TraceFilter:
    if term.operator not in ("<", "<=", ">", ">="):
        raise term.error("want duration>200ms or duration<1s", term.operator_at)
    limit_ns = _duration_ns(term)
    if term.operator.startswith(">"):
        return replace(wanted, min_duration_ns=limit_ns + (term.operator == ">"))
    return replace(wanted, max_duration_ns=limit_ns - (term.operator == "<"))


def _duration_ns(term: _Term) -> int:
    return _read(term, parse_duration_ns, "must be a duration such as 200ms, 1.5s or 10m")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError(text)
    return int(text)


def _read(term: _Term, parse: Callable[[str], int], rule: str) -> int:
    try:
        number = parse(term.value)
    except ValueError:
        raise term.error(f"{term.value!r} {rule}", term.value_at) from None
    if number >= 1 << 63:
        raise term.error(f"{term.value!r} is too large", term.value_at)
    return number


def _listed() -> str:
    return ", ".join(f"{field}>" if field == "duration" else f"{field}:" for field in FIELDS)
