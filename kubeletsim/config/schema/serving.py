"""The fields about what the kubelet serves, where static pods come from, and how fast it pulls and reports.

In upstream's order, as the other three groups that `schema/kubelet.py` puts together.
"""

from typing import Annotated

from pydantic import Field

from kubeletsim.base.duration import Duration
from kubeletsim.config.schema.structs import KubeletAuthentication, KubeletAuthorization
from kubeletsim.config.schema.types import GoDuration, Int32, ListOf, OneOf, OrDefault, Pointer, Range

PORT = Range(1, 65535)
PORT_OR_OFF = Range(0, 65535)
NOT_NEGATIVE = Range(minimum=0)


class ServingFields:
    """Static pods, the servers, their callers, rates of pulls and events."""

    enableServer: Pointer[bool] = True
    """Serve the authenticated HTTPS API on `address`:`port`."""
    staticPodPath: str = ""
    """File or directory with manifests of static pods, the only pods of a standalone node. A relative path counts from
    the directory of this file. Empty: none."""
    podLogsDir: OrDefault[str] = "/var/log/pods"
    """Directory under which each pod's log directory lies. Absolute, without `..` or doubled slashes, ASCII only."""
    syncFrequency: OrDefault[GoDuration] = Duration.of(minutes=1)
    """Longest time between two syncs of a pod; stretched at random by up to a half, so that pods spread out."""
    fileCheckFrequency: OrDefault[GoDuration] = Duration.of(seconds=20)
    """How often `staticPodPath` is read again, beside being watched."""
    httpCheckFrequency: OrDefault[GoDuration] = Duration.of(seconds=20)
    """How often `staticPodURL` is fetched again."""
    staticPodURL: str = ""
    """URL that delivers manifests of static pods."""
    staticPodURLHeader: dict[str, ListOf[str]] = Field(default_factory=dict)
    """HTTP headers sent to `staticPodURL`, several values each; secret, hence never logged."""
    address: OrDefault[str] = "0.0.0.0"
    """IP address that the HTTPS server, and the read-only one, listen on."""
    port: Annotated[OrDefault[Int32], PORT] = 10250
    """Port of the HTTPS server."""
    readOnlyPort: Annotated[Int32, PORT_OR_OFF] = 0
    """Port of a server without authentication that only reads; 0: off. Started without a configuration file: 10255."""
    tlsCertFile: str = ""
    """PEM file with the serving certificate, intermediates after it. Without it and `tlsPrivateKeyFile` a self-signed
    pair is made in --cert-dir."""
    tlsPrivateKeyFile: str = ""
    """PEM file with the private key of `tlsCertFile`."""
    tlsCipherSuites: ListOf[str] = ()
    """Cipher suites allowed up to TLS 1.2, by IANA name. Empty: the library's choice. Those of TLS 1.3
    cannot be chosen."""
    tlsCurvePreferences: ListOf[Int32] = ()
    """Key exchanges allowed, by IANA number, such as 29 for X25519. Empty: the library's choice."""
    tlsMinVersion: str = ""
    """Lowest TLS version accepted: VersionTLS12 (also when empty) or VersionTLS13; older ones are known as well."""
    rotateCertificates: bool = False
    """Renew the client certificate for the API server before it expires."""
    serverTLSBootstrap: bool = False
    """Request the serving certificate from the cluster's signer instead of signing it oneself."""
    authentication: KubeletAuthentication = Field(default_factory=KubeletAuthentication)
    """How callers of the HTTPS server prove who they are."""
    authorization: KubeletAuthorization = Field(default_factory=KubeletAuthorization)
    """What callers of the HTTPS server may do."""
    registryPullQPS: Annotated[Pointer[Int32], NOT_NEGATIVE] = 5
    """Image pulls per second; 0: no limit."""
    registryBurst: Annotated[OrDefault[Int32], NOT_NEGATIVE] = 10
    """Pulls allowed at once before `registryPullQPS` slows them down."""
    imagePullCredentialsVerificationPolicy: Annotated[
        OrDefault[str],
        OneOf(("NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages", "AlwaysVerify")),
    ] = "NeverVerifyPreloadedImages"
    """For which images already on the node a pod must show that it may pull them. Behind the gate
    KubeletEnsureSecretPulledImages; must be empty without it."""
    preloadedImagesVerificationAllowlist: ListOf[str] = ()
    """Images exempt under NeverVerifyAllowlistedImages: names without tag or digest, or a prefix ending in /*."""
    eventRecordQPS: Annotated[Pointer[Int32], NOT_NEGATIVE] = 50
    """Events sent per second; 0: no limit."""
    eventBurst: Annotated[OrDefault[Int32], NOT_NEGATIVE] = 100
    """Events allowed at once before `eventRecordQPS` slows them down."""
    enableDebuggingHandlers: Pointer[bool] = True
    """Serve logs, exec, attach, port-forward and the like; without it these paths answer 405."""
    enableContentionProfiling: bool = False
    """Profile lock contention; Go only, without effect here."""
    healthzPort: Annotated[Pointer[Int32], PORT_OR_OFF] = 10248
    """Port of the local health check server; 0: off."""
    healthzBindAddress: OrDefault[str] = "127.0.0.1"
    """IP address of the health check server."""
    oomScoreAdj: Annotated[Pointer[Int32], Range(-1000, 1000)] = -999
    """How unlikely the kernel's out-of-memory killer picks the kubelet: -1000 never, 1000 first."""
