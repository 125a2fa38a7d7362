"""The pair a kubelet serves when none is configured: kubelet.crt and kubelet.key in the certificate directory.

Made once, and used again by later runs. Upstream: InitializeTLS in cmd/kubelet/app/server.go.
"""

from pathlib import Path

from kubeletsim.base.self_signed import PairError, PairFiles, ensure_self_signed_pair
from kubeletsim.model.errors import StartupError
from kubeletsim.server.tls import ServingPair


async def ensure_serving_pair(cert_dir: Path, *, host: str) -> ServingPair:
    """Return the self-signed pair of a directory; make it when there is none.

    Raises:
        StartupError: there is half a pair, or the directory cannot be written.
    """
    files = PairFiles.named("kubelet", cert_dir)
    try:
        await ensure_self_signed_pair(files, hosts=[host])
    except PairError as error:
        raise StartupError(f"--cert-dir: {cert_dir}: {error}") from error
    return ServingPair(cert_file=files.certificate, key_file=files.key, cert_field="--cert-dir", key_field="--cert-dir")
