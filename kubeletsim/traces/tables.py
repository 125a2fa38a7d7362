"""The tables for a terminal: lists of traces, statistics of operations, the difference of two traces.

Values come from spans, so they are data: made visible, never read as markup.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from kubeletsim.traces.diff import Change, DiffEntry, Pace, TraceDiff, with_parents
from kubeletsim.traces.operations import OperationStatistics
from kubeletsim.traces.render import format_duration, format_time, visible
from kubeletsim.traces.set_diff import OperationChange
from kubeletsim.traces.store import TraceSummary

_ERROR = "bold red"
_SHORT_ID_DIGITS, _DURATION_WIDTH = 16, 9
_BOUNDLESS = 10_000
_NAMES = ("ROOT", "OPERATION")
_MARKS = {Change.SAME: " ", Change.ADDED: "+", Change.MISSING: "-", Change.MOVED: "↕"}
_STYLES = {Change.SAME: "", Change.ADDED: "green", Change.MISSING: "red", Change.MOVED: "magenta"}


def trace_table(traces: Iterable[TraceSummary], *, timezone: dt.tzinfo | None = None) -> RenderableType:
    """Draw a list of traces; times in the given time zone, or in the local one."""
    return _Fitting(
        left=("TRACE ID", "STARTED", "ROOT", "SERVICES"),
        right=("SPANS", "ERRORS", "DURATION"),
        rows=[_cells(trace, timezone) for trace in traces],
        dispensable=("SERVICES", "STARTED", "ERRORS", "SPANS"),
    )


def trace_line(trace: TraceSummary, *, timezone: dt.tzinfo | None = None) -> Text:
    """Return a trace in a line of its own, for lists that never end."""
    trace_id, started, root, services, spans, errors, duration = _cells(trace, timezone)
    duration.pad_left(max(0, _DURATION_WIDTH - len(duration)))
    count = Text.assemble(spans, " spans", *(("  ", errors, " failed") if trace.errors else ()))
    return Text("  ").join((trace_id, started, duration, root, services, count))


def _cells(trace: TraceSummary, timezone: dt.tzinfo | None) -> Sequence[Text]:
    root = _name(trace.root_name, style="red" if trace.errors else "")
    return (
        Text(trace.trace_id[:_SHORT_ID_DIGITS]),
        Text(format_time(trace.start_ns, timezone)),
        root if trace.root_name else Text("(root not here)", style="dim"),
        Text(visible(", ".join(trace.services))),
        Text(str(trace.spans)),
        Text(str(trace.errors), style=_ERROR if trace.errors else "dim"),
        Text(format_duration(trace.duration_ns)),
    )


def statistics_table(operations: Iterable[OperationStatistics]) -> RenderableType:
    """Draw the statistics of operations, in the order given."""
    return _Fitting(
        left=("SERVICE", "OPERATION"),
        right=("COUNT", "RATE", "ERRORS", "P50", "P90", "P99", "SELF"),
        rows=[
            (
                Text(visible(one.service)),
                _name(one.name, style="red" if one.errors else ""),
                str(one.count),
                f"{one.rate_per_second:.2f}/s",
                Text(str(one.errors), style=_ERROR if one.errors else "dim"),
                *(format_duration(value) for value in (one.p50_ns, one.p90_ns, one.p99_ns, one.self_ns)),
            )
            for one in operations
        ],
        dispensable=("RATE", "P90", "ERRORS", "P99"),  # never SERVICE: both sides of a call have one name
    )


def diff_table(diff: TraceDiff, *, everything: bool = False) -> RenderableType:
    """Draw a difference as a tree: what changed and what is above it, or everything."""
    table = _table(("", "OPERATION"), ("BEFORE", "AFTER"))
    table.add_column("", no_wrap=True)
    for entry in diff.entries if everything else with_parents(diff.entries):
        table.add_row(
            Text("!" if entry.outcome_changed else _MARKS[entry.change], style="bold"),
            Text("  " * entry.depth + (visible(entry.name) or "(no name)"), style=_STYLES[entry.change]),
            *(format_duration(side.duration_ns) if side else "" for side in (entry.before, entry.after)),
            _remark(entry),
        )
    return table


def operation_changes_table(changes: Iterable[OperationChange], *, everything: bool = False) -> RenderableType:
    """Draw what became of operations: what changed, or everything."""
    table = _table(("", "SERVICE", "OPERATION"), ("COUNT", "P50", "P99", "COUNT NOW", "P50 NOW", "P99 NOW"))
    table.add_column("", no_wrap=True)
    for one in changes:
        if everything or one.change is not Change.SAME or one.pace is not Pace.SAME:
            p50 = (one.before.p50_ns, one.after.p50_ns) if one.before and one.after else None
            table.add_row(
                Text(_MARKS[one.change], style="bold"),
                Text(visible(one.service)),
                Text(visible(one.name), style=_STYLES[one.change]),
                *_numbers(one.before),
                *_numbers(one.after),
                _joined(_change(one.change), _pace(one.pace, p50)),
            )
    return table


def _numbers(one: OperationStatistics | None) -> tuple[str, str, str]:
    return (str(one.count), format_duration(one.p50_ns), format_duration(one.p99_ns)) if one else ("", "", "")


@dataclass(frozen=True, slots=True)
class _Fitting:
    """A table that goes without some columns, in this order, where there is no room for all."""

    left: Sequence[str]
    right: Sequence[str]
    rows: Sequence[Sequence[Text | str]]
    dispensable: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for some in range(len(self.dispensable) + 1):
            table = self._without(self.dispensable[:some])
            if Measurement.get(console, options.update(width=_BOUNDLESS), table).maximum <= options.max_width:
                break
        yield table

    def _without(self, titles: Sequence[str]) -> Table:
        table = _table(*([one for one in side if one not in titles] for side in (self.left, self.right)))
        kept = [one not in titles for one in (*self.left, *self.right)]
        for row in self.rows:
            table.add_row(*compress(row, kept))
        return table


def _name(text: str, *, style: str = "") -> Text:
    """Return a name that is cut short before numbers are."""
    return Text(visible(text), style=style, no_wrap=True, overflow="ellipsis")


def _table(left: Sequence[str], right: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in left:
        table.add_column(title, no_wrap=title not in _NAMES)
    for title in right:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _remark(entry: DiffEntry) -> Text:
    outcome, durations = None, None
    if entry.before and entry.after:
        durations = (entry.before.duration_ns, entry.after.duration_ns)
        if entry.outcome_changed:
            outcome = Text("fails now" if entry.after.error else "no longer fails", style=_ERROR)
    return _joined(_change(entry.change), outcome, _pace(entry.pace, durations))


def _change(change: Change) -> Text | None:
    return None if change is Change.SAME else Text(change.value, style=_STYLES[change])


def _pace(pace: Pace, durations_ns: tuple[int, int] | None) -> Text | None:
    if pace is Pace.SAME or durations_ns is None:
        return None
    longer, shorter = max(durations_ns), min(durations_ns)
    times = f" ×{longer / shorter:.1f}" if shorter else ""  # noqa: RUF001  a sign, not a letter
    return Text(f"{pace.value}{times}", style="yellow" if pace is Pace.SLOWER else "cyan")


def _joined(*remarks: Text | None) -> Text:
    return Text(", ").join(remark for remark in remarks if remark)
