"""The demo is the first thing anybody runs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.lab import wait_until


@pytest.fixture
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a user without OTEL_* variables, and with a temporary directory of one's own."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return {**inherited, "TMPDIR": str(tmp_path_factory.mktemp("d"))}


def test_the_demo_prints_a_pod_start_and_its_pods_and_leaves_nothing(environ: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kubeletsim", "demo"], env=environ, capture_output=True, text=True, timeout=240
    )

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    call = next(number for number, line in enumerate(lines) if "RuntimeService/RunPodSandbox" in line)
    assert "runtime-stub" in lines[call + 1], "the runtime's span hangs under the kubelet's"
    assert "cri.sandbox.run" in lines[call + 2]
    assert any("web-demo" in line and "2/2" in line for line in lines)
    assert any("ErrImagePull" in line or "ImagePullBackOff" in line for line in lines)
    assert list(Path(environ["TMPDIR"]).iterdir()) == []
    assert not [
        one for one in psutil.process_iter(["cmdline"]) if environ["TMPDIR"] in " ".join(one.info["cmdline"] or [])
    ]


def test_the_demo_on_a_failing_runtime_shows_what_failed(environ: dict[str, str]) -> None:
    faults = Path(__file__).parents[2] / "config" / "runtime-stub-faults.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "kubeletsim", "demo", "--stub-config", str(faults)],
        env=environ, capture_output=True, text=True, timeout=240,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    failed = [line for line in done.stdout.splitlines() if "✗" in line]
    assert any("StartContainer" in line and "runtime-stub" in line for line in failed)
    assert "ttrpc: closed: unknown" in done.stdout


def test_a_program_that_cannot_start_is_named_with_its_last_words(environ: dict[str, str]) -> None:
    # The kubelet refuses to start with a certificate variable that names no file; the others do not mind.
    environ["OTEL_EXPORTER_OTLP_CERTIFICATE"] = "/no/such/file.pem"

    done = subprocess.run(
        [sys.executable, "-m", "kubeletsim", "demo"], env=environ, capture_output=True, text=True, timeout=240
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "/no/such/file.pem" in done.stderr
    assert list(Path(environ["TMPDIR"]).iterdir()) == []


def test_a_demo_that_is_kept_goes_on_until_it_is_interrupted(environ: dict[str, str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "kubeletsim", "demo", "--keep"], env=environ, stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout
        assert any(line.startswith("Logs in ") for line in demo.stdout)
        assert demo.poll() is None

        demo.send_signal(signal.SIGINT)

        assert demo.wait(120) == 0
    assert list(Path(environ["TMPDIR"]).iterdir()) == []


def test_a_demo_interrupted_while_it_starts_says_so_and_leaves_nothing(environ: dict[str, str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "kubeletsim", "demo"], env=environ, stderr=subprocess.PIPE, text=True
    ) as demo:
        logs = Path(environ["TMPDIR"])
        wait_until(lambda: list(logs.glob("*/traces.log")), seconds=30, what="the first program starts")

        demo.send_signal(signal.SIGINT)
        demo.send_signal(signal.SIGINT)

        assert demo.wait(120) == 1
        assert demo.stderr
        assert demo.stderr.read() == "kubeletsim: interrupted before there was anything to show\n"
    assert list(logs.iterdir()) == []
