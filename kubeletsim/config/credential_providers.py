"""The credential providers of a node, as a CredentialProviderConfig describes them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialProviderSettings:
    """One provider."""

    name: str
    """Of the program in --image-credential-provider-bin-dir."""
    api_version: str
    """Of what it reads and writes: `credentialprovider.kubelet.k8s.io/v1` or an older one."""
    match_images: tuple[str, ...]
    """The places it has credentials for, such as `*.example.com/team`."""
    default_cache_seconds: float
    """How long an answer holds that does not say so."""
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    """Variables on top of the kubelet's own."""
    requires_service_account: bool = False
    """It only works with the token of a pod's service account."""
