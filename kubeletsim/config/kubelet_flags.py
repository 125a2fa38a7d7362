"""The kubelet's own flags: what is set on the command line alone and has no field in the configuration.

Upstream: KubeletFlags in `cmd/kubelet/app/options/options.go`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kubeletsim.base.duration import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeletFlags:
    """What is set by flag alone."""

    config: Path | None = None
    """Configuration file. Without it the kubelet starts from its old defaults, with anonymous access."""
    config_dir: Path | None = None
    """Directory of drop-ins: files *.conf merged over the configuration file in lexical order."""
    kubeconfig: Path | None = None
    """How to reach the API server; without it the node runs alone."""
    hostname_override: str = ""
    """Name of the node instead of the host's."""
    node_ip: tuple[str, ...] = ()
    """IP address of the node, or one of each family."""
    node_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels the node registers with."""
    root_dir: Path = Path("/var/lib/kubelet")
    """Directory for the state of pods."""
    cert_dir: Path = Path("/var/lib/kubelet/pki")
    """Directory for certificates that the kubelet makes itself."""
    minimum_container_ttl_duration: Duration = field(default_factory=Duration)
    """Youngest age at which a dead container may be removed."""
    maximum_dead_containers_per_container: int = 1
    """Dead instances kept of each container; negative keeps all."""
    maximum_dead_containers: int = -1
    """Dead containers kept on the whole node; negative sets no limit."""
    seccomp_default: bool = False
    """Give workloads that name no seccomp profile RuntimeDefault; on as well if the field seccompDefault is."""
    image_credential_provider_config: Path | None = None
    """File, or directory of files, that says which programs have registry credentials (CredentialProviderConfig)."""
    image_credential_provider_bin_dir: Path | None = None
    """Directory of those programs."""
