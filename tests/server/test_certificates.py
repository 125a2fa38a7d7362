"""The self-signed pair: what is in it, that it is made once, and that the daemon stays small."""

import ipaddress
import stat
import subprocess
import sys
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kubeletsim.model.errors import StartupError
from kubeletsim.server.certificates import ensure_self_signed_pair, make_self_signed_pair, write_self_signed_pair
from kubeletsim.server.tls import TLSSettings
from tests.server.lab import trusting


def names(certificate: x509.Certificate) -> tuple[str, str]:
    return tuple(
        name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        for name in (certificate.subject, certificate.issuer)
    )


async def test_a_missing_pair_is_made_and_an_existing_one_used_again(tmp_path):
    directory = tmp_path / "lib" / "pki"
    pair = await ensure_self_signed_pair(directory, host="node-1")
    content = pair.cert_file.read_bytes(), pair.key_file.read_bytes()
    again = await ensure_self_signed_pair(directory, host="other")

    assert again == pair
    assert (pair.cert_file.read_bytes(), pair.key_file.read_bytes()) == content
    assert sorted(path.name for path in directory.iterdir()) == ["kubelet.crt", "kubelet.key"]
    assert stat.S_IMODE(pair.key_file.stat().st_mode) == 0o600


def test_the_certificate_file_holds_a_leaf_for_the_host_and_the_ca_that_signed_it():
    now = time.time()
    cert, key = make_self_signed_pair("node-1", now=now)
    leaf, ca = x509.load_pem_x509_certificates(cert)

    assert names(leaf) == (f"node-1@{int(now)}", f"node-1-ca@{int(now)}")
    assert names(ca) == (f"node-1-ca@{int(now)}",) * 2
    leaf.verify_directly_issued_by(ca)
    private = load_pem_private_key(key, None)
    assert private.key_size == 2048
    assert private.public_key() == leaf.public_key()
    assert key.startswith(b"-----BEGIN RSA PRIVATE KEY-----")
    hosts = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert hosts.get_values_for_type(x509.DNSName) == ["node-1"]
    assert abs(leaf.not_valid_before_utc.timestamp() - (now - 3600)) < 2
    assert (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days == 365


def test_an_ip_address_is_named_as_one_and_a_long_name_is_cut_only_where_the_standard_insists():
    leaf, _ = x509.load_pem_x509_certificates(make_self_signed_pair("10.0.0.7", now=1.0)[0])
    hosts = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert hosts.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.0.0.7")]

    long = "n" * 63
    leaf, ca = x509.load_pem_x509_certificates(make_self_signed_pair(long, now=1700000000.0)[0])
    hosts = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert hosts.get_values_for_type(x509.DNSName) == [long]
    assert names(ca)[0].endswith("n-ca@1700000000")


@pytest.mark.parametrize("left", ["kubelet.crt", "kubelet.key"])
async def test_half_a_pair_is_an_error_and_is_not_overwritten(tmp_path, left):
    (tmp_path / left).write_text("precious")
    with pytest.raises(StartupError, match=f"^--cert-dir: {tmp_path}: there is {left} but no ") as caught:
        await ensure_self_signed_pair(tmp_path, host="node-1")

    assert "\n" not in str(caught.value)
    assert (tmp_path / left).read_text() == "precious"


async def test_a_directory_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StartupError, match=r"cannot make a serving certificate: .+") as caught:
        await ensure_self_signed_pair(tmp_path / "file" / "pki", host="node-1")

    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kubeletsim.server.certificates.os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_self_signed_pair(tmp_path, host="node-1", now=1.0)

    assert list(tmp_path.iterdir()) == []


async def test_a_server_without_configured_files_serves_the_self_signed_pair(host):
    async with host.serve(host.settings(tls=TLSSettings())) as client:
        answer = await client.ask("/healthz")

    assert answer.text == "ok"
    served = x509.load_pem_x509_certificates((host.directory / "pki" / "kubelet.crt").read_bytes())
    assert names(served[0])[0].startswith("node-1@")
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
