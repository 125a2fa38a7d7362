"""The self-signed pair: what is in it, and that it is whole or not there."""

import ipaddress
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kubeletsim.base.self_signed import PairFiles, make_self_signed_pair, write_self_signed_pair


def names(certificate: x509.Certificate) -> tuple[str, str]:
    return tuple(
        name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        for name in (certificate.subject, certificate.issuer)
    )


def test_the_certificate_file_holds_a_leaf_for_the_host_and_the_ca_that_signed_it():
    now = time.time()
    cert, key = make_self_signed_pair(["node-1"], now=now)
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
    leaf, _ = x509.load_pem_x509_certificates(make_self_signed_pair(["10.0.0.7"], now=1.0)[0])
    hosts = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert hosts.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.0.0.7")]

    long = "n" * 63
    leaf, ca = x509.load_pem_x509_certificates(make_self_signed_pair([long], now=1700000000.0)[0])
    hosts = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert hosts.get_values_for_type(x509.DNSName) == [long]
    assert names(ca)[0].endswith("n-ca@1700000000")


def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("kubeletsim.base.self_signed.os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_self_signed_pair(PairFiles.named("kubelet", tmp_path), hosts=["node-1"], now=1.0)

    assert list(tmp_path.iterdir()) == []
