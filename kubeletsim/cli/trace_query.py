"""What the commands of `kubeletsim traces` share: the store, the query, which trace is meant, how to print.

Everything heavy is imported where it is needed, so that --help stays quick.
"""

import functools
import inspect
import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

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
        metavar="QUERY", help="Such as: service:kubelet root:syncPod k8s.pod.name=web* 'duration>200ms' error"
    ),
]
DEFAULT_DATABASE = Path("traces.db")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOptions:
    """What options say that a query could say as well."""

    service: Annotated[str | None, typer.Option(help="A service that took part.")] = None
    root_name: Annotated[str | None, typer.Option(help="The root span's name; * and ? match as in a shell.")] = None
    operation: Annotated[str | None, typer.Option(help="Any span's name (of --service, if given); * and ? match.")] = (
        None
    )
    attribute: Annotated[
        list[str] | None,
        typer.Option(help="key=value that a span or its resource has; * and ? match. May be repeated."),
    ] = None
    error: Annotated[bool, typer.Option("--error", help="Only traces with a failed span.")] = False
    min_duration: Annotated[str | None, typer.Option(help="At least this long, e.g. 200ms.")] = None
    since: Annotated[str | None, typer.Option(help="Begun at most this long ago, e.g. 10m.")] = None
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many, the newest.")] = None


def with_filter_options(*, without: Collection[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that `FilterOptions` lists, and have it called with one as its `options`."""
    wanted = [one for one in fields(FilterOptions) if one.name not in without]

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def run(**given: Any) -> None:
            options = FilterOptions(**{one.name: given.pop(one.name) for one in wanted})
            command(options=options, **given)

        # Typer reads signature and annotations.
        own = [one for one in inspect.signature(command).parameters.values() if one.name != "options"]
        hints = get_type_hints(FilterOptions, include_extras=True)
        added = [
            inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=hints[one.name])
            for one in wanted
        ]
        run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in (*own, *added)}
        return run

    return decorated


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
    return filter_of(words, FilterOptions())


def filter_of(
    words: Sequence[str] | None, options: FilterOptions, *, default_limit: int | None = None
) -> "TraceFilter":
    """Make a filter of the query and the options; options win, and every fault is found before any is reported."""
    import time

    faults: list[Fault] = []
    now_ns = time.time_ns()
    wanted = _query(" ".join(words or ()), now_ns, faults)
    since_ns = _duration_ns("--since", options.since, faults)
    wanted = replace(
        wanted,
        service=wanted.service if options.service is None else options.service,
        root_name=wanted.root_name if options.root_name is None else options.root_name,
        operation=wanted.operation if options.operation is None else options.operation,
        attributes=[*wanted.attributes, *_attributes(options.attribute or [], faults)],
        error=wanted.error or options.error,
        min_duration_ns=_duration_ns("--min-duration", options.min_duration, faults) or wanted.min_duration_ns,
        since_ns=max(1, now_ns - since_ns) if since_ns else wanted.since_ns,
        limit=options.limit or wanted.limit or default_limit,
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
