"""The self-signed serving pair: kubelet.crt and kubelet.key in the certificate directory.

Made once, when no serving certificate is configured, and used again by later runs: a CA of its own, whose key is thrown
away at once, signs a leaf for the host name. The work is done by a short-lived child process (this module with `-m`),
so that the cryptography package never becomes part of the daemon, whose memory is worth more than the quarter second.

Upstream: GenerateSelfSignedCertKey in client-go's util/cert, InitializeTLS in cmd/kubelet/app/server.go.
"""

import argparse
import asyncio
import ipaddress
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kubeletsim.model.errors import StartupError
from kubeletsim.server.tls import ServingPair

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

CERT_NAME = "kubelet.crt"
KEY_NAME = "kubelet.key"
KEY_BITS = 2048
VALIDITY = timedelta(days=365)
BACKDATED = timedelta(hours=1)
LONGEST_COMMON_NAME = 64


async def ensure_self_signed_pair(cert_dir: Path, *, host: str) -> ServingPair:
    """Return the self-signed pair of a directory; make it when there is none.

    Raises:
        StartupError: there is half a pair, or the directory cannot be written.
    """
    cert_file, key_file = cert_dir / CERT_NAME, cert_dir / KEY_NAME
    existing = [path for path in (cert_file, key_file) if path.exists()]
    if len(existing) == 1:
        missing = key_file if existing == [cert_file] else cert_file
        raise StartupError(
            f"--cert-dir: {cert_dir}: there is {existing[0].name} but no {missing.name}; "
            "certificate and key must be supplied as a pair, or neither"
        )
    if not existing:
        await _generate_in_child(cert_dir, host=host)
    return ServingPair(cert_file=cert_file, key_file=key_file, cert_field="--cert-dir", key_field="--cert-dir")


async def _generate_in_child(cert_dir: Path, *, host: str) -> None:
    package_root = str(Path(__file__).parents[2])
    search_path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH", "")]))
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__, "--cert-dir", str(cert_dir), "--host", host),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": search_path},
    )
    try:
        _, said = await child.communicate()
    except BaseException:
        if child.returncode is None:
            child.kill()
            await child.wait()
        raise
    if child.returncode != 0:
        lines = said.decode(errors="replace").strip().splitlines() or [f"exit code {child.returncode}"]
        raise StartupError(f"--cert-dir: {cert_dir}: cannot make a serving certificate: {lines[-1]}")


def write_self_signed_pair(cert_dir: Path, *, host: str, now: float) -> None:
    """Make the pair's files, whole or not at all; the certificate last, as it stands for both.

    `now` is Unix seconds. The key can be read by its owner alone.

    Raises:
        OSError: the directory cannot be written.
        ValueError: the host name cannot stand in a certificate.
    """
    certificate, key = make_self_signed_pair(host, now=now)
    cert_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
    _write_whole(cert_dir / KEY_NAME, key, mode=0o600)
    _write_whole(cert_dir / CERT_NAME, certificate, mode=0o644)


def make_self_signed_pair(host: str, *, now: float) -> tuple[bytes, bytes]:
    """Return certificate file (the leaf, then its CA) and key file, both PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    ca_key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    leaf_key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    ca = _certificate(f"{host}-ca@{int(now)}", key=ca_key, now=now)
    leaf = _certificate(f"{host}@{int(now)}", key=leaf_key, now=now, issuer=ca, issuer_key=ca_key, host=host)
    pem = serialization.Encoding.PEM
    key = leaf_key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return leaf.public_bytes(pem) + ca.public_bytes(pem), key


def _certificate(
    common_name: str,
    *,
    key: "RSAPrivateKey",
    now: float,
    issuer: "x509.Certificate | None" = None,
    issuer_key: "RSAPrivateKey | None" = None,
    host: str = "",
) -> "x509.Certificate":
    """Build a leaf for `host` when there is an issuer, else a CA that signs itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    # The standard allows 64 characters, which Go does not check; the end, with the time in it, is what differs.
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name[-LONGEST_COMMON_NAME:])])
    begins = datetime.fromtimestamp(now, UTC) - BACKDATED
    signing_key = issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(_key_usage(signs=issuer is None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()), critical=False)
    )
    if host:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        ).add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
    return builder.sign(signing_key, hashes.SHA256())


def _key_usage(*, signs: bool) -> "x509.KeyUsage":
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=signs,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_whole(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file that exists only once it is complete."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def main() -> int:
    """Make the pair, or say in one line why not: the child process's side."""
    parser = argparse.ArgumentParser(description="Make a self-signed serving pair for a kubelet.")
    parser.add_argument("--cert-dir", type=Path, required=True)
    parser.add_argument("--host", required=True)
    arguments = parser.parse_args()
    try:
        write_self_signed_pair(arguments.cert_dir, host=arguments.host, now=time.time())
    except OSError as error:
        sys.stderr.write(f"{error.strerror or error}: {error.filename}\n")
        return 1
    except ValueError as error:
        sys.stderr.write(f"host name {arguments.host!r}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
