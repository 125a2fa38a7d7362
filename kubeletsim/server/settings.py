"""What the configuration and the flags say about the servers, in the servers' own terms."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kubeletsim.server.auth import AuthSettings
from kubeletsim.server.tls import TLSSettings

if TYPE_CHECKING:
    from kubeletsim.config.schema.kubelet import KubeletConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerSettings:
    """Which parts of the API are served: the enable…Handler fields of the configuration."""

    debugging: bool = True
    system_log: bool = True
    profiling: bool = True
    debug_flags: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """What the configuration and the flags say about the servers."""

    node_name: str
    cert_dir: Path
    """--cert-dir, for the self-signed pair."""
    enable_server: bool = True
    address: str = "0.0.0.0"
    port: int = 10250
    """0 takes a free one; only tests and the demo do so."""
    read_only_port: int = 0
    """0 turns the read-only server off."""
    healthz_bind_address: str = "127.0.0.1"
    healthz_port: int = 10248
    """0 turns the health server off."""
    sync_frequency_seconds: float = 60.0
    tls: TLSSettings = field(default_factory=TLSSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    handlers: HandlerSettings = field(default_factory=HandlerSettings)


def server_settings(config: "KubeletConfiguration", *, node_name: str, cert_dir: Path) -> ServerSettings:
    """Take what concerns the servers out of an effective configuration.

    Args:
        config: after defaults, drop-ins and flags.
        node_name: what the node is called.
        cert_dir: --cert-dir.
    """
    return ServerSettings(
        node_name=node_name,
        cert_dir=cert_dir,
        enable_server=config.enableServer,
        address=config.address,
        port=config.port,
        read_only_port=config.readOnlyPort,
        healthz_bind_address=config.healthzBindAddress,
        healthz_port=config.healthzPort,
        sync_frequency_seconds=config.syncFrequency.seconds,
        tls=TLSSettings(
            cert_file=config.tlsCertFile,
            private_key_file=config.tlsPrivateKeyFile,
            min_version=config.tlsMinVersion,
            cipher_suites=config.tlsCipherSuites,
            curve_preferences=config.tlsCurvePreferences,
            server_tls_bootstrap=config.serverTLSBootstrap,
        ),
        auth=AuthSettings(
            client_ca_file=config.authentication.x509.clientCAFile,
            anonymous=config.authentication.anonymous.enabled,
            webhook_authentication=config.authentication.webhook.enabled,
            authorization_mode=config.authorization.mode,
        ),
        handlers=HandlerSettings(
            debugging=config.enableDebuggingHandlers,
            system_log=config.enableSystemLogHandler,
            profiling=config.enableProfilingHandler,
            debug_flags=config.enableDebugFlagsHandler,
        ),
    )
