"""The configuration's fields end up where the servers read them."""

from pathlib import Path

from kubeletsim.config.schema.kubelet import KubeletConfiguration
from kubeletsim.server.auth import AuthSettings
from kubeletsim.server.settings import HandlerSettings, ServerSettings, server_settings
from kubeletsim.server.tls import TLSSettings


def test_the_default_configuration_gives_the_servers_of_a_cluster_node():
    settings = server_settings(KubeletConfiguration(), node_name="node-1", cert_dir=Path("/pki"))

    assert settings == ServerSettings(node_name="node-1", cert_dir=Path("/pki"))


def test_every_field_is_taken_over():
    config = KubeletConfiguration.model_validate(
        {
            "enableServer": False,
            "address": "127.0.0.1",
            "port": 1,
            "readOnlyPort": 2,
            "healthzBindAddress": "127.0.0.2",
            "healthzPort": 3,
            "syncFrequency": "7s",
            "tlsCertFile": "/a.crt",
            "tlsPrivateKeyFile": "/a.key",
            "tlsMinVersion": "VersionTLS13",
            "tlsCipherSuites": ["TLS_AES_128_GCM_SHA256"],
            "tlsCurvePreferences": [29],
            "serverTLSBootstrap": True,
            "authentication": {
                "x509": {"clientCAFile": "/ca.crt"},
                "webhook": {"enabled": False},
                "anonymous": {"enabled": True},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "enableDebuggingHandlers": False,
            "enableSystemLogHandler": False,
            "enableProfilingHandler": False,
            "enableDebugFlagsHandler": False,
        }
    )

    assert server_settings(config, node_name="n", cert_dir=Path("/pki")) == ServerSettings(
        node_name="n",
        cert_dir=Path("/pki"),
        enable_server=False,
        address="127.0.0.1",
        port=1,
        read_only_port=2,
        healthz_bind_address="127.0.0.2",
        healthz_port=3,
        sync_frequency_seconds=7.0,
        tls=TLSSettings(
            cert_file="/a.crt",
            private_key_file="/a.key",
            min_version="VersionTLS13",
            cipher_suites=("TLS_AES_128_GCM_SHA256",),
            curve_preferences=(29,),
            server_tls_bootstrap=True,
        ),
        auth=AuthSettings(
            client_ca_file="/ca.crt",
            anonymous=True,
            webhook_authentication=False,
            authorization_mode="AlwaysAllow",
        ),
        handlers=HandlerSettings(debugging=False, system_log=False, profiling=False, debug_flags=False),
    )
