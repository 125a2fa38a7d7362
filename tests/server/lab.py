"""A kubelet's servers on real loopback sockets, the certificates to talk to them, and what they report to."""

import datetime as dt
import random
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from lightkube.models.core_v1 import Pod
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry

from kubeletsim.base.timing import SystemClock
from kubeletsim.clients.cri import CRIClient
from kubeletsim.model.stats import NodeUsage
from kubeletsim.server.app import KubeletServer
from kubeletsim.server.auth import AuthSettings
from kubeletsim.server.endpoints import NodeView
from kubeletsim.server.settings import ServerSettings
from kubeletsim.server.tls import TLSSettings
from tests.fakes.runtime import FakeRuntime

OPEN = AuthSettings(anonymous=True, webhook_authentication=False, authorization_mode="AlwaysAllow")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as files."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority for one directory."""

    def __init__(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.ca = directory / "ca.crt"
        self.ca.write_bytes(self._sign(self._name, self._key, ca=True, usage=None))

    def issue(
        self, common_name: str, *, groups: tuple[str, ...] = (), usage=ExtendedKeyUsageOID.CLIENT_AUTH, stem: str = ""
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        if common_name:
            names.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
        stem = stem or common_name or "nobody"
        pair = Pair(cert=self._directory / f"{stem}.crt", key=self._directory / f"{stem}.key")
        pair.cert.write_bytes(self._sign(x509.Name(names), key, ca=False, usage=usage))
        pair.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return pair

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool, usage) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Telemetry:
    """Tracers whose spans stay here."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider()
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.propagator = CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()])

    def tracer(self, scope: str, version: str = "") -> Tracer:
        return self._provider.get_tracer(scope, version)

    def spans(self, kind: str = "SERVER") -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.kind.name == kind]

    def close(self) -> None:
        self._provider.shutdown()


@dataclass
class Host:
    """What the node would tell its servers, and ways to open them."""

    telemetry: Telemetry
    cri: FakeRuntime | CRIClient
    serving: Pair
    directory: Path
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    probe_registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    pods: list[Pod] = field(default_factory=list)
    node_usage: NodeUsage | None = None
    last_sync_loop: float | None = None
    """In seconds from now: -10 is ten seconds ago."""

    def settings(self, **changes: Any) -> ServerSettings:
        base = ServerSettings(
            node_name="node-1",
            cert_dir=self.directory / "pki",
            address="127.0.0.1",
            port=0,
            healthz_port=0,
            tls=TLSSettings(cert_file=str(self.serving.cert), private_key_file=str(self.serving.key)),
            auth=OPEN,
        )
        return replace(base, **changes)

    def server(self, settings: ServerSettings | None = None, **parts: Any) -> KubeletServer:
        clock = SystemClock()
        node = NodeView(
            pods=lambda: self.pods,
            runtime=self.cri,
            configz=lambda: {"kind": "KubeletConfiguration", "syncFrequency": "1m0s"},
            last_sync_loop=lambda: None if self.last_sync_loop is None else clock.monotonic() + self.last_sync_loop,
            registry=self.registry,
            probe_registry=self.probe_registry,
            checkpoints_dir=self.directory / "checkpoints",
            stats=self.cri,
            node_usage=lambda: self.node_usage,
        )
        return KubeletServer(
            settings or self.settings(),
            node=node,
            telemetry=self.telemetry,
            clock=clock,
            rng=random.Random(1),
            **parts,
        )

    @asynccontextmanager
    async def serve(self, settings: ServerSettings | None = None, **parts: Any) -> AsyncIterator["Client"]:
        async with self.server(settings, **parts) as server, aiohttp.ClientSession() as session:
            yield Client(server=server, session=session)


@dataclass
class Answer:
    """A response, read."""

    status: int
    text: str
    headers: Any


@dataclass
class Client:
    """Somebody who asks a server."""

    server: KubeletServer
    session: aiohttp.ClientSession

    async def ask(
        self, path: str, *, method: str = "GET", pair: Pair | None = None, listener: str = "https", **more: Any
    ) -> Answer:
        url = getattr(self.server, listener).url + path
        more.setdefault("allow_redirects", False)
        async with self.session.request(method, url, ssl=trusting(pair), **more) as response:
            return Answer(status=response.status, text=await response.text(), headers=response.headers)


def trusting(pair: Pair | None = None) -> ssl.SSLContext:
    """Return a client's context that takes any server, and shows a certificate where it has one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if pair is not None:
        context.load_cert_chain(pair.cert, pair.key)
    return context
