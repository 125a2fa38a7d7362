"""Chrome trace events, which Perfetto, speedscope and chrome://tracing open. Pure.

A service is a process. The spans of a trace share tracks as long as they nest; what overlaps without nesting gets
another track, for a track is a stack. A trace that begins when another has ended takes over its tracks. An arrow leads
from each call to what it caused in another service. Times are microseconds since the first span, because since 1970
they would have more digits than the viewers' numbers; `otherData` says when that was.

Counterpart: the Trace Event Format, phases X, M, s and f.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from kubeletsim.traces.filters import text_of
from kubeletsim.traces.span import Attributes, Span
from kubeletsim.traces.tree import Node, build_forest, extent, walk


@dataclass(slots=True)
class _Track:
    number: int
    busy_until_ns: int
    open_ends_ns: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Process:
    """A service and its tracks."""

    number: int
    tracks: list[_Track] = field(default_factory=list)

    def place(self, span: Span, mine: set[int], *, begin_ns: int, until_ns: int) -> int:
        """Return the track for a span: one of its trace's where it nests, else one that is free, else a new one."""
        end_ns = span.start_ns + span.duration_ns
        for track in self.tracks:
            ends = track.open_ends_ns
            if track.number in mine:
                while ends and ends[-1] <= span.start_ns:
                    ends.pop()
                if ends and ends[-1] < end_ns:
                    continue
            elif track.busy_until_ns > begin_ns:
                continue
            else:
                ends.clear()
            break
        else:
            track = _Track(len(self.tracks) + 1, 0)
            self.tracks.append(track)
        track.open_ends_ns.append(end_ns)
        track.busy_until_ns = max(track.busy_until_ns, until_ns)
        mine.add(track.number)
        return track.number


class ChromeEvents:
    """Turns traces into events, one trace after the other."""

    def __init__(self, *, epoch_ns: int) -> None:
        self._epoch_ns = epoch_ns
        self._processes: dict[str, _Process] = {}
        self._flows = 0

    def events(self, trace: Iterable[Span]) -> Iterator[dict[str, Any]]:
        """Yield the events of one trace; traces must come in the order of their starts."""
        forest = build_forest(trace)
        whole = extent(forest)
        nodes = sorted(walk(forest), key=lambda node: (node.span.start_ns, -node.span.end_ns))
        mine: dict[str, set[int]] = {}
        places: dict[int, dict[str, int]] = {}
        for node in nodes:
            span = node.span
            yield from self._new_process(span.service)
            process = self._processes[span.service]
            tracks = mine.setdefault(span.service, set())
            track = process.place(span, tracks, begin_ns=whole.start_ns, until_ns=whole.end_ns)
            places[id(node)] = {"pid": process.number, "tid": track}
            yield {
                "ph": "X",
                "name": span.name or "(no name)",
                "cat": "error" if span.error else span.kind.lower(),
                "ts": self._us(span.start_ns),
                "dur": span.duration_ns / 1000,
                **places[id(node)],
                "args": _arguments(span),
            }
        yield from self._arrows(nodes, places)

    def _new_process(self, service: str) -> Iterator[dict[str, Any]]:
        if service not in self._processes:
            number = len(self._processes) + 1
            self._processes[service] = _Process(number)
            yield {"ph": "M", "name": "process_name", "pid": number, "tid": 0, "args": {"name": service}}

    def _arrows(self, nodes: Sequence[Node], places: dict[int, dict[str, int]]) -> Iterator[dict[str, Any]]:
        for node in nodes:
            for child in node.children:
                if child.span.service == node.span.service:
                    continue
                self._flows += 1
                arrow = {"name": "call", "cat": "call", "id": self._flows}
                start_us = self._us(min(max(node.span.start_ns, child.span.start_ns), node.span.end_ns))
                yield {"ph": "s", **arrow, "ts": start_us, **places[id(node)]}
                yield {"ph": "f", "bp": "e", **arrow, "ts": self._us(child.span.start_ns), **places[id(child)]}

    def _us(self, time_ns: int) -> float:
        return (time_ns - self._epoch_ns) / 1000


def chrome_document(traces: Iterable[Iterable[Span]], *, epoch_ns: int) -> Iterator[str]:
    """Yield the pieces of a JSON document, one event a line."""
    events = ChromeEvents(epoch_ns=epoch_ns)
    yield f'{{"displayTimeUnit":"ms","otherData":{{"epochUnixNano":"{epoch_ns}"}},"traceEvents":['
    comma = ""
    for trace in traces:
        for event in events.events(trace):
            yield comma + json.dumps(event, ensure_ascii=False, separators=(",", ":"))
            comma = ","
    yield "]}"


def _arguments(span: Span) -> dict[str, str]:
    status = {"status": span.status_message} if span.status_message else {}
    return {"trace_id": span.trace_id, "span_id": span.span_id, **status, **_texts(span.attributes)}


def _texts(attributes: Attributes) -> dict[str, str]:
    return {key: text_of(value) for key, value in attributes.items()}
