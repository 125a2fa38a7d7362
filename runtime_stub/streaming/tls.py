"""This module is the streaming server's side of TLS, if it is configured: the pair it serves.

Clients are not asked for certificates: the token in the URL is what they bring. Upstream: containerd's
enable_tls_streaming with x509_key_pair_streaming, internal/cri/server/streaming.go.
"""

import ssl
from pathlib import Path

from kubeletsim.base.self_signed import PairFiles, ensure_self_signed_pair
from runtime_stub.settings import Settings, SettingsError

PAIR_NAME = "streaming"


async def streaming_tls(settings: Settings, root_dir: Path, *, host: str) -> ssl.SSLContext | None:
    """Return how to serve streams; None for plain HTTP. Without configured files a pair is made once, in `root_dir`.

    Raises:
        SettingsError: the configured files are no pair that can be served.
        PairError: a pair cannot be made.
    """
    if not settings.streaming_tls:
        return None
    if settings.streaming_cert_file:
        files = PairFiles(Path(settings.streaming_cert_file), Path(settings.streaming_key_file))
    else:
        files = PairFiles.named(PAIR_NAME, root_dir)
        await ensure_self_signed_pair(files, hosts=[host, "localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])  # streams are upgrades, which HTTP/2 has not
    try:
        context.load_cert_chain(files.certificate, files.key)
    except OSError as error:  # an SSLError is one
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise SettingsError(f"streaming.tlsCertFile: {files.certificate} with {files.key}: {reason}") from error
    return context
