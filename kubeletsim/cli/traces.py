"""`kubeletsim traces`: collect spans, list traces, draw one, export them."""

import json
import sys
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
    from kubeletsim.traces.receiver import Address
    from kubeletsim.traces.store import TraceStore

app = typer.Typer(
    name="traces",
    help="Collect spans over OTLP, and look at them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class OutputFormat(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"


class ExportFormat(StrEnum):
    """What an export is made of."""

    OTLP_JSON = "otlp-json"


Database = Annotated[Path, typer.Option("--db", help="The trace store, a SQLite file.")]
Service = Annotated[str | None, typer.Option("--service", help="A service that took part.")]
RootName = Annotated[str | None, typer.Option("--root-name", help="The root span's name; * and ? match as in a shell.")]
Operation = Annotated[
    str | None, typer.Option("--operation", help="Any span's name (of --service, if given); * and ? match.")
]
AttributeOptions = Annotated[
    list[str] | None,
    typer.Option("--attribute", help="key=value that a span or its resource has; * and ? match. May be repeated."),
]
Error = Annotated[bool, typer.Option("--error", help="Only traces with a failed span.")]
MinDuration = Annotated[str | None, typer.Option("--min-duration", help="At least this long, e.g. 200ms.")]
Since = Annotated[str | None, typer.Option("--since", help="Begun at most this long ago, e.g. 10m.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many, the newest.")]

PageAddress = Annotated[str, typer.Option("--ui", help="Where to serve the web page; `off` (collect) for none.")]
DEFAULT_PAGE = "127.0.0.1:16686"
DEFAULT_DATABASE = Path("traces.db")


@app.command()
def collect(
    grpc: Annotated[str, typer.Option("--grpc", help="Where to listen for OTLP gRPC.")] = "127.0.0.1:4317",
    http: Annotated[str, typer.Option("--http", help="Where to listen for OTLP HTTP.")] = "127.0.0.1:4318",
    db: Database = DEFAULT_DATABASE,
    ui: PageAddress = DEFAULT_PAGE,
) -> None:
    """Receive spans, store them and show them on a web page until Ctrl-C or SIGTERM."""
    import asyncio

    from kubeletsim.cli.collector import collect_until_signal

    page = None if ui in ("", "off") else _address("--ui", ui)
    asyncio.run(collect_until_signal(_address("--grpc", grpc), _address("--http", http), db=db, page_address=page))


@app.command("ui")
def show_page(db: Database = DEFAULT_DATABASE, ui: PageAddress = DEFAULT_PAGE) -> None:
    """Show a store on a web page until Ctrl-C or SIGTERM, also while another process writes to it."""
    import asyncio

    from kubeletsim.cli.collector import show_page_until_signal

    with _store(db):  # says at once what is wrong with the path
        pass
    asyncio.run(show_page_until_signal(_address("--ui", ui), db=db))


@app.command("ls")
def list_traces(
    db: Database = DEFAULT_DATABASE,
    service: Service = None,
    root_name: RootName = None,
    operation: Operation = None,
    attribute: AttributeOptions = None,
    error: Error = False,
    min_duration: MinDuration = None,
    since: Since = None,
    limit: Limit = 20,
    output: Annotated[OutputFormat, typer.Option("-o", "--output", help="table or json.")] = OutputFormat.TABLE,
) -> None:
    """List traces, the newest first."""
    wanted = _filter(service, root_name, operation, attribute, error, min_duration, since, limit)
    with _store(db) as store:
        traces = list(store.traces(wanted))
    if output is OutputFormat.JSON:
        documents = [
            {
                "traceId": trace.trace_id,
                "rootName": trace.root_name,
                "rootService": trace.root_service,
                "services": list(trace.services),
                "startTimeUnixNano": str(trace.start_ns),
                "durationNano": trace.duration_ns,
                "spans": trace.spans,
                "errors": trace.errors,
            }
            for trace in traces
        ]
        print(json.dumps(documents, indent=2, ensure_ascii=False))
    elif traces:
        from kubeletsim.traces.render import trace_table

        _console(table=True).print(trace_table(traces))
    else:
        print("no trace matches", file=sys.stderr)


@app.command()
def show(
    trace: Annotated[str, typer.Argument(help="A trace id, the beginning of one, or `latest`.")] = "latest",
    db: Database = DEFAULT_DATABASE,
    attributes: Annotated[bool, typer.Option("-a", "--attributes", help="Write attributes beneath spans.")] = False,
    events: Annotated[bool, typer.Option("-e", "--events", help="Write events and links beneath spans.")] = False,
    fold: Annotated[bool, typer.Option(help="Tell runs of like siblings as one line.")] = True,
    service: Service = None,
    root_name: RootName = None,
    operation: Operation = None,
    attribute: AttributeOptions = None,
    error: Error = False,
    min_duration: MinDuration = None,
    since: Since = None,
) -> None:
    """Draw a trace as a tree; the options from --service on narrow down `latest`."""
    wanted = _filter(service, root_name, operation, attribute, error, min_duration, since, 1)
    with _store(db) as store:
        spans = store.spans(_trace_id(store, trace, wanted))
    from kubeletsim.traces.render import trace_tree

    _console().print(trace_tree(spans, attributes=attributes, events=events, fold=fold))


@app.command()
def export(
    db: Database = DEFAULT_DATABASE,
    output_format: Annotated[ExportFormat, typer.Option("--format", help="otlp-json.")] = ExportFormat.OTLP_JSON,  # noqa: ARG001  the only one so far
    service: Service = None,
    root_name: RootName = None,
    operation: Operation = None,
    attribute: AttributeOptions = None,
    error: Error = False,
    min_duration: MinDuration = None,
    since: Since = None,
    limit: Limit = None,
) -> None:
    """Write traces to stdout as OTLP JSON, one trace a line, the oldest first."""
    from kubeletsim.traces.export import otlp_json_lines

    wanted = _filter(service, root_name, operation, attribute, error, min_duration, since, limit)
    with _store(db) as store:
        for line in otlp_json_lines(store, wanted):
            print(line)


def _console(*, table: bool = False) -> "Console":
    """Return a console; a table that goes to a file or a pipe is not cut to the width of a terminal."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    return (
        Console(highlight=False, markup=False, emoji=False, width=400) if table and not console.is_terminal else console
    )


@contextmanager
def _store(db: Path) -> "Iterator[TraceStore]":
    from kubeletsim.traces.store import NoTraceStore, TraceStore, TraceStoreError

    try:
        with TraceStore.open(db) as store:
            yield store
    except NoTraceStore as e:
        raise ConfigError([Fault("--db", None, str(e))]) from None
    except TraceStoreError as e:
        raise KubeletSimError(str(e)) from None


def _trace_id(store: "TraceStore", text: str, wanted: "TraceFilter") -> str:
    """Return the id of the trace that is meant."""
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


def _filter(
    service: str | None,
    root_name: str | None,
    operation: str | None,
    attributes: Sequence[str] | None,
    error: bool,
    min_duration: str | None,
    since: str | None,
    limit: int | None,
) -> "TraceFilter":
    """Make a filter of the options; every fault is found before any is reported."""
    import time

    from kubeletsim.traces.filters import TraceFilter

    faults: list[Fault] = []
    since_ns = _duration_ns("--since", since, faults)
    wanted = TraceFilter(
        service=service,
        root_name=root_name,
        operation=operation,
        attributes=_attributes(attributes or [], faults),
        error=error,
        min_duration_ns=_duration_ns("--min-duration", min_duration, faults),
        since_ns=max(1, time.time_ns() - since_ns) if since_ns else 0,
        limit=limit,
    )
    if faults:
        raise ConfigError(faults)
    return wanted


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


def _address(option: str, text: str) -> "Address":
    from kubeletsim.traces.receiver import Address

    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError([Fault(option, text, "must be HOST:PORT with a port from 0 to 65535")])
    return Address(host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port))
