"""The drawing: a trace as a tree with bars, for a terminal.

What comes from spans is data: control characters are shown as escapes, so that no attribute can move the cursor,
and nothing is read as markup. The first service of a trace (usually the kubelet) and the others (the runtime) have
colours of their own; errors are red, with their text beneath. Where there is room, each span's self time stands beside
its duration, and a dot marks what is on the critical path.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from kubeletsim.traces.critical_path import critical_path
from kubeletsim.traces.filters import text_of
from kubeletsim.traces.span import Attributes, Span
from kubeletsim.traces.tree import Extent, Fold, Node, build_forest, extent, folded

_SERVICE_COLOURS = ("cyan", "magenta", "yellow", "green", "blue")
_ERROR = "bold red"
_FOLD_AT_LEAST = 3
_NARROWEST_TREE, _NARROWEST_BAR = 24, 8
_DURATION_WIDTH = 10
_WIDE = 80
_ON_PATH = "●"
_TIMES = "\N{MULTIPLICATION SIGN}"
_LEFT_EIGHTHS = "▏▎▍▌▋▊▉█"


def trace_tree(
    spans: Iterable[Span],
    *,
    attributes: bool = False,
    events: bool = False,
    fold: bool = True,
    timezone: dt.tzinfo | None = None,
) -> RenderableType:
    """Draw the spans of a trace as a tree with durations and bars.

    Args:
        spans: in any order, with any parents.
        attributes: write each span's attributes beneath it, and each service's resource at the top.
        events: write each span's events and links beneath it.
        fold: tell runs of three or more like siblings as one line that begins with their number.
        timezone: of the time at the top; the local one by default.
    """
    return _TraceTree(build_forest(spans), attributes=attributes, events=events, fold=fold, timezone=timezone)


def format_duration(duration_ns: int) -> str:
    """Return a duration with a unit that suits it: 85 µs, 174.3 ms, 1.24 s."""
    if duration_ns < 999_500:
        return f"{duration_ns / 1e3:.0f} µs"
    if duration_ns < 999_950_000:
        return f"{duration_ns / 1e6:.1f} ms"
    return f"{duration_ns / 1e9:.2f} s"


def format_time(time_ns: int, timezone: dt.tzinfo | None = None) -> str:
    """Return a time of day with its date, to the millisecond."""
    moment = dt.datetime.fromtimestamp(time_ns // 10**9, tz=dt.UTC).astimezone(timezone)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{time_ns // 10**6 % 1000:03d}"


def visible(text: str) -> str:
    """Return text with everything that is not printable written as an escape."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


@dataclass(frozen=True, slots=True)
class _Line:
    """One node or fold with the guides left of it (`own`) and of what is written beneath it (`below`)."""

    item: Node | Fold
    parent_service: str
    own: str
    below: str

    @property
    def first(self) -> Span:
        return self.item.nodes[0].span if isinstance(self.item, Fold) else self.item.span


class _TraceTree:
    """The drawing itself; it needs the width of the terminal before it can be made."""

    def __init__(
        self, forest: Sequence[Node], *, attributes: bool, events: bool, fold: bool, timezone: dt.tzinfo | None
    ) -> None:
        self._forest = forest
        self._timezone = timezone
        self._attributes = attributes
        self._events = events
        self._fold = fold
        self._extent = extent(forest)
        self._on_path = critical_path(forest).span_ids
        self._lines = list(self._walk())
        self._colours = _colours(line.first.service for line in self._lines)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._lines:
            yield Text("no spans", style="dim")
            return
        width = options.max_width
        labels = [self._label(line) for line in self._lines]
        numbers_width = _DURATION_WIDTH + (_DURATION_WIDTH + 2 if width >= _WIDE else 0)
        room = max(_NARROWEST_TREE, width - numbers_width - _NARROWEST_BAR - 2)
        tree_width = min(max(label.cell_len for label in labels), room)
        bar_width = max(0, width - tree_width - numbers_width - 2)
        yield from self._heading()
        if width >= _WIDE:
            titles = f"{'':{tree_width}}{'DURATION':>{_DURATION_WIDTH}}{'SELF':>{_DURATION_WIDTH}}"
            yield Text(titles, style="bold", no_wrap=True, overflow="crop")
        for line, label in zip(self._lines, labels, strict=True):
            label.truncate(tree_width, overflow="ellipsis", pad=True)
            label.append(f"{format_duration(_duration_ns(line.item)):>{_DURATION_WIDTH}}")
            if width >= _WIDE:
                label.append(f"{format_duration(_self_ns(line.item)):>{_DURATION_WIDTH}}", style="dim")
                label.append(f" {_ON_PATH if self._is_on_path(line.item) else ' '}", style="bold")
            if bar_width:
                label.append("  ")
                label.append(_bar(line.item, self._extent, bar_width), style=self._style(line))
            label.no_wrap = True
            label.overflow = "crop"
            label.rstrip()
            yield label
            for detail in self._details(line):
                yield from _beneath(detail, line.below, console, width)

    def _is_on_path(self, item: Node | Fold) -> bool:
        return any(node.span.span_id in self._on_path for node in _nodes(item))

    def _walk(self) -> Iterator[_Line]:
        stack: list[_Line] = [_Line(item, "", "", "") for item in reversed(self._siblings(self._forest))]
        while stack:
            line = stack.pop()
            children = self._children(line.item)
            has_children = bool(children)
            yield _Line(line.item, line.parent_service, line.own, line.below + ("│  " if has_children else "   "))
            service = line.first.service
            for position, child in enumerate(reversed(children)):
                last = position == 0
                stack.append(
                    _Line(
                        child, service, line.below + ("└─ " if last else "├─ "), line.below + ("   " if last else "│  ")
                    )
                )

    def _children(self, item: Node | Fold) -> list[Node | Fold]:
        if isinstance(item, Node):
            return self._siblings(item.children)
        # Nodes of one shape have the same children in the same order: fold those of each position.
        return [Fold(same) for same in zip(*(node.children for node in item.nodes), strict=True)]

    def _siblings(self, nodes: Sequence[Node]) -> list[Node | Fold]:
        return folded(nodes, at_least=_FOLD_AT_LEAST) if self._fold else list(nodes)

    def _heading(self) -> Iterator[Text]:
        nodes = [line.item for line in self._lines]
        spans = sum(len(item.nodes) if isinstance(item, Fold) else 1 for item in nodes)
        errors = sum(line.first.error for line in self._lines)
        first = self._lines[0].first
        yield Text(f"trace {visible(first.trace_id)}  {format_time(self._extent.start_ns, self._timezone)}")
        heading = Text.assemble((format_duration(self._extent.duration_ns), "bold"), f"  {spans} spans")
        if errors:
            heading.append(f"  {errors} failed", style=_ERROR)
        for service, colour in self._colours.items():
            heading.append("  ")
            heading.append(f"■ {visible(service)}", style=colour)
        heading.append(f"  {_ON_PATH} on the critical path", style="dim")
        yield heading
        if self._attributes:
            resources = {line.first.service: line.first.resource for line in self._lines}
            for service, resource in resources.items():
                yield Text(f"  {visible(service)}: {_joined(resource)}", style="dim")

    def _label(self, line: _Line) -> Text:
        span = line.first
        label = Text(line.own, style="")
        if isinstance(line.item, Fold):
            label.append(f"{len(line.item.nodes)} {_TIMES} ", style="bold")
        if span.error:
            label.append("✗ ", style=_ERROR)
        label.append(visible(span.name) or "(no name)", style=self._style(line))
        if span.service != line.parent_service:
            label.append(f" {visible(span.service)}", style="dim")
        if isinstance(line.item, Node) and line.item.orphan:
            label.append(" (parent not here)", style="dim")
        return label

    def _style(self, line: _Line) -> str:
        return _ERROR if line.first.error else self._colours[line.first.service]

    def _details(self, line: _Line) -> Iterator[Text]:
        span = line.first
        for text in span.status_message.splitlines():
            yield Text(visible(text), style="red" if span.error else "")
        if isinstance(line.item, Fold):
            return
        if self._attributes:
            for key, value in span.attributes.items():
                yield Text(f"{visible(key)}={visible(text_of(value))}", style="dim")
        if self._events:
            for event in span.events:
                after = format_duration(max(0, event.time_ns - span.start_ns))
                yield Text(f"@ {after} {visible(event.name)} {_joined(event.attributes)}", style="dim")
            for link in span.links:
                yield Text(
                    f"→ trace {visible(link.trace_id)} span {visible(link.span_id)} {_joined(link.attributes)}",
                    style="dim",
                )


def _beneath(detail: Text, guides: str, console: Console, width: int) -> Iterator[Text]:
    """Wrap a text to the width that its guides leave, each line behind them."""
    room = max(20, width - len(guides) - 2)
    for part in detail.wrap(console, room):
        part.rstrip()
        yield Text.assemble(guides, "  ", part, no_wrap=True, overflow="crop")


def _nodes(item: Node | Fold) -> Sequence[Node]:
    return item.nodes if isinstance(item, Fold) else [item]


def _duration_ns(item: Node | Fold) -> int:
    return sum(node.span.duration_ns for node in _nodes(item))


def _self_ns(item: Node | Fold) -> int:
    return sum(node.self_ns for node in _nodes(item))


def _bar(item: Node | Fold, whole: Extent, width: int) -> str:
    """Draw a span's place in the trace with blocks of an eighth of a column; always at least a hairline."""
    nodes = _nodes(item)
    scale = width / max(1, whole.duration_ns)
    begin = (min(node.span.start_ns for node in nodes) - whole.start_ns) * scale
    end = (max(node.span.end_ns for node in nodes) - whole.start_ns) * scale
    begin = min(max(begin, 0.0), width - 0.125)
    end = max(min(end, float(width)), begin + 0.125)
    cells = [_cell(begin, end, column) for column in range(int(begin), min(width, -int(-end // 1)))]
    return " " * int(begin) + "".join(cells)


def _cell(begin: float, end: float, column: int) -> str:
    covered = min(end, column + 1) - max(begin, column)
    if begin > column and end >= column + 1:  # begins here and goes on: there are few blocks for the right side
        return "█" if covered > 0.75 else "▐" if covered > 0.25 else "▕"
    return _LEFT_EIGHTHS[min(7, max(0, round(covered * 8) - 1))]


def _joined(attributes: Attributes) -> str:
    return " ".join(f"{visible(key)}={visible(text_of(value))}" for key, value in attributes.items())


def _colours(services: Iterable[str]) -> Mapping[str, str]:
    """Give each service a colour, in the order in which they come; those beyond the palette share its last ones."""
    names = list(dict.fromkeys(services))
    return {name: _SERVICE_COLOURS[number % len(_SERVICE_COLOURS)] for number, name in enumerate(names)}
