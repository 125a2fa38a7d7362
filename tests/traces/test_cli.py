"""Claims about `kubeletsim traces`: what it prints, and what it says when something is wrong."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from click.testing import Result
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from typer.testing import CliRunner

from kubeletsim.cli.traces import app
from kubeletsim.model.errors import ConfigError, KubeletSimError, StartupError
from kubeletsim.traces.otlp import to_json
from kubeletsim.traces.store import TraceStore
from tests.fakes.traces import resource_spans, span_message

ONE = 0xAAAA << 112
TWO = 0xBBBB << 112


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "traces.db"
    with TraceStore.create(path) as store:
        store.add([
            resource_spans(span_message("syncPod", trace=ONE, ms=50, k8s__pod__name="web")),
            resource_spans(span_message("RunPodSandbox", trace=ONE, span=2, parent=1, ms=20), service="containerd"),
            resource_spans(span_message("Images/GarbageCollect", trace=TWO, start_ms=100, ms=5, error="no")),
        ])  # fmt: skip
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def output(*arguments: str | Path) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.exception
    return result.stdout


def error(kind: type[KubeletSimError], *arguments: str | Path) -> str:
    result = run(*arguments)
    assert type(result.exception) is kind
    assert "\n" not in str(result.exception)
    return str(result.exception)


def test_ls_prints_a_table_with_the_newest_first(database: Path) -> None:
    lines = output("ls", "--db", database).splitlines()

    assert lines[0].split() == ["TRACE", "ID", "STARTED", "ROOT", "SERVICES", "SPANS", "ERRORS", "DURATION"]
    assert lines[1].startswith("bbbb000000000000  ")
    assert "Images/GarbageCollect" in lines[1]
    assert "containerd, kubelet" in lines[2]


def test_ls_prints_json(database: Path) -> None:
    [garbage, sync] = json.loads(output("ls", "--db", database, "-o", "json"))

    assert garbage["errors"] == 1
    assert (
        sync.items()
        >= {
            "traceId": "aaaa" + "0" * 28,
            "rootName": "syncPod",
            "rootService": "kubelet",
            "services": ["containerd", "kubelet"],
            "startTimeUnixNano": "1700000000000000000",
            "durationNano": 50_000_000,
            "spans": 2,
            "errors": 0,
        }.items()
    )


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--service", "containerd"], ["syncPod"]),
        (["--root-name", "Images/*"], ["Images/GarbageCollect"]),
        (["--operation", "RunPodSandbox"], ["syncPod"]),
        (["--attribute", "k8s.pod.name=w*", "--attribute", "service.name=kubelet"], ["syncPod"]),
        (["--error"], ["Images/GarbageCollect"]),
        (["--min-duration", "20ms"], ["syncPod"]),
        (["--since", "10m"], []),
        (["--since", "20000d"], ["Images/GarbageCollect", "syncPod"]),
        (["--limit", "1"], ["Images/GarbageCollect"]),
        (["service:containerd"], ["syncPod"]),
        (["service:kubelet", "k8s.pod.name=w*"], ["syncPod"]),
        (["root:Images/* error"], ["Images/GarbageCollect"]),
        (["duration>5ms"], ["syncPod"]),
        (["limit:1"], ["Images/GarbageCollect"]),
        (["service:kubelet", "--error"], ["Images/GarbageCollect"]),
    ],
)
def test_ls_filters(database: Path, options: list[str], names: list[str]) -> None:
    found = json.loads(output("ls", "--db", database, "-o", "json", *options))

    assert [trace["rootName"] for trace in found] == names


def test_an_empty_list_says_so_on_stderr(database: Path) -> None:
    result = run("ls", "--db", database, "--service", "nobody")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "no trace matches\n")


@pytest.mark.parametrize("which", ["aaaa", "AAAA" + "0" * 28, "latest"])
def test_show_draws_the_trace_that_is_meant(database: Path, which: str) -> None:
    options = ["--root-name", "syncPod"] if which == "latest" else []
    lines = output("show", which, "--db", database, "-a", *options).splitlines()

    assert lines[0].startswith("trace aaaa" + "0" * 28)
    assert any(line.startswith("syncPod kubelet") for line in lines)
    assert any(line.startswith("└─ RunPodSandbox containerd") for line in lines)
    assert any("k8s.pod.name=web" in line for line in lines)


@pytest.mark.parametrize("words", [["root:syncPod"], ["latest", "root:syncPod"], ["k8s.pod.name=web"]])
def test_show_takes_a_query(database: Path, words: list[str]) -> None:
    assert output("show", *words, "--db", database).startswith("trace aaaa")


def test_show_prints_json_with_self_times_and_the_critical_path(database: Path) -> None:
    document = json.loads(output("show", "aaaa", "--db", database, "-o", "json"))

    assert [(span["name"], span["selfNano"], span["onCriticalPath"]) for span in document["spans"]] == [
        ("syncPod", 30_000_000, True),
        ("RunPodSandbox", 20_000_000, True),
    ]
    assert [segment["duration"] for segment in document["criticalPath"]] == [20_000_000, 30_000_000]


def test_a_query_that_cannot_be_read_is_pointed_at(database: Path) -> None:
    for command in ("ls", "show", "export", "stats", "tail"):
        result = run(command, "--db", database, "error", "duratoin>5ms")

        assert isinstance(result.exception, ConfigError)
        assert str(result.exception).startswith("query: column 7: no field 'duratoin'; want service:")
        assert str(result.exception).splitlines()[1:] == ["  error duratoin>5ms", "        ^"]


def test_show_without_an_argument_draws_the_latest(database: Path) -> None:
    assert output("show", "--db", database).startswith("trace bbbb")


def test_export_prints_otlp_json_lines(database: Path) -> None:
    lines = output("export", "--db", database, "--format", "otlp-json").splitlines()
    names = [json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for line in lines]

    assert names == ["syncPod", "Images/GarbageCollect"]
    assert len(output("export", "--db", database, "--error").splitlines()) == 1


@pytest.mark.parametrize("output_format", ["otlp-json", "jaeger"])
def test_what_was_exported_can_be_imported(database: Path, tmp_path: Path, output_format: str) -> None:
    path, again = tmp_path / "traces.json", tmp_path / "again.db"
    path.write_text(output("export", "--db", database, "--format", output_format))

    assert output("import", path, "--db", again) == f"{path}: 3 spans stored\n"
    assert output("import", path, "--db", again) == f"{path}: 0 spans stored, 3 were there already\n"
    assert output("ls", "--db", again) == output("ls", "--db", database)
    assert output("diff", "aaaa", "aaaa", "--db", again).startswith("2 spans, same structure")


def test_import_reads_stdin_and_names_what_it_cannot_read(database: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.db"
    lines = output("export", "--db", database)
    result = CliRunner().invoke(app, ["import", "--db", str(again)], input=lines + "oops\n")

    assert result.stdout == "-: 3 spans stored\n"
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith("-: line 3: not JSON")
    assert "none.json: cannot be read: No such file" in error(ConfigError, "import", tmp_path / "none.json")


@pytest.mark.parametrize("output_format", ["chrome", "zipkin"])
def test_export_prints_documents_of_other_tools(database: Path, output_format: str) -> None:
    document = json.loads(output("export", "root:syncPod", "--db", database, "--format", output_format))

    assert "RunPodSandbox" in json.dumps(document)
    assert "GarbageCollect" not in json.dumps(document)


@pytest.mark.parametrize("command", ["ls", "show", "export"])
def test_a_store_that_is_missing_or_none_is_a_bad_argument(tmp_path: Path, command: str) -> None:
    (tmp_path / "notes.txt").write_text("hello")

    assert "--db: " in error(ConfigError, command, "--db", tmp_path / "none.db")
    assert "notes.txt: not a trace store" in error(ConfigError, command, "--db", tmp_path / "notes.txt")


def test_a_damaged_store_is_a_failure(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    database.write_bytes(content)

    assert error(KubeletSimError, "ls", "--db", database).startswith(f"{database}: ")


def test_every_bad_filter_is_named_at_once(database: Path) -> None:
    result = run("ls", "--db", database, "--since", "soon", "--min-duration", "-1s", "--attribute", "x")

    assert isinstance(result.exception, ConfigError)
    assert [fault.path for fault in result.exception.faults] == ["--since", "--attribute", "--min-duration"]


def test_an_unknown_or_ambiguous_trace_is_a_failure(database: Path) -> None:
    with TraceStore.create(database) as store:
        store.add([resource_spans(span_message(trace=ONE + 1))])

    assert "no trace begins with 'cccc'" in error(KubeletSimError, "show", "cccc", "--db", database)
    assert "no trace begins with 'no-id'" in error(KubeletSimError, "show", "no-id", "--db", database)
    assert "'aaaa' is the beginning of several traces: aaaa" in error(KubeletSimError, "show", "aaaa", "--db", database)
    assert "no trace matches" in error(KubeletSimError, "show", "--service", "nobody", "--db", database)


@pytest.mark.parametrize("address", ["4317", "host:port", "127.0.0.1:70000", "127.0.0.1:"])
def test_collect_wants_a_host_and_a_port(tmp_path: Path, address: str) -> None:
    said = error(ConfigError, "collect", "--grpc", address, "--db", tmp_path / "traces.db")

    assert said == f"--grpc: {address!r}: must be HOST:PORT with a port from 0 to 65535"


def test_collect_wants_a_host_and_a_port_to_forward_to(tmp_path: Path) -> None:
    said = error(ConfigError, "collect", "--forward", "elsewhere", "--db", tmp_path / "traces.db")

    assert said == "--forward: 'elsewhere': must be HOST:PORT with a port from 0 to 65535"


def test_collect_names_everything_about_forwarding_that_it_cannot_use(tmp_path: Path) -> None:
    options = [
        "--forward",
        "localhost:1",
        "--forward-ca",
        "/none",
        "--forward-header",
        "a",
        "--forward-header",
        "grpc-a=b",
    ]
    result = run("collect", *options, "--db", tmp_path / "traces.db")

    assert isinstance(result.exception, ConfigError)
    assert [str(fault) for fault in result.exception.faults] == [
        "--forward-header: 'a': must be name=value, such as authorization=…, in ASCII",
        "--forward-header: 'grpc-a': must be name=value, such as authorization=…, in ASCII",
        "--forward-ca: /none: cannot be read: No such file or directory",
        "--forward-ca: is for --forward https://HOST:PORT",
    ]


def test_collect_names_every_limit_it_cannot_read(tmp_path: Path) -> None:
    result = run("collect", "--max-age", "old", "--max-bytes", "big", "--db", tmp_path / "t.db")

    assert isinstance(result.exception, ConfigError)
    assert [str(fault) for fault in result.exception.faults] == [
        "--max-age: 'old': must be a duration such as 12h or 7d",
        "--max-bytes: 'big': must be a size such as 500MB or 2GiB",
    ]


def test_collect_names_a_port_in_use_and_a_store_it_cannot_make(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = error(StartupError, "collect", "--grpc", address, "--http", "127.0.0.1:0", "--db", tmp_path / "t.db")
        assert said == f"cannot listen on {address} for OTLP gRPC: Address already in use"

    said = error(ConfigError, "collect", "--db", tmp_path / "no" / "t.db")
    assert f"there is no directory {tmp_path / 'no'}" in said


@contextmanager
def collecting(database: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Run `collect` on free ports; yields the process, the gRPC address and the HTTP URL."""
    program = [sys.executable, "-c", "from kubeletsim.cli.traces import app; app()"]
    process = subprocess.Popen(
        [*program, "collect", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ui", "off", "--db", str(database)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    with process.stdout:
        try:
            lines = [process.stdout.readline().split() for _ in range(3)]
            assert lines[2] == ["store", str(database)], lines
            yield process, lines[0][-1], lines[1][-1]
            rest = process.stdout.read()
            assert rest == ""
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_collect_stores_everything_it_acknowledged_and_ends_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    database = tmp_path / "traces.db"
    with collecting(database) as (process, target, url):
        with grpc.insecure_channel(target) as channel:
            export = TraceServiceStub(channel).Export  # type: ignore[no-untyped-call]
            for trace in range(1, 21):
                export(ExportTraceServiceRequest(resource_spans=[resource_spans(span_message(trace=trace))]))
        body = to_json([resource_spans(span_message(trace=21))]).encode()
        sent = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(sent, timeout=60) as answer:
            assert answer.status == 200
        assert len(json.loads(output("ls", "--db", database, "-o", "json", "--limit", "100"))) == 21
        process.send_signal(number)
        assert process.wait(60) == 0

    assert [path.name for path in tmp_path.iterdir()] == ["traces.db"]  # the file is whole by itself
    assert len(output("export", "--db", database).splitlines()) == 21


def test_what_collect_acknowledged_survives_kill_minus_nine(tmp_path: Path) -> None:
    database = tmp_path / "traces.db"
    with collecting(database) as (process, target, _), grpc.insecure_channel(target) as channel:
        export = TraceServiceStub(channel).Export  # type: ignore[no-untyped-call]
        for trace in range(1, 51):
            export(ExportTraceServiceRequest(resource_spans=[resource_spans(span_message(trace=trace))]))
        process.kill()
        process.wait()

    assert len(output("export", "--db", database).splitlines()) == 50


def test_collect_on_a_terminal_prints_a_line_for_each_root(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    program = [sys.executable, "-c", "from kubeletsim.cli.traces import app; app()"]
    options = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ui", "off", "--db", str(tmp_path / "t.db")]
    process = subprocess.Popen([*program, "collect", *options], stdout=theirs, stderr=subprocess.STDOUT)
    os.close(theirs)
    with open(ours, encoding="utf-8") as terminal:  # noqa: PTH123  a descriptor, not a path
        target, *_ = [terminal.readline().split()[-1] for _ in range(3)]
        with grpc.insecure_channel(target) as channel:
            message = resource_spans(
                span_message("sync\x1bPod", trace=ONE, error="no"), span_message("child", trace=ONE, span=2, parent=1)
            )
            TraceServiceStub(channel).Export(  # type: ignore[no-untyped-call]
                ExportTraceServiceRequest(resource_spans=[message])
            )
        assert terminal.readline().split() == ["aaaa" + "0" * 28, "10.0", "ms", "kubelet", "sync\\x1bPod", "✗"]
        process.terminate()
        assert process.wait(60) == 0
