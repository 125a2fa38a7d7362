"""This module makes self-signed serving pairs: a CA of its own, whose key is thrown away at once, signs a host's leaf.

The work is done by a short-lived child process (this module with `-m`), so that the cryptography package never becomes
part of a daemon, whose memory is worth more than the quarter second.

Upstream: GenerateSelfSignedCertKey in client-go's util/cert.
"""

import argparse
import asyncio
import ipaddress
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

KEY_BITS = 2048
VALIDITY = timedelta(days=365)
BACKDATED = timedelta(hours=1)
LONGEST_COMMON_NAME = 64


class PairError(Exception):
    """A pair cannot be made; the text says why in one line."""


@dataclass(frozen=True, slots=True)
class PairFiles:
    """The two PEM files of a pair."""

    certificate: Path
    key: Path

    @classmethod
    def named(cls, name: str, directory: Path) -> "PairFiles":
        """Return the files of a pair in a directory, which need not exist."""
        return cls(directory / f"{name}.crt", directory / f"{name}.key")

    def ensure_whole(self) -> bool:
        """Tell whether the pair exists.

        Raises:
            PairError: half of it does.
        """
        existing = [path for path in (self.certificate, self.key) if path.exists()]
        if len(existing) == 1:
            missing = self.key if existing == [self.certificate] else self.certificate
            raise PairError(
                f"there is {existing[0].name} but no {missing.name}; "
                "certificate and key must be supplied as a pair, or neither"
            )
        return bool(existing)


async def ensure_self_signed_pair(files: PairFiles, *, hosts: Sequence[str]) -> None:
    """Make a pair unless it exists; one that does is used again as it is.

    Args:
        files: where it is.
        hosts: names and addresses it is good for; the first one names the certificate.

    Raises:
        PairError: there is half a pair, or the directory cannot be written.
    """
    if not files.ensure_whole():
        await _make_in_child(files, hosts=hosts)


async def _make_in_child(files: PairFiles, *, hosts: Sequence[str]) -> None:
    package_root = str(Path(__file__).parents[2])
    search_path = os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH", "")]))
    paths = ("--certificate", str(files.certificate), "--key", str(files.key))
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__, *paths, "--host", *hosts),
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
        raise PairError(f"cannot make a serving certificate: {lines[-1]}")


def write_self_signed_pair(files: PairFiles, *, hosts: Sequence[str], now: float) -> None:
    """Make the pair's files, whole or not at all; the certificate last, as it stands for both.

    `now` is Unix seconds. The key can be read by its owner alone.

    Raises:
        OSError: the directory cannot be written.
        ValueError: the host name cannot stand in a certificate.
    """
    certificate, key = make_self_signed_pair(hosts, now=now)
    for path, content, mode in ((files.key, key, 0o600), (files.certificate, certificate, 0o644)):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        _write_whole(path, content, mode=mode)


def make_self_signed_pair(hosts: Sequence[str], *, now: float) -> tuple[bytes, bytes]:
    """Return certificate file (the leaf, then its CA) and key file, both PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    ca_key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    leaf_key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    ca = _certificate(f"{hosts[0]}-ca@{int(now)}", key=ca_key, now=now)
    leaf = _certificate(f"{hosts[0]}@{int(now)}", key=leaf_key, now=now, issuer=ca, issuer_key=ca_key, hosts=hosts)
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
    hosts: Sequence[str] = (),
) -> "x509.Certificate":
    """Build a leaf for `hosts` when there is an issuer, else a CA that signs itself."""
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
    if hosts:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        ).add_extension(x509.SubjectAlternativeName(list(map(_general_name, hosts))), critical=False)
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
    parser = argparse.ArgumentParser(description="Make a self-signed serving pair.")
    parser.add_argument("--certificate", type=Path, required=True)
    parser.add_argument("--key", type=Path, required=True)
    parser.add_argument("--host", nargs="+", required=True)
    arguments = parser.parse_args()
    try:
        write_self_signed_pair(PairFiles(arguments.certificate, arguments.key), hosts=arguments.host, now=time.time())
    except OSError as error:
        sys.stderr.write(f"{error.strerror or error}: {error.filename}\n")
        return 1
    except ValueError as error:
        sys.stderr.write(f"host name {arguments.host[0]!r}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
