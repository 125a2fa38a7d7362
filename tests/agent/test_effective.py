"""Reading the configuration in a child gives values or an exit code, and leaves nothing behind."""

from pathlib import Path

import pytest

from kubeletsim.agent.effective import Effective, begin_reading
from kubeletsim.config.kubelet_flags import KubeletFlags

STANDALONE = """
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
syncFrequency: 10s
unheardOf: 1
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kubelet.yaml"
    path.write_text(STANDALONE)
    return path


def test_the_child_hands_back_configuration_flags_and_warnings(file: Path) -> None:
    effective = begin_reading(["--config", str(file), "--hostname-override=one", "--max-pods", "7"]).wait()

    assert isinstance(effective, Effective)
    assert (effective.config.syncFrequency.seconds, effective.config.maxPods) == (10, 7)
    assert effective.configz["syncFrequency"] == "10s"
    assert effective.configz["kind"] == "KubeletConfiguration"
    assert effective.flags == KubeletFlags(config=file, hostname_override="one")
    assert any("unheardOf" in warning for warning in effective.warnings)


def test_a_fault_is_said_by_the_child_and_becomes_exit_code_2(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file.write_text(STANDALONE + "maxPods: -1\n")

    assert begin_reading(["--config", str(file)]).wait() == 2
    said = capfd.readouterr().err
    assert said.startswith("kubeletsim: ")
    assert "maxPods" in said


def test_an_unknown_flag_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    assert begin_reading(["--no-such-flag", "1"]).wait() == 2
    assert "--no-such-flag" in capfd.readouterr().err


def test_an_api_server_is_refused_until_there_is_a_client_for_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert begin_reading(["--kubeconfig", "/etc/kubernetes/kubelet.conf"]).wait() == 2
    assert "--kubeconfig" in capfd.readouterr().err
