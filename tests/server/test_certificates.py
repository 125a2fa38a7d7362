"""The self-signed pair is made once, and the daemon stays small."""

import stat
import subprocess
import sys

import pytest
from cryptography import x509

from kubeletsim.model.errors import StartupError
from kubeletsim.server.certificates import ensure_serving_pair
from kubeletsim.server.tls import TLSSettings
from tests.server.lab import trusting


async def test_a_missing_pair_is_made_and_an_existing_one_used_again(tmp_path):
    directory = tmp_path / "lib" / "pki"
    pair = await ensure_serving_pair(directory, host="node-1")
    content = pair.cert_file.read_bytes(), pair.key_file.read_bytes()
    again = await ensure_serving_pair(directory, host="other")

    assert again == pair
    assert (pair.cert_file.read_bytes(), pair.key_file.read_bytes()) == content
    assert sorted(path.name for path in directory.iterdir()) == ["kubelet.crt", "kubelet.key"]
    assert stat.S_IMODE(pair.key_file.stat().st_mode) == 0o600


@pytest.mark.parametrize("left", ["kubelet.crt", "kubelet.key"])
async def test_half_a_pair_is_an_error_and_is_not_overwritten(tmp_path, left):
    (tmp_path / left).write_text("precious")
    with pytest.raises(StartupError, match=f"^--cert-dir: {tmp_path}: there is {left} but no ") as caught:
        await ensure_serving_pair(tmp_path, host="node-1")

    assert "\n" not in str(caught.value)
    assert (tmp_path / left).read_text() == "precious"


async def test_a_directory_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match=r"cannot make a serving certificate: .+") as caught:
        await ensure_serving_pair(tmp_path / "file" / "pki", host="node-1")

    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


async def test_a_server_without_configured_files_serves_the_self_signed_pair(host):
    async with host.serve(host.settings(tls=TLSSettings())) as client:
        answer = await client.ask("/healthz")

    assert answer.text == "ok"
    served = x509.load_pem_x509_certificates((host.directory / "pki" / "kubelet.crt").read_bytes())
    assert served[0].subject.rfc4514_string().startswith("CN=node-1@")
    assert trusting() is not None


async def test_garbage_in_the_certificate_directory_is_named_as_such(host):
    directory = host.directory / "pki"
    directory.mkdir()
    for name in ("kubelet.crt", "kubelet.key"):
        (directory / name).write_text("garbage")
    with pytest.raises(StartupError, match=r"^--cert-dir: .*kubelet\.crt: does not contain a PEM certificate"):
        async with host.serve(host.settings(tls=TLSSettings())):
            pass


def test_cryptography_never_becomes_part_of_the_daemon():
    program = "import sys, kubeletsim.server.app; print(sorted(m for m in sys.modules if m.startswith('cryptography')))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert said.stdout.strip() == "[]"
