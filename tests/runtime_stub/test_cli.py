"""The command: flags over file, clear errors, exit codes, quick to load."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from runtime_stub.cli import _parser, main, settings_of
from runtime_stub.config_file import RuntimeStubConfiguration
from runtime_stub.settings import Settings, SettingsError

HEAD = {"apiVersion": "kubeletsim/v1alpha1", "kind": "RuntimeStubConfiguration"}


def settings(*arguments: str) -> Settings:
    return settings_of(_parser().parse_args(arguments))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "runtime_stub", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_without_flags_everything_is_the_default() -> None:
    assert settings() == Settings()


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({**HEAD, "seed": 1, "profile": "crio", "latency": "none"}))

    merged = settings("--config", str(path), "--seed", "2", "--latency", "default")

    assert (merged.seed, merged.profile, merged.latency) == (2, "crio", "default")


def test_every_flag_reaches_its_setting() -> None:
    flags = [
        "--listen", "tcp://127.0.0.1:1", "--profile", "plain", "--root-dir", "/x", "--seed", "3",
        "--otlp-endpoint", "h:1", "--sampling-rate-per-million", "5", "--latency", "none",
    ]  # fmt: skip

    assert settings(*flags) == Settings(
        listen="tcp://127.0.0.1:1",
        profile="plain",
        root_dir="/x",
        seed=3,
        otlp_endpoint="h:1",
        sampling_rate_per_million=5,
        latency="none",
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--profile", "docker"], "--profile: invalid choice: 'docker'"),
        (["--sampling-rate-per-million", "2000000"], "must be between 0 and 1000000"),
        (["--seed", "x"], "--seed: invalid int value: 'x'"),
        (["--nosuch"], "unrecognized arguments: --nosuch"),
        (["--listen", "nowhere"], "listen: nowhere: must be unix:///path"),
    ],
)
def test_a_bad_flag_ends_with_2_and_says_what_is_allowed(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    assert stopped.value.code == 2
    assert text in capsys.readouterr().err


def test_an_unknown_latency_names_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({**HEAD, "latencies": {"task.kil": 1}}))

    with pytest.raises(
        SettingsError,
        match=r"latencies\.task\.kil: no such piece of work in profile containerd; did you mean task\.kill",
    ):
        settings("--config", str(path))


@pytest.mark.e2e
def test_a_bad_file_ends_with_2_and_a_line_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({**HEAD, "seed": "x", "nosuch": 1}))
    done = run("--config", str(path))

    assert done.returncode == 2
    assert sorted(done.stderr.splitlines()) == [
        f"{path}:3: nosuch: no such field; allowed: {', '.join(RuntimeStubConfiguration.model_fields)}",
        f'{path}:4: seed: "x": must be a whole number',
    ]


@pytest.mark.e2e
def test_a_socket_in_use_ends_with_1_and_one_line(directory: Path) -> None:
    path = directory / "cri.sock"
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(path))
        alive.listen()
        done = run("--listen", f"unix://{path}")

    assert done.returncode == 1
    assert done.stderr == f"runtime-stub: {path}: another process is listening there\n"


@pytest.mark.e2e
def test_a_port_in_use_ends_with_1_and_no_traceback(directory: Path) -> None:
    with socket.socket() as alive:
        alive.bind(("127.0.0.1", 0))
        alive.listen()
        done = run("--listen", f"tcp://127.0.0.1:{alive.getsockname()[1]}")

    assert done.returncode == 1
    assert "cannot listen there" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.e2e
def test_a_root_directory_that_cannot_be_made_ends_with_1(directory: Path) -> None:
    (directory / "file").touch()
    done = run("--listen", f"unix://{directory}/s", "--root-dir", f"{directory}/file/below")

    assert done.returncode == 1
    assert f"{directory}/file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.e2e
def test_help_loads_neither_grpc_nor_pydantic() -> None:
    code = "import sys, runtime_stub.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = done.stdout.splitlines()[-1].split()
    assert not {"grpc", "pydantic", "opentelemetry", "asyncio", "google.protobuf"} & set(loaded)
