import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest
import yaml

from kubeletsim.cli.main import main

SAMPLE = Path(__file__).parents[2] / "config" / "kubelet.yaml"
HEAD = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Do what the command does, in this process: starting one takes longer than all else here."""
    command = ["kubeletsim", "config", *map(str, arguments)]
    code, out, err = 0, io.StringIO(), io.StringIO()
    environ = mock.patch.dict(os.environ, {"COLUMNS": "200"})
    with mock.patch.object(sys, "argv", command), environ, redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


def test_the_sample_passes_the_check() -> None:
    done = run("check", SAMPLE)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{SAMPLE}: nothing wrong\n", "")


def test_a_check_names_every_fault_one_a_line_and_ends_with_two(tmp_path: Path) -> None:
    file = tmp_path / "kubelet.yaml"
    file.write_text(HEAD + "nope: 1\nmaxPods: many\n")
    done = run("check", file, "--port=70000")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"{file}:3: nope: no such field",
        f'{file}:4: maxPods: "many": must be a whole number',
        "--port: 70000: must be between 1 and 65535",
    ]


def test_a_check_notes_what_a_node_without_an_api_server_refuses(tmp_path: Path) -> None:
    file = tmp_path / "kubelet.yaml"
    file.write_text(HEAD)

    alone, joined = run("check", file), run("check", file, "--kubeconfig=/etc/kubernetes/kubelet.conf")

    assert (alone.returncode, alone.stdout) == (0, f"{file}: nothing wrong\n")
    assert alone.stderr.splitlines() == [
        (
            f"note: {file}: authentication.webhook.enabled: true: must be false without --kubeconfig: "
            "there is no API server to ask about tokens"
        ),
        (
            f'note: {file}: authorization.mode: "Webhook": must be AlwaysAllow without --kubeconfig: '
            "there is no API server to ask for permission"
        ),
    ]
    assert (joined.returncode, joined.stdout, joined.stderr) == (0, f"{file}: nothing wrong\n", "")


@pytest.mark.parametrize("command", ["check", "show"])
@pytest.mark.parametrize("case", ["missing", "directory", "not YAML", "empty", "another kind", "unknown flag"])
def test_what_cannot_be_used_gets_a_line_and_no_traceback(tmp_path: Path, command: str, case: str) -> None:
    file = tmp_path / "kubelet.yaml"
    texts = {"not YAML": "a: [", "empty": "", "another kind": "apiVersion: v1\nkind: Pod\n", "unknown flag": HEAD}
    if case in texts:
        file.write_text(texts[case])
    done = run(command, tmp_path if case == "directory" else file, *(["--nope"] if case == "unknown flag" else []))
    assert done.returncode == 2
    assert 1 <= len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_show_prints_what_is_in_force(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.conf").write_text(HEAD + "maxPods: 7\nnope: 1\n")
    done = run("show", SAMPLE, "--config-dir", tmp_path / "d", "--port", "1234", "--feature-gates=EventedPLEG=true")
    assert done.returncode == 0
    assert done.stderr == f"warning: {tmp_path}/d/a.conf:4: nope: no such field\n"
    shown = yaml.safe_load(done.stdout)
    assert (shown["maxPods"], shown["port"], shown["featureGates"]) == (7, 1234, {"EventedPLEG": True})


def test_show_prints_as_configz_does() -> None:
    done = run("show", SAMPLE, "--configz")
    assert json.loads(done.stdout)["kubeletconfig"]["tracing"]["samplingRatePerMillion"] == 1_000_000


def test_the_schema_is_printed_or_written(tmp_path: Path) -> None:
    printed = run("schema")
    assert json.loads(printed.stdout)["title"] == "KubeletConfiguration"
    file = tmp_path / "schema.json"
    assert run("schema", file).returncode == 0
    assert file.read_text() == printed.stdout
    failed = run("schema", tmp_path / "no" / "schema.json")
    assert failed.returncode == 2
    assert "must be a file that can be written: No such file or directory" in failed.stderr


def test_importing_the_command_brings_in_neither_pydantic_nor_yaml() -> None:
    program = "import sys, kubeletsim.cli.config; print({'pydantic', 'yaml'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
