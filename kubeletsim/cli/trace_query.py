"""What the commands of `kubeletsim traces` share: the store, the query, which trace is meant, how to print.

Everything heavy is imported where it is needed, so that --help stays quick.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kubeletsim.model.errors import ConfigError, Fault, KubeletSimError

if TYPE_CHECKING:
    from rich.console import Console

    from kubeletsim.traces.filters import AttributeFilter, TraceFilter
    from kubeletsim.traces.store import TraceStore


class OutputFormat(StrEnum):
    """How an answer is printed."""

    TABLE = "table"
    JSON = "json"


Database = Annotated[Path, typer.Option("--db", help="The trace store, a SQLite file.")]
Output = Annotated[OutputFormat, typer.Option("-o", "--output", help="table or json.")]
QueryWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[QUERY]...", help="Such as: service:kubelet root:syncPod k8s.pod.name=web* 'duration>200ms' error"
    ),
]
DEFAULT_DATABASE = Path("traces.db")


def console(*, table: bool = False) -> "Console":
    """Return a console; a table that goes to a file or a pipe is not cut to the width of a terminal."""
    from rich.console import Console

    made = Console(highlight=False, markup=False, emoji=False)
    return Console(highlight=False, markup=False, emoji=False, width=400) if table and not made.is_terminal else made


def print_json(document: object) -> None:
    """Print a document for programs."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


@contextmanager
def opened(db: Path, *, writable: bool = False) -> "Iterator[TraceStore]":
    """Open the store for a command; whatever is wrong with it becomes an error of the command line."""
    from kubeletsim.traces.store import NoTraceStore, TraceStore, TraceStoreError

    try:
        with (TraceStore.create if writable else TraceStore.open)(db) as store:
            yield store
    except NoTraceStore as e:
        raise ConfigError([Fault("--db", None, str(e))]) from None
    except TraceStoreError as e:
        raise KubeletSimError(str(e)) from None


def trace_id_of(store: "TraceStore", text: str, wanted: "TraceFilter | None" = None) -> str:
    """Return the id of the trace that is meant: `latest`, an id or the beginning of one."""
    if text == "latest":
        latest = next(store.trace_ids(wanted), None)
        if latest is None:
            raise KubeletSimError(f"{store.path}: no trace matches")
        return latest
    found = store.find(text)
    if not found:
        raise KubeletSimError(f"{store.path}: no trace begins with {text!r}")
    if len(found) > 1:
        some = ", ".join(trace_id[:20] for trace_id in found[:5])
        raise KubeletSimError(f"{store.path}: {text!r} is the beginning of several traces: {some}, …")
    return found[0]


def is_query(word: str) -> bool:
    """Tell a query from a trace id: it holds an operator, or is the word `error`."""
    return word == "error" or any(sign in word for sign in ':=<>" ')


def query_of(words: Sequence[str] | None) -> "TraceFilter":
    """Read the positional words as one query."""
    return filter_of(words, None, None, None, None, False, None, None, None)


def filter_of(
    words: Sequence[str] | None,
    service: str | None,
    root_name: str | None,
    operation: str | None,
    attributes: Sequence[str] | None,
    error: bool,
    min_duration: str | None,
    since: str | None,
    limit: int | None,
    *,
    default_limit: int | None = None,
) -> "TraceFilter":
    """Make a filter of the query and the options; options win, and every fault is found before any is reported."""
    import time
    from dataclasses import replace

    faults: list[Fault] = []
    now_ns = time.time_ns()
    wanted = _query(" ".join(words or ()), now_ns, faults)
    since_ns = _duration_ns("--since", since, faults)
    wanted = replace(
        wanted,
        service=wanted.service if service is None else service,
        root_name=wanted.root_name if root_name is None else root_name,
        operation=wanted.operation if operation is None else operation,
        attributes=[*wanted.attributes, *_attributes(attributes or [], faults)],
        error=wanted.error or error,
        min_duration_ns=_duration_ns("--min-duration", min_duration, faults) or wanted.min_duration_ns,
        since_ns=max(1, now_ns - since_ns) if since_ns else wanted.since_ns,
        limit=limit or wanted.limit or default_limit,
    )
    if faults:
        raise ConfigError(faults)
    return wanted


def _query(text: str, now_ns: int, faults: list[Fault]) -> "TraceFilter":
    from kubeletsim.traces.filters import TraceFilter
    from kubeletsim.traces.query_language import QueryError, parse_query

    try:
        return parse_query(text, now_ns=now_ns)
    except QueryError as e:
        faults.append(Fault("query", None, e.pointed()))
        return TraceFilter()


def _attributes(texts: Sequence[str], faults: list[Fault]) -> "list[AttributeFilter]":
    from kubeletsim.traces.filters import parse_attribute

    found = []
    for text in texts:
        try:
            found.append(parse_attribute(text))
        except ValueError:
            faults.append(Fault("--attribute", text, "must be key=value"))
    return found


def _duration_ns(option: str, text: str | None, faults: list[Fault]) -> int:
    from kubeletsim.traces.filters import parse_duration_ns

    try:
        return parse_duration_ns(text) if text is not None else 0
    except ValueError:
        faults.append(Fault(option, text, "must be a duration such as 200ms, 1.5s or 10m"))
        return 0
