"""`kubeletsim traces`: collect spans, list traces, draw one, export them."""

import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kubeletsim.cli import trace_analysis
from kubeletsim.cli.trace_query import (
    DEFAULT_DATABASE,
    Database,
    FilterOptions,
    Output,
    OutputFormat,
    QueryWords,
    console,
    filter_of,
    is_query,
    opened,
    print_json,
    trace_id_of,
    with_filter_options,
)
from kubeletsim.model.errors import ConfigError, Fault

if TYPE_CHECKING:
    from kubeletsim.traces.forward import BackEnd
    from kubeletsim.traces.receiver import Address
    from kubeletsim.traces.retention import Retention

_HEADER_NAME = re.compile(r"(?!grpc-)[a-z0-9_.-]+(?<!-bin)", re.IGNORECASE)

app = typer.Typer(
    name="traces",
    help="Collect spans over OTLP, and look at them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class ExportFormat(StrEnum):
    """What an export is made of; the same as in `traces.export`, which is imported only when it is needed."""

    OTLP_JSON = "otlp-json"
    JAEGER = "jaeger"
    CHROME = "chrome"
    ZIPKIN = "zipkin"


PageAddress = Annotated[str, typer.Option("--ui", help="Where to serve the web page; `off` (collect) for none.")]
DEFAULT_PAGE = "127.0.0.1:16686"


@app.command()
def collect(
    grpc: Annotated[str, typer.Option("--grpc", help="Where to listen for OTLP gRPC.")] = "127.0.0.1:4317",
    http: Annotated[str, typer.Option("--http", help="Where to listen for OTLP HTTP.")] = "127.0.0.1:4318",
    db: Database = DEFAULT_DATABASE,
    ui: PageAddress = DEFAULT_PAGE,
    forward: Annotated[
        str | None,
        typer.Option(
            "--forward",
            help="Another OTLP gRPC receiver that gets everything too: HOST:PORT, with TLS https://HOST:PORT.",
        ),
    ] = None,
    forward_ca: Annotated[
        Path | None, typer.Option("--forward-ca", help="PEM certificates to trust for --forward https://.")
    ] = None,
    forward_header: Annotated[
        list[str] | None,
        typer.Option("--forward-header", help="name=value to send with everything that is forwarded. May be repeated."),
    ] = None,
    max_age: Annotated[str | None, typer.Option("--max-age", help="Drop what arrived longer ago, e.g. 7d.")] = None,
    max_spans: Annotated[int | None, typer.Option("--max-spans", min=1, help="Keep so many spans, the latest.")] = None,
    max_bytes: Annotated[str | None, typer.Option("--max-bytes", help="Keep the store this small, e.g. 2GB.")] = None,
) -> None:
    """Receive spans, store them and show them on a web page until Ctrl-C or SIGTERM."""
    import asyncio

    from kubeletsim.cli.collector import collect_until_signal

    page = None if ui in ("", "off") else _address("--ui", ui)
    kept = _retention(max_age, max_spans, max_bytes)
    grpc_address, http_address = _address("--grpc", grpc), _address("--http", http)
    target = None if forward is None else _back_end(forward, forward_ca, forward_header or [])
    asyncio.run(
        collect_until_signal(grpc_address, http_address, db=db, page_address=page, retention=kept, forward_to=target)
    )


@app.command("ui")
def show_page(db: Database = DEFAULT_DATABASE, ui: PageAddress = DEFAULT_PAGE) -> None:
    """Show a store on a web page until Ctrl-C or SIGTERM, also while another process writes to it."""
    import asyncio

    from kubeletsim.cli.collector import show_page_until_signal

    with opened(db):  # says at once what is wrong with the path
        pass
    asyncio.run(show_page_until_signal(_address("--ui", ui), db=db))


@app.command("ls")
@with_filter_options()
def list_traces(
    options: FilterOptions,
    query: QueryWords = None,
    db: Database = DEFAULT_DATABASE,
    output: Output = OutputFormat.TABLE,
) -> None:
    """List traces, the newest first; 20 of them unless a limit says otherwise."""
    wanted = filter_of(query, options, default_limit=20)
    with opened(db) as store:
        traces = list(store.traces(wanted))
    if output is OutputFormat.JSON:
        from kubeletsim.traces.web import documents

        print_json([documents.summary(trace) for trace in traces])
    elif traces:
        from kubeletsim.traces.tables import trace_table

        console(table=True).print(trace_table(traces))
    else:
        print("no trace matches", file=sys.stderr)


@app.command()
@with_filter_options(without=["limit"])
def show(
    options: FilterOptions,
    trace: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TRACE QUERY",
            help="A trace id, the beginning of one, or `latest`; then a query that narrows `latest` down.",
        ),
    ] = None,
    db: Database = DEFAULT_DATABASE,
    attributes: Annotated[bool, typer.Option("-a", "--attributes", help="Write attributes beneath spans.")] = False,
    events: Annotated[bool, typer.Option("-e", "--events", help="Write events and links beneath spans.")] = False,
    fold: Annotated[bool, typer.Option(help="Tell runs of like siblings as one line.")] = True,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Draw a trace as a tree, with self times and the critical path."""
    which, words = _trace_and_query(trace or [])
    wanted = filter_of(words, options)
    with opened(db) as store:
        trace_id = trace_id_of(store, which, wanted)
        spans = store.spans(trace_id)
    if output is OutputFormat.JSON:
        from kubeletsim.traces.document import trace_document

        print_json(trace_document(trace_id, spans))
        return
    from kubeletsim.traces.render import trace_tree

    console().print(trace_tree(spans, attributes=attributes, events=events, fold=fold))


app.command("tail")(trace_analysis.tail)
app.command("stats")(trace_analysis.stats)
app.command("diff")(trace_analysis.diff)


@app.command()
@with_filter_options()
def export(
    options: FilterOptions,
    query: QueryWords = None,
    db: Database = DEFAULT_DATABASE,
    output_format: Annotated[
        ExportFormat, typer.Option("--format", help="otlp-json, jaeger, chrome (Perfetto, speedscope) or zipkin.")
    ] = ExportFormat.OTLP_JSON,
) -> None:
    """Write traces to stdout, the oldest first; OTLP JSON has one trace a line."""
    from kubeletsim.traces import export as exports

    wanted = filter_of(query, options)
    with opened(db) as store:
        for line in exports.exported(store, wanted, exports.ExportFormat(output_format.value)):
            print(line)


@app.command("import")
def import_traces(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE", help="OTLP JSON or Jaeger JSON; `-`, and none, is stdin.")
    ] = None,
    db: Database = DEFAULT_DATABASE,
) -> None:
    """Store the traces of files; what is there already stays as it is."""
    from kubeletsim.cli.trace_import import import_files

    import_files(files or ["-"], db)


def _trace_and_query(words: list[str]) -> tuple[str, list[str]]:
    """Take the trace apart from the query."""
    return (words[0], words[1:]) if words and not is_query(words[0]) else ("latest", words)


def _retention(max_age: str | None, max_spans: int | None, max_bytes: str | None) -> "Retention":
    from kubeletsim.traces.filters import parse_duration_ns
    from kubeletsim.traces.retention import Retention, parse_size

    faults: list[Fault] = []
    age_seconds = size = None
    try:
        age_seconds = None if max_age is None else parse_duration_ns(max_age) / 1e9
    except ValueError:
        faults.append(Fault("--max-age", max_age, "must be a duration such as 12h or 7d"))
    try:
        size = None if max_bytes is None else parse_size(max_bytes)
    except ValueError:
        faults.append(Fault("--max-bytes", max_bytes, "must be a size such as 500MB or 2GiB"))
    if faults:
        raise ConfigError(faults)
    return Retention(max_age_seconds=age_seconds, max_spans=max_spans, max_bytes=size)


def _back_end(where: str, ca: Path | None, headers: list[str]) -> "BackEnd":
    from kubeletsim.traces.forward import BackEnd

    tls = where.startswith("https://")
    address = _address("--forward", where.removeprefix("https://").removeprefix("http://").removesuffix("/"))
    faults: list[Fault] = []
    pairs = [header.partition("=") for header in headers]
    for name, equals, value in pairs:
        if not equals or not _HEADER_NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
            faults.append(Fault("--forward-header", name, "must be name=value, such as authorization=…, in ASCII"))
    certificates = None
    try:
        certificates = ca.read_bytes() if ca else None
    except OSError as e:
        faults.append(Fault("--forward-ca", None, f"{ca}: cannot be read: {e.strerror}"))
    if ca and not tls:
        faults.append(Fault("--forward-ca", None, "is for --forward https://HOST:PORT"))
    if faults:
        raise ConfigError(faults)
    sent = [(name.lower(), value) for name, _, value in pairs]
    return BackEnd(address, tls=tls, ca=certificates, headers=sent)


def _address(option: str, text: str) -> "Address":
    from kubeletsim.traces.receiver import Address

    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError([Fault(option, text, "must be HOST:PORT with a port from 0 to 65535")])
    return Address(host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port))
