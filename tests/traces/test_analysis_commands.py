"""Claims about `stats`, `diff` and `tail`: what they print, and with which exit code they end."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from kubeletsim.cli.traces import app
from kubeletsim.model.errors import ConfigError, KubeletSimError
from kubeletsim.traces.store import TraceStore
from tests.fakes.traces import MS, recorded_trace, resource_spans, span_message

GOLDEN = Path(__file__).parents[1] / "golden"
SINGLE, TWO, SLOW = 0xA1 << 120, 0xB2 << 120, 0xC3 << 120


def messages(scenario: str, trace: int, *, slower: int = 1) -> list[object]:
    made = []
    for span in recorded_trace(scenario):
        longer = replace(span, end_ns=span.end_ns + span.duration_ns * (slower - 1))
        message = span_message(
            span.name,
            trace=trace,
            span=int(span.span_id, 16),
            parent=int(span.parent_span_id or "0", 16),
            start_ms=(span.start_ns - 1_700_000_000_000_000_000) // MS,
            ms=longer.duration_ns / MS,
            error=span.status_message if span.error else None,
        )
        message.start_time_unix_nano, message.end_time_unix_nano = longer.start_ns, longer.end_ns
        made.append(resource_spans(message, service=span.service))
    return made


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "traces.db"
    with TraceStore.create(path) as store:
        store.add(messages("single", SINGLE))  # type: ignore[arg-type]
        store.add(messages("two", TWO))  # type: ignore[arg-type]
        store.add(messages("single", SLOW, slower=4))  # type: ignore[arg-type]
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_stats_has_a_line_for_each_operation(database: Path) -> None:
    result = run("stats", "--db", database)
    lines = result.stdout.splitlines()

    assert result.exit_code == 0
    assert lines[0].split() == ["SERVICE", "OPERATION", "COUNT", "RATE", "ERRORS", "P50", "P90", "P99", "SELF"]
    [sync] = [line.split() for line in lines if "syncPod" in line]
    assert sync[:3] == ["kubelet", "syncPod", "3"]


def test_stats_obeys_the_query_and_prints_json(database: Path) -> None:
    found = json.loads(run("stats", "--db", database, "-o", "json", "duration<200ms").stdout)
    [sync] = [one for one in found if one["name"] == "syncPod"]

    assert (sync["count"], sync["service"], sync["errors"]) == (1, "kubelet", 0)
    assert sync["p50Nano"] == sync["p99Nano"] == sync["totalNano"] == 174_270_000
    assert run("stats", "--db", database, "root:none").stderr == "no trace matches\n"


def test_traces_of_one_structure_are_equal_and_slower_spans_are_told(database: Path) -> None:
    result = run("diff", "a1", "c3", "--db", database)

    assert result.exit_code == 0
    assert any("syncPod" in line and "slower ×4.0" in line for line in result.stdout.splitlines())  # noqa: RUF001
    assert "34 spans, same structure" in result.stdout
    assert run("diff", "a1", "a1", "--db", database).stdout == "34 spans, same structure, 0 slower or faster\n"
    assert "same structure, 0 slower" in run("diff", "a1", "c3", "--db", database, "--ratio", "5").stdout


def test_another_structure_ends_with_exit_code_1(database: Path) -> None:
    result = run("diff", "a1", "b2", "--db", database)
    added = [line for line in result.stdout.splitlines() if line.startswith("+") and "StartContainer" in line]

    assert result.exit_code == 1
    assert len(added) == 2  # the kubelet's call and the runtime's side of it
    document = json.loads(run("diff", "a1", "b2", "--db", database, "-o", "json").stdout)
    assert document["sameStructure"] is False
    assert len(document["entries"]) > document["structuralChanges"] > 0
    everything = run("diff", "a1", "b2", "--db", database, "--all").stdout.splitlines()
    assert len(everything) == len(document["entries"]) + 2


def test_the_operations_of_two_sets_are_compared(database: Path) -> None:
    slower = run("diff", "duration<200ms", "duration>600ms", "--db", database)
    assert slower.exit_code == 0
    assert any("syncPod" in line and "slower" in line for line in slower.stdout.splitlines())
    assert slower.stdout.splitlines()[-1].split(",")[:2] == ["24 operations", " 0 added or missing"]

    nothing = run("diff", "root:syncPod", "root:none", "--db", database)
    assert nothing.exit_code == 1
    assert sum(line.startswith("-") and line.rstrip().endswith("missing") for line in nothing.stdout.splitlines()) > 10
    same = run("diff", "root:*", "root:sync*", "--db", database, "-o", "json")
    assert (same.exit_code, {entry["change"] for entry in json.loads(same.stdout)}) == (0, {"same"})


def test_a_trace_is_compared_with_a_recording(database: Path) -> None:
    assert run("diff", "a1", "--recording", GOLDEN / "single.json", "--db", database).exit_code == 0
    assert run("diff", "a1", "--recording", GOLDEN / "two.json", "--db", database).exit_code == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), ("{", "not JSON"), ("[]", "roots: want a list"), (b"\xff", "not JSON")],
)
def test_a_recording_that_is_none_is_a_bad_argument(
    database: Path, tmp_path: Path, content: str | bytes | None, said: str
) -> None:
    path = tmp_path / "recording.json"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    result = run("diff", "a1", "--recording", path, "--db", database)

    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)


def test_diff_wants_two_sides_and_a_recording_with_that_root(database: Path, tmp_path: Path) -> None:
    for arguments in (["a1"], ["a1", "b2", "--recording", "x.json"]):
        assert "want two traces" in str(run("diff", *arguments, "--db", database).exception)
    path = tmp_path / "other.json"
    path.write_text('{"roots": [{"name": "other", "service": "s", "ms": 1}]}')
    result = run("diff", "a1", "--recording", path, "--db", database)
    assert type(result.exception) is KubeletSimError
    assert "no root 'syncPod' in this recording; it has other" in str(result.exception)


@pytest.mark.parametrize("output", ["table", "json"])
def test_tail_prints_what_is_there_and_then_what_arrives(database: Path, output: str) -> None:
    heeding = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # background jobs inherit deafness
    )
    program = [sys.executable, "-c", f"{heeding}; from kubeletsim.cli.traces import app; app()"]
    command = [*program, "tail", "-n", "1", "--db", str(database), "-o", output, "root:sync*"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout is not None
    with process.stdout:
        try:
            assert "syncPod" in process.stdout.readline()
            with TraceStore.create(database) as store:
                store.add([resource_spans(span_message("late", trace=7, span=2, parent=1))])
                store.add([resource_spans(span_message("other", trace=8))])
                store.add([resource_spans(span_message("syncLoop", trace=9))])
            line = process.stdout.readline()
            assert "syncLoop" in line
            assert (output == "json") == line.startswith("{")
            process.send_signal(signal.SIGINT)
            assert process.stdout.read() == ""
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
