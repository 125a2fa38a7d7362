"""The parameters: a query string as a question to the store. Pure but for the clock it is given."""

from dataclasses import replace

from multidict import MultiMapping

from kubeletsim.traces.filters import TraceFilter
from kubeletsim.traces.query_language import QueryError, parse_query

MOST_TRACES = 1000


class ParameterError(ValueError):
    """A parameter that cannot be read; the text names it and says what is allowed."""

    def __init__(self, text: str, *, column: int | None = None) -> None:
        super().__init__(text)
        self.column = column
        """Where in a query the fault is, from 1."""


def trace_filter(query: MultiMapping[str], *, now_ns: int, limit: int) -> TraceFilter:
    """Read `q`, in the query language, and `limit`.

    Raises:
        ParameterError: one cannot be read.
    """
    try:
        wanted = parse_query(query.get("q", ""), now_ns=now_ns)
    except QueryError as e:
        raise ParameterError(f"q: {e}", column=e.column) from None
    most = whole_number(query, "limit", default=wanted.limit or limit, least=1, most=MOST_TRACES)
    return replace(wanted, limit=min(most, wanted.limit or MOST_TRACES, MOST_TRACES))


def whole_number(query: MultiMapping[str], name: str, *, default: int, least: int, most: int) -> int:
    """Read a number.

    Raises:
        ParameterError: it is none, or out of bounds.
    """
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 20 or not least <= int(text) <= most:
        raise ParameterError(f"{name}: {text[:40]!r}: must be a number from {least} to {most}")
    return int(text)
