"""TLS: versions, ciphers, files that are wrong, files that change."""

import asyncio
import random
import ssl
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from prometheus_client import CollectorRegistry

from kubeletsim.model.errors import StartupError
from kubeletsim.server.tls import CIPHERS_1_2, CIPHERS_1_3, ServerTLS, ServingPair, TLSSettings
from tests.server.lab import OPEN, Authority, trusting

FIELDS = {"cert": "tlsCertFile", "key": "tlsPrivateKeyFile"}


def tls(pair, *, client_ca_file: str = "", **settings) -> ServerTLS:
    files = ServingPair(cert_file=pair.cert, key_file=pair.key)
    return ServerTLS(TLSSettings(**settings), pair=files, client_ca_file=client_ca_file, rng=random.Random(1))


async def handshake(port: int, context: ssl.SSLContext) -> tuple[str, str, bytes]:
    """Return version, cipher and the server's certificate of a connection."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    connection = writer.get_extra_info("ssl_object")
    found = connection.version(), connection.cipher()[0], connection.getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return found


def der(cert: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(cert.read_text())


def limited(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = trusting()
    context.maximum_version = version
    return context


async def test_tls_1_2_is_the_least_unless_more_is_asked_for(host):
    async with host.server() as server:
        assert (await handshake(server.https.port, limited(ssl.TLSVersion.TLSv1_2)))[0] == "TLSv1.2"
        assert (await handshake(server.https.port, trusting()))[0] == "TLSv1.3"
    host.registry = CollectorRegistry()
    settings = host.settings(tls=replace(host.settings().tls, min_version="VersionTLS13"))
    async with host.server(settings) as server:
        with pytest.raises((ssl.SSLError, ConnectionError)):  # an alert or a reset, whichever arrives first
            await handshake(server.https.port, limited(ssl.TLSVersion.TLSv1_2))


async def test_cipher_suites_are_those_of_the_configuration(host):
    """The serving key is elliptic, so of these two only the ECDSA suite can be used."""
    names = ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256")
    settings = host.settings(tls=replace(host.settings().tls, cipher_suites=names))
    async with host.server(settings) as server:
        _, cipher, _ = await handshake(server.https.port, limited(ssl.TLSVersion.TLSv1_2))

    assert cipher == "ECDHE-ECDSA-AES256-GCM-SHA384"


def test_suites_of_tls_1_3_alone_leave_nothing_to_speak_1_2_with(serving):
    context = tls(serving, cipher_suites=("TLS_AES_128_GCM_SHA256",)).context

    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("name", sorted(name for name in CIPHERS_1_2 if "RC4" not in name and "3DES" not in name))
def test_every_suite_of_go_that_openssl_still_has_is_taken(serving, name):
    enabled = {cipher["name"] for cipher in tls(serving, cipher_suites=(name,)).context.get_ciphers()}

    assert enabled - CIPHERS_1_3 == {CIPHERS_1_2[name]}


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"min_version": "TLS12"}, "tlsMinVersion: 'TLS12': must be one of VersionTLS10, VersionTLS11, Version"),
        ({"cipher_suites": ("ECDHE-RSA-AES128-GCM-SHA256",)}, "tlsCipherSuites: 'ECDHE-RSA-AES128-GCM-SHA256': must"),
        ({"curve_preferences": (29, 99)}, "tlsCurvePreferences: 99: must be one of 23, 24, 25, 29, "),
        ({"cipher_suites": ("TLS_RSA_WITH_RC4_128_SHA",)}, "tlsCipherSuites: none of them is offered by OpenSSL"),
    ],
)
def test_names_that_do_not_exist_are_one_line(serving, settings, line):
    with pytest.raises(StartupError) as caught:
        tls(serving, **settings)

    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


async def test_a_single_curve_is_insisted_on(host):
    """A client that knows only P-384 fails where X25519 is wanted, and gets through where its curve is."""
    client = trusting()
    client.set_ecdh_curve("secp384r1")
    outcomes = []
    for curve in (29, 24):
        host.registry = CollectorRegistry()
        settings = host.settings(tls=replace(host.settings().tls, curve_preferences=(curve,)))
        async with host.server(settings) as server:
            try:
                outcomes.append((await handshake(server.https.port, client))[0])
            except (ssl.SSLError, ConnectionError):
                outcomes.append("refused")

    assert outcomes == ["refused", "TLSv1.3"]


@pytest.mark.parametrize("which", ["cert", "key"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file or directory"),
        (b"\x00\xff garbage", "does not contain a PEM"),
        (b"-----BEGIN CERTIFICATE-----\nPRIVATE KEY-----\n", "cannot be used with"),
    ],
    ids=["missing", "garbage", "hollow"],
)
def test_a_bad_file_of_the_pair_is_one_line_with_field_and_path(serving, tmp_path, which, content, says):
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(StartupError) as caught:
        tls(replace(serving, **{which: bad}))

    message = str(caught.value)
    assert says in message
    assert str(bad) in message
    assert message.startswith(FIELDS[which] if content is None or b"garbage" in content else "tlsPrivateKeyFile")
    assert "\n" not in message


def test_a_key_of_another_certificate_is_one_line(serving, authority):
    other = authority.issue("other")
    with pytest.raises(StartupError, match="key and certificate do not belong together"):
        tls(replace(serving, key=other.key))


@pytest.mark.parametrize(
    "content", [None, b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_bad_client_ca_is_one_line_with_field_and_path(serving, tmp_path, content):
    bad = tmp_path / "ca.crt"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(StartupError) as caught:
        tls(serving, client_ca_file=str(bad))

    assert str(caught.value).startswith(f"authentication.x509.clientCAFile: {bad}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"cert_file": "a.crt"}, "tlsPrivateKeyFile"),
        ({"private_key_file": "a.key"}, "tlsCertFile"),
        ({"server_tls_bootstrap": True}, "serverTLSBootstrap"),
    ],
)
def test_half_a_pair_or_one_that_nobody_could_sign_is_refused(settings, field):
    with pytest.raises(StartupError, match=f"^{field}: "):
        TLSSettings(**settings).configured_pair()


async def test_changed_files_are_used_by_new_connections_and_bad_ones_are_not(host, authority, tmp_path, caplog):
    first = authority.issue("node-1", usage=ExtendedKeyUsageOID.SERVER_AUTH, stem="first")
    second = authority.issue("node-1", usage=ExtendedKeyUsageOID.SERVER_AUTH, stem="second")
    old_ca, new_ca = Authority(tmp_path / "old", "old"), Authority(tmp_path / "new", "new")
    cert, key, ca = (tmp_path / name for name in ("tls.crt", "tls.key", "ca.crt"))

    def put(pair, authority: Authority) -> None:
        for target, source in ((cert, pair.cert), (key, pair.key), (ca, authority.ca)):
            target.write_bytes(source.read_bytes())

    put(first, old_ca)
    settings = host.settings(
        tls=TLSSettings(cert_file=str(cert), private_key_file=str(key)),
        auth=replace(OPEN, anonymous=False, client_ca_file=str(ca)),
    )
    old, new = old_ca.issue("admin"), new_ca.issue("admin")
    async with host.serve(settings) as client:
        port, files = client.server.https.port, client.server._tls
        before = (await handshake(port, trusting()))[2]
        assert (await client.ask("/pods", pair=old)).status == 200
        put(second, new_ca)
        await files.reload()
        after = (await handshake(port, trusting()))[2]
        assert (await client.ask("/pods", pair=new)).status == 200
        with pytest.raises((aiohttp.ClientError, OSError)):
            await client.ask("/pods", pair=old)
        cert.write_text("garbage")
        await files.reload()
        kept = (await handshake(port, trusting()))[2]

    assert before == der(first.cert)
    assert after == kept == der(second.cert)
    assert "Changed certificate files are not used: tlsCertFile: " in caplog.text
