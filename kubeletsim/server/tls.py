"""The server's side of TLS: the serving pair, client certificates, versions and ciphers.

Everything that can be wrong with the files or names in the configuration is a StartupError here, one line that names
the field. Once the server runs, changed files are taken over for new connections; a change that cannot be used is
logged and the old state stays.

Upstream: InitializeTLS in cmd/kubelet/app/server.go; the names of cipher suites and versions are those of Go's
crypto/tls. Differs in that TLS before 1.2 is not offered whatever tlsMinVersion says, as OpenSSL no longer does, and
that of several tlsCurvePreferences none is enforced, as Python's ssl module cannot.
"""

import logging
import random
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubeletsim.base.timing import every
from kubeletsim.model.errors import StartupError

log = logging.getLogger(__name__)

RELOAD_PERIOD_SECONDS = 60.0

VERSIONS = {
    "": ssl.TLSVersion.TLSv1_2,
    "VersionTLS10": ssl.TLSVersion.TLSv1_2,
    "VersionTLS11": ssl.TLSVersion.TLSv1_2,
    "VersionTLS12": ssl.TLSVersion.TLSv1_2,
    "VersionTLS13": ssl.TLSVersion.TLSv1_3,
}
OUTDATED_VERSIONS = frozenset({"VersionTLS10", "VersionTLS11"})

CIPHERS_1_3 = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
"""Known names without effect: neither Go nor OpenSSL's cipher list choose among the suites of TLS 1.3."""

CIPHERS_1_2 = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA": "ECDHE-ECDSA-RC4-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": "ECDHE-RSA-AES128-SHA256",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA": "ECDHE-RSA-DES-CBC3-SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA": "ECDHE-RSA-RC4-SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256": "AES128-GCM-SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384": "AES256-GCM-SHA384",
    "TLS_RSA_WITH_AES_128_CBC_SHA": "AES128-SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA": "AES256-SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256": "AES128-SHA256",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA": "DES-CBC3-SHA",
    "TLS_RSA_WITH_RC4_128_SHA": "RC4-SHA",
}

CURVES = {23: "prime256v1", 24: "secp384r1", 25: "secp521r1", 29: "X25519"}
HYBRID_CURVES = frozenset({4587, 4588, 4589})
"""Key exchanges with ML-KEM that Go knows and Python's ssl module cannot choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingPair:
    """The server's certificate, with its chain, and private key; and the fields that name them, for messages."""

    cert_file: Path
    key_file: Path
    cert_field: str = "tlsCertFile"
    key_field: str = "tlsPrivateKeyFile"


@dataclass(frozen=True, slots=True, kw_only=True)
class TLSSettings:
    """What the configuration says about TLS; an empty text or list is one that is not set."""

    cert_file: str = ""
    private_key_file: str = ""
    min_version: str = ""
    cipher_suites: tuple[str, ...] = ()
    curve_preferences: tuple[int, ...] = ()
    server_tls_bootstrap: bool = False

    def configured_pair(self) -> ServingPair | None:
        """Return the serving pair of the configuration; None when a self-signed one is wanted.

        Raises:
            StartupError: half a pair, or a pair that only an API server could sign.
        """
        if self.cert_file and self.private_key_file:
            return ServingPair(cert_file=Path(self.cert_file), key_file=Path(self.private_key_file))
        if self.cert_file:
            raise StartupError(f"tlsPrivateKeyFile: must be set, since tlsCertFile is {self.cert_file}")
        if self.private_key_file:
            raise StartupError(f"tlsCertFile: must be set, since tlsPrivateKeyFile is {self.private_key_file}")
        if self.server_tls_bootstrap:
            raise StartupError(
                "serverTLSBootstrap: no client provided, cannot ask for a serving certificate; "
                "without an API server it must be false, or tlsCertFile and tlsPrivateKeyFile set"
            )
        return None


class ServerTLS:
    """The TLS context of a listener, which follows its files.

    Args:
        settings: versions and ciphers.
        pair: the serving pair.
        client_ca_file: signs client certificates; empty: none are asked for.

    Raises:
        StartupError: a file or a name cannot be used.
    """

    def __init__(self, settings: TLSSettings, *, pair: ServingPair, client_ca_file: str, rng: random.Random) -> None:
        self._settings = settings
        self._pair = pair
        self._client_ca_file = client_ca_file
        self._rng = rng
        self._stamps = self._read_stamps()
        self._current = self.context = self._build()
        self.context.sni_callback = self._choose

    async def run(self) -> None:
        """Take changed files over, once a minute; never returns."""
        await every(RELOAD_PERIOD_SECONDS, self.reload, name="certificate reload", rng=self._rng)

    async def reload(self) -> None:
        """Take changed files over for connections to come."""
        stamps = self._read_stamps()
        if stamps == self._stamps:
            return
        try:
            self._current = self._build()
        except StartupError as error:
            # Perhaps only half written: the next turn looks again, since the stamps are not noted down.
            log.warning("Changed certificate files are not used: %s", error)
        else:
            self._stamps = stamps
            log.info("Changed certificate files are used from now on: %s", self._pair.cert_file)

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        """Give a new connection the newest context; called in each handshake, with or without a server name."""
        connection.context = self._current

    def _build(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _set_versions(context, self._settings.min_version, suites=self._settings.cipher_suites)
        _set_curves(context, self._settings.curve_preferences)
        _load_pair(context, self._pair)
        if self._client_ca_file:
            _load_client_ca(context, self._client_ca_file)
        return context

    def _read_stamps(self) -> tuple[tuple[int, int] | None, ...]:
        files = [str(self._pair.cert_file), str(self._pair.key_file)]
        return tuple(_stamp(Path(name)) for name in [*files, *filter(None, [self._client_ca_file])])


def _set_versions(context: ssl.SSLContext, min_version: str, *, suites: Sequence[str]) -> None:
    if min_version not in VERSIONS:
        allowed = ", ".join(filter(None, VERSIONS))
        raise StartupError(f"tlsMinVersion: '{min_version}': must be one of {allowed}")
    if min_version in OUTDATED_VERSIONS:
        log.warning("tlsMinVersion: %s is older than any version offered here; VersionTLS12 it is", min_version)
    context.minimum_version = VERSIONS[min_version]
    if unknown := [name for name in suites if name not in CIPHERS_1_2 and name not in CIPHERS_1_3]:
        raise StartupError(
            f"tlsCipherSuites: '{unknown[0]}': must be a cipher suite of Go's crypto/tls, "
            "such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        )
    names = [CIPHERS_1_2[name] for name in suites if name in CIPHERS_1_2]
    if names:
        try:
            context.set_ciphers(":".join(dict.fromkeys(names)))
        except ssl.SSLError as error:
            raise StartupError(f"tlsCipherSuites: none of them is offered by {ssl.OPENSSL_VERSION}") from error
    elif suites:
        # Only suites of TLS 1.3: then there is nothing to speak TLS 1.2 with.
        context.minimum_version = ssl.TLSVersion.TLSv1_3


def _set_curves(context: ssl.SSLContext, preferences: Sequence[int]) -> None:
    if unknown := [number for number in preferences if number not in CURVES and number not in HYBRID_CURVES]:
        allowed = ", ".join(map(str, sorted({*CURVES, *HYBRID_CURVES})))
        raise StartupError(f"tlsCurvePreferences: {unknown[0]}: must be one of {allowed}")
    if len(preferences) == 1 and preferences[0] in CURVES:
        context.set_ecdh_curve(CURVES[preferences[0]])
    elif preferences:
        log.warning("tlsCurvePreferences: Python can insist on one classic curve only; all of OpenSSL's stay allowed")


def _load_pair(context: ssl.SSLContext, pair: ServingPair) -> None:
    _require(pair.cert_file, field=pair.cert_field, marker="-----BEGIN CERTIFICATE-----", kind="a PEM certificate")
    _require(pair.key_file, field=pair.key_field, marker="PRIVATE KEY-----", kind="a PEM private key")
    try:
        # An empty password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(pair.cert_file, pair.key_file, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", "") or str(error)
        if reason == "KEY_VALUES_MISMATCH":
            reason = "key and certificate do not belong together"
        raise StartupError(
            f"{pair.key_field}: {pair.key_file}: cannot be used with {pair.cert_file}: {reason}"
        ) from error


def _load_client_ca(context: ssl.SSLContext, client_ca_file: str) -> None:
    path, field = Path(client_ca_file), "authentication.x509.clientCAFile"
    _require(path, field=field, marker="-----BEGIN CERTIFICATE-----", kind="a PEM certificate")
    try:
        context.load_verify_locations(cafile=client_ca_file)
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", "") or str(error)
        raise StartupError(f"{field}: {client_ca_file}: cannot be used ({reason})") from error
    # Asked for, not insisted on: whether a caller needs one is the authenticator's business.
    context.verify_mode = ssl.CERT_OPTIONAL


def _require(path: Path, *, field: str, marker: str, kind: str) -> None:
    """Refuse a file that cannot be read or is something else altogether, in words that OpenSSL lacks."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise StartupError(f"{field}: {path}: {error.strerror or error}") from error
    if marker not in text:
        raise StartupError(f"{field}: {path}: does not contain {kind}")


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
