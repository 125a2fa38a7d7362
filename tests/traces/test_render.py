"""Claims about the drawing: it looks as agreed, fits its terminal, and no span can break it."""

import datetime as dt
import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, RenderableType

from kubeletsim.traces.render import format_duration, format_time, trace_tree, visible
from kubeletsim.traces.span import Event, Link, Span
from kubeletsim.traces.store import TraceSummary
from kubeletsim.traces.tables import trace_table
from tests.fakes.traces import MS, START_NS, TRACE_ID, recorded_trace
from tests.strategies import viewer_spans

TIMES = "\N{MULTIPLICATION SIGN}"
DRAWINGS = Path(__file__).parent / "drawings"


def drawn(renderable: RenderableType, *, width: int = 100, colours: bool = False) -> str:
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colours,
        color_system="standard" if colours else None,
        legacy_windows=False,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(renderable)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def span(span_id: str, parent: str = "", *, start: int = 0, ms: int = 10, name: str = "ExecSync") -> Span:
    return Span("t", span_id, parent, name, "kubelet", start * MS, (start + ms) * MS)


@pytest.mark.parametrize("scenario", ["single", "noimage"])
def test_a_recorded_pod_start_looks_as_agreed(scenario: str) -> None:
    picture = drawn(trace_tree(recorded_trace(scenario), timezone=dt.UTC))

    assert picture == (DRAWINGS / f"{scenario}.txt").read_text()


@given(viewer_spans(), st.integers(1, 200), st.booleans())
def test_whatever_the_spans_the_drawing_fits_and_holds_no_control_character(
    spans: list[Span], width: int, details: bool
) -> None:
    picture = drawn(trace_tree(spans, attributes=details, events=details, timezone=dt.UTC), width=width)

    assert all(letter.isprintable() or letter == "\n" for letter in picture)
    if width >= 60:
        assert all(cell_len(line) <= width for line in picture.splitlines())


@given(viewer_spans())
def test_without_folding_every_span_has_its_line(spans: list[Span]) -> None:
    picture = drawn(trace_tree(spans, fold=False, timezone=dt.UTC))

    assert sum(line.rstrip(" ▏▎▍▌▋▊▉█▐▕●").endswith((" µs", " ms", " s")) for line in picture.splitlines()[3:]) == len(
        spans
    )


def test_no_spans_are_said_to_be_none() -> None:
    assert drawn(trace_tree([])) == "no spans\n"


def test_self_times_and_the_critical_path_stand_beside_the_durations() -> None:
    whole, waited, beside = span("root", ms=100, name="syncPod"), span("a", "root", ms=90), span("b", "root", ms=20)
    wide = drawn(trace_tree([whole, waited, replace(beside, name="Status")])).splitlines()

    assert wide[2].split() == ["DURATION", "SELF"]
    assert wide[3].split()[:7] == ["syncPod", "kubelet", "100.0", "ms", "10.0", "ms", "●"]
    assert [("●" in line) for line in wide[4:]] == ["ExecSync" in line for line in wide[4:]]
    assert "SELF" not in drawn(trace_tree([whole]), width=70)


def test_repeats_are_folded_with_what_is_beneath_them() -> None:
    probes = [span(f"p{n}", "root", start=n) for n in range(28)]
    inner = [span(f"i{n}", f"p{n}", start=n, ms=1, name="runc.exec") for n in range(28)]
    picture = drawn(trace_tree([span("root", ms=100, name="syncPod"), *probes, *inner]))

    assert f"└─ 28 {TIMES} ExecSync      280.0 ms" in picture
    assert f"   └─ 28 {TIMES} runc.exec   28.0 ms" in picture
    assert "57 spans" in picture
    assert len(picture.splitlines()) == 6


def test_a_repeat_with_an_error_is_not_folded_away() -> None:
    probes = [span(f"p{n}", "root", start=n) for n in range(5)]
    failed = [replace(one, error=True, status_message="exit 1") for one in probes]

    assert drawn(trace_tree([span("root", name="syncPod"), *failed])).count("✗ ExecSync") == 5


def test_errors_are_red_with_their_text_beneath() -> None:
    picture = drawn(trace_tree(recorded_trace("noimage")), colours=True)

    assert "\x1b[1;31m✗ \x1b[0m\x1b[1;31msyncPod" in picture
    assert '\x1b[31mfailed to "StartContainer" for "app"' in picture


def test_the_kubelet_and_the_runtime_have_two_colours() -> None:
    picture = drawn(trace_tree(recorded_trace("single")), colours=True)

    assert "\x1b[36m■ kubelet\x1b[0m" in picture
    assert "\x1b[35m■ containerd\x1b[0m" in picture
    assert "\x1b[36mruntime.v1.RuntimeService/RunPodSandbox" in picture
    assert "\x1b[35mruntime.v1.RuntimeService/RunPodSandbox" in picture


def test_attributes_events_and_links_are_written_on_demand() -> None:
    one = Span(
        "t", "a", "", "syncPod", "kubelet", START_NS, START_NS + 10 * MS,
        attributes={"k8s.pod.name": "web", "count": 7, "list": ["a", True]},
        events=[Event("exception", START_NS + 3 * MS, {"exception.type": "aggregate"})],
        links=[Link("b" * 32, "c" * 16)],
        resource={"service.name": "kubelet", "host.name": "vm"},
    )  # fmt: skip

    plain = drawn(trace_tree([one]))
    assert "k8s.pod.name" not in plain
    assert "exception" not in plain
    with_attributes = drawn(trace_tree([one], attributes=True))
    for line in ("k8s.pod.name=web", "count=7", "list=[a, true]"):
        assert line in with_attributes
    assert "kubelet: service.name=kubelet host.name=vm" in with_attributes
    with_events = drawn(trace_tree([one], events=True))
    assert "@ 3.0 ms exception exception.type=aggregate" in with_events
    assert f"→ trace {'b' * 32} span {'c' * 16}" in with_events


def test_an_orphan_says_that_its_parent_is_not_here() -> None:
    assert "ExecSync kubelet (parent not here)" in drawn(trace_tree([span("a", "gone")]))


def test_markup_and_escapes_in_names_are_only_text() -> None:
    picture = drawn(trace_tree([span("a", name="[red]x[/red]\x1b[31m\u202e:smile:")]), colours=True)

    assert "[red]x[/red]\\x1b[31m\\u202e:smile:" in picture


def test_a_list_has_a_line_a_trace() -> None:
    traces = [
        TraceSummary(TRACE_ID, "syncPod", "kubelet", START_NS, START_NS + 174 * MS, 34, 0, ["containerd", "kubelet"]),
        TraceSummary("cd" * 16, "", "", START_NS, START_NS + 1, 1, 1, ["containerd"]),
    ]
    picture = drawn(trace_table(traces, timezone=dt.UTC), width=200)

    assert [" ".join(line.split()) for line in picture.splitlines()] == [
        "TRACE ID STARTED ROOT SERVICES SPANS ERRORS DURATION",
        "abababababababab 2023-11-14 22:13:20.000 syncPod containerd, kubelet 34 0 174.0 ms",
        "cdcdcdcdcdcdcdcd 2023-11-14 22:13:20.000 (root not here) containerd 1 1 0 µs",
    ]


def test_a_narrow_list_goes_without_columns_and_cuts_names_but_no_numbers() -> None:
    name = "runtime.v1.RuntimeService/RunPodSandbox"
    traces = [TraceSummary(TRACE_ID, name, "kubelet", START_NS, START_NS + 174 * MS, 34, 0, ["containerd", "kubelet"])]

    def lines(width: int) -> list[str]:
        picture = drawn(trace_table(traces, timezone=dt.UTC), width=width)
        return [" ".join(line.split()) for line in picture.splitlines()]

    assert lines(110)[0] == "TRACE ID STARTED ROOT SPANS ERRORS DURATION"
    assert lines(80)[0] == "TRACE ID ROOT SPANS DURATION"
    assert lines(50) == ["TRACE ID ROOT DURATION", "abababababababab runtime.v1.RuntimeSer… 174.0 ms"]


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 µs"),
        (85_400, "85 µs"),
        (999_499, "999 µs"),
        (999_500, "1.0 ms"),
        (1_000_000, "1.0 ms"),
        (174_270_000, "174.3 ms"),
        (999_949_999, "999.9 ms"),
        (999_950_000, "1.00 s"),
        (75_000_000_000, "75.00 s"),
    ],
)
def test_durations_have_a_unit_that_suits_them(nanoseconds: int, text: str) -> None:
    assert format_duration(nanoseconds) == text


def test_times_are_shown_to_the_millisecond_in_a_time_zone() -> None:
    assert format_time(START_NS + 7 * MS, dt.UTC) == "2023-11-14 22:13:20.007"
    assert format_time(START_NS, dt.timezone(dt.timedelta(hours=2))) == "2023-11-15 00:13:20.000"
    assert format_time(2**63 - 1, dt.UTC) == "2262-04-11 23:47:16.854"


@given(st.text())
def test_visible_text_is_printable_and_printable_text_is_untouched(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(visible(text)) == visible(text)
