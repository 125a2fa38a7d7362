"""What a user gets wrong is answered by a clear line and the right exit code, never by a traceback."""

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.sleepers import pod
from tests.lab import Lab, Program


def refused(lab: Lab, program: Program, code: int) -> str:
    """Wait for a program to give up; return what it said, which must be short and free of tracebacks."""
    lab.wait(lambda: program.process.poll() is not None, what=f"{program.name} gives up")
    said = program.output()
    assert program.process.returncode == code, said
    assert "Traceback" not in said
    return said


def kubelet(lab: Lab, *flags: str, **overrides: Any) -> Program:
    """Start a kubelet without waiting for its health."""
    return lab.spawn("kubelet", *lab.kubelet_command(lab.configuration(**overrides)), *flags)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"tracing": {"samplingRatePerMillion": 1_000_001}}, "tracing.samplingRatePerMillion"),
        ({"syncFrequency": "one minute"}, "syncFrequency"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_configuration_names_the_field_and_ends_with_2(
    lab: Lab, overrides: dict[str, Any], expected: str
) -> None:
    assert expected in refused(lab, kubelet(lab, **overrides), 2)


def test_a_missing_configuration_file_ends_with_2(lab: Lab) -> None:
    missing = lab.root / "no-such.yaml"

    program = lab.spawn("kubelet", "kubeletsim", "run", "--config", str(missing))

    assert str(missing) in refused(lab, program, 2)


def test_a_runtime_socket_that_nobody_serves_ends_with_1(lab: Lab) -> None:
    said = refused(lab, kubelet(lab), 1)

    assert str(lab.socket) in said


def test_webhook_authentication_without_an_api_server_is_refused_at_start(lab: Lab) -> None:
    lab.start_stub("--latency", "none")

    said = refused(lab, kubelet(lab, authentication={"webhook": {"enabled": True}}), 1)

    assert "no client provided, cannot use webhook" in said


def test_a_port_in_use_is_named_and_ends_with_1(lab: Lab) -> None:
    lab.start_stub("--latency", "none")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]

        said = refused(lab, kubelet(lab, readOnlyPort=number), 1)

    assert str(number) in said
    assert "readOnlyPort" in said


def test_a_corrupt_manifest_is_named_once_and_the_others_run(lab: Lab) -> None:
    (lab.root / "manifests" / "broken.yaml").write_text("apiVersion: v1\nkind: Pod\nspec: [\n")
    (lab.root / "manifests" / "wrong.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: UPPER}\nspec: {}\n")
    (lab.root / "manifests" / "deep.yaml").write_text("[" * 1_000_000)
    lab.apply(pod("good", "a"))
    lab.start_stub("--latency", "none")
    agent = lab.start_kubelet()

    lab.wait(lambda: lab.phase("good") == "Running", what="the good pod runs")

    said = agent.output()
    assert [said.count(f"{name}.yaml: ") for name in ("broken", "wrong", "deep")] == [1, 1, 1]
    assert "Traceback" not in said
    assert len(lab.pods()) == 1


@pytest.mark.parametrize(
    "command",
    [
        lambda lab: ["runtime_stub", "--listen", "ftp://nowhere"],
        lambda lab: ["runtime_stub", "--listen", f"unix://{lab.socket}", "--profile", "rkt"],
        lambda lab: ["kubeletsim", "run", "--config", str(lab.root), "--node-ip", "not-an-address"],
        lambda lab: ["kubeletsim", "traces", "collect", "--grpc", "nowhere", "--db", str(lab.database)],
    ],
    ids=["scheme", "profile", "directory", "address"],
)
def test_wrong_arguments_end_with_2(lab: Lab, command: Callable[[Lab], list[str]]) -> None:
    refused(lab, lab.spawn("program", *command(lab)), 2)


def test_a_second_stub_on_a_live_socket_is_refused(lab: Lab) -> None:
    lab.start_stub("--latency", "none")

    second = lab.spawn("second", "runtime_stub", "--listen", f"unix://{lab.socket}")

    assert str(lab.socket) in refused(lab, second, 1)
