"""`kubeletsim traces stats`, `diff` and `tail`: what the spans of many traces, of two, of the next come to."""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kubeletsim.cli.trace_query import (
    DEFAULT_DATABASE,
    Database,
    Output,
    OutputFormat,
    QueryWords,
    console,
    is_query,
    opened,
    print_json,
    query_of,
    trace_id_of,
)
from kubeletsim.model.errors import ConfigError, Fault, KubeletSimError

if TYPE_CHECKING:
    from kubeletsim.traces.diff import Tolerance, TraceDiff
    from kubeletsim.traces.filters import TraceFilter
    from kubeletsim.traces.operations import OperationStatistics
    from kubeletsim.traces.span import Span
    from kubeletsim.traces.store import TraceStore, TraceSummary

_POLL_SECONDS = 0.5
_MOST_REMEMBERED = 100_000


def stats(query: QueryWords = None, db: Database = DEFAULT_DATABASE, output: Output = OutputFormat.TABLE) -> None:
    """Count the spans of traces by operation: rate, errors, percentiles, self time."""
    wanted = query_of(query)
    with opened(db) as store:
        found = _statistics(store, wanted)
    if output is OutputFormat.JSON:
        from kubeletsim.traces.web import documents

        print_json(documents.operations(found))
    elif found:
        from kubeletsim.traces.tables import statistics_table

        console(table=True).print(statistics_table(found))
    else:
        print("no trace matches", file=sys.stderr)


def diff(
    before: Annotated[str, typer.Argument(help="A trace id, the beginning of one, or `latest`; or a query.")],
    after: Annotated[str | None, typer.Argument(help="The trace, or the query, to compare it with.")] = None,
    db: Database = DEFAULT_DATABASE,
    recording: Annotated[
        Path | None, typer.Option("--recording", help="Compare the trace with this recording, a JSON file.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Draw unchanged spans as well.")] = False,
    ratio: Annotated[
        float, typer.Option("--ratio", min=1.0, help="A span is slower or faster from this ratio on (and 1 ms).")
    ] = 1.5,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Compare two traces, or the operations of two sets; the exit code is 1 when something came, went or moved."""
    from kubeletsim.traces.diff import Tolerance, diff_traces
    from kubeletsim.traces.tree import build_forest

    if (after is None) == (recording is None):
        raise ConfigError([Fault("diff", None, "want two traces, or one and --recording FILE")])
    tolerance = Tolerance(ratio=ratio)
    if after is not None and is_query(before) and is_query(after):
        _diff_sets(before, after, db, tolerance, everything=everything, output=output)
        return
    with opened(db) as store:
        one = store.spans(trace_id_of(store, before))
        other = store.spans(trace_id_of(store, after)) if after else []
    if recording is not None:
        found = _diff_with_recording(recording, one, tolerance)
    else:
        found = diff_traces(build_forest(one), build_forest(other), tolerance=tolerance)
    if output is OutputFormat.JSON:
        from kubeletsim.traces.web import documents

        print_json(
            {
                "sameStructure": found.same_structure,
                "structuralChanges": found.structural_changes,
                "entries": documents.difference(found.entries),
            }
        )
    else:
        _print_diff(found, everything=everything)
    if not found.same_structure:
        raise typer.Exit(1)


def tail(
    query: QueryWords = None,
    db: Database = DEFAULT_DATABASE,
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, help="Begin with so many that are there.")] = 10,
    output: Output = OutputFormat.TABLE,
) -> None:
    """Print each trace when its root span arrives, until Ctrl-C."""
    from dataclasses import replace

    wanted = query_of(query)
    shown: dict[str, None] = {}
    try:
        with opened(db) as store:
            batch = store.latest_batch()
            if lines:
                latest = list(store.traces(replace(wanted, limit=lines)))
                _print_new(latest, shown, output)
            while True:
                time.sleep(_POLL_SECONDS)
                batch, arrived = store.arrived_since(batch, wanted)
                _print_new(arrived, shown, output)
    except KeyboardInterrupt:
        return


def _statistics(store: "TraceStore", wanted: "TraceFilter") -> "list[OperationStatistics]":
    from kubeletsim.traces.operations import OperationCounter

    counter = OperationCounter()
    for trace_id in store.trace_ids(wanted):
        counter.add(store.bare_spans(trace_id))
    return counter.statistics()


def _diff_sets(
    before: str, after: str, db: Path, tolerance: "Tolerance", *, everything: bool, output: OutputFormat
) -> None:
    """Compare the operations of two sets of traces."""
    from kubeletsim.traces.diff import Change, Pace
    from kubeletsim.traces.set_diff import diff_operations

    queries = query_of([before]), query_of([after])
    with opened(db) as store:
        one, other = (_statistics(store, query) for query in queries)
    found = diff_operations(one, other, tolerance=tolerance)
    changes = sum(entry.change is not Change.SAME for entry in found)
    if output is OutputFormat.JSON:
        from kubeletsim.traces.document import changes_document

        print_json(changes_document(found))
    else:
        from kubeletsim.traces.tables import operation_changes_table

        paces = sum(entry.pace is not Pace.SAME for entry in found)
        if everything or changes or paces:
            console(table=True).print(operation_changes_table(found, everything=everything))
        print(f"{len(found)} operations, {changes} added or missing, {paces} slower or faster")
    if changes:
        raise typer.Exit(1)


def _print_new(traces: "list[TraceSummary]", shown: dict[str, None], output: OutputFormat) -> None:
    """Print the traces whose root is known and that were not printed before, the oldest first."""
    from kubeletsim.traces.tables import trace_line
    from kubeletsim.traces.web import documents

    out = console(table=True)
    for trace in reversed(traces):
        if not trace.root_name or trace.trace_id in shown:
            continue
        shown[trace.trace_id] = None
        if output is OutputFormat.JSON:
            print(json.dumps(documents.summary(trace), ensure_ascii=False))
        else:
            out.print(trace_line(trace), soft_wrap=True)
    while len(shown) > _MOST_REMEMBERED:
        del shown[next(iter(shown))]
    sys.stdout.flush()


def _diff_with_recording(path: Path, spans: "list[Span]", tolerance: "Tolerance") -> "TraceDiff":
    from kubeletsim.traces.recording import RecordingError, diff_with_recording, recorded_roots
    from kubeletsim.traces.tree import build_forest

    try:
        roots = recorded_roots(json.loads(path.read_text()))
    except OSError as e:
        raise ConfigError([Fault("--recording", str(path), f"cannot be read: {e.strerror}")]) from None
    except RecordingError as e:
        raise ConfigError([Fault("--recording", str(path), str(e))]) from None
    except ValueError as e:
        raise ConfigError([Fault("--recording", str(path), f"not JSON: {e}")]) from None
    forest = build_forest(spans)
    found = diff_with_recording(roots, forest, tolerance=tolerance)
    if found is None:
        names = ", ".join(sorted({root[0].name for root in roots}))
        raise KubeletSimError(f"{path}: no root {forest[0].span.name!r} in this recording; it has {names}")
    return found


def _print_diff(found: "TraceDiff", *, everything: bool) -> None:
    from kubeletsim.traces.diff import Pace
    from kubeletsim.traces.tables import diff_table

    paces = sum(entry.pace is not Pace.SAME for entry in found.entries)
    if everything or paces or not found.same_structure:
        console(table=True).print(diff_table(found, everything=everything))
    changes = f"{found.structural_changes} changes" if found.structural_changes else "same structure"
    print(f"{len(found.entries)} spans, {changes}, {paces} slower or faster")
