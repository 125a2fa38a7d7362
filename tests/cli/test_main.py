"""The command as a shell sees it: exit codes, and what goes to which stream."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from kubeletsim.cli import main as command
from kubeletsim.model.errors import ConfigError, Fault, StartupError


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kubeletsim", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_the_version_is_the_packages() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"kubeletsim {version('kubeletsim')}\n", "")


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(f"\n  {name} " in done.stdout for name in ("demo", "run", "config", "traces"))


@pytest.mark.parametrize(
    "arguments",
    [["nosuch"], ["--nosuch"], ["config", "nosuch"], ["config", "check"], ["demo", "--nosuch"], ["run", "--nosuch"]],
    ids=" ".join,
)
def test_wrong_arguments_end_with_2_and_say_why_on_stderr(arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert arguments[-1].strip("-") in done.stderr or "Missing argument" in done.stderr


def test_run_takes_the_kubelets_help_for_its_own() -> None:
    done = run("run", "--help")
    assert done.returncode == 0
    assert "--container-runtime-endpoint" in done.stdout


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (
            ConfigError([Fault("port", 0, "must be between 1 and 65535"), Fault("maxPods", -1, "must be positive")]),
            2,
            "kubeletsim: port: 0: must be between 1 and 65535\nkubeletsim: maxPods: -1: must be positive\n",
        ),
        (StartupError("it ended\nwith two lines"), 1, "kubeletsim: it ended\nkubeletsim: with two lines\n"),
    ],
    ids=["configuration", "failure"],
)
def test_an_expected_failure_is_lines_and_a_code(
    error: Exception, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(command, "app", fail)

    with pytest.raises(SystemExit) as ended:
        command.main()

    assert ended.value.code == code
    assert capsys.readouterr().err == said


def test_a_reader_that_goes_away_gets_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "kubeletsim", "config", "schema"], stdout=gone, stderr=subprocess.PIPE, check=False
        )
    assert (done.returncode, done.stderr) == (1, b"")
