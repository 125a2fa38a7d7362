"""The structs nested in KubeletConfiguration: who may call, how much is logged, where spans go, and smaller ones.

Upstream: `staging/src/k8s.io/kubelet/config/v1beta1/types.go` and, for logging and tracing, the `api/v1` packages of
`staging/src/k8s.io/component-base`.
"""

from typing import Annotated

from pydantic import Field

from kubeletsim.base.duration import Duration
from kubeletsim.config.schema.types import (
    GoDuration,
    GoDurationOrNanoseconds,
    Int32,
    Int64,
    ListOf,
    OneOf,
    OrDefault,
    Pointer,
    QuantityText,
    Range,
    Stage,
    Struct,
)
from kubeletsim.model.quantity import Quantity

VERBOSITY = Range(0, 2**31 - 1)


class KubeletX509Authentication(Struct):
    """Client certificates."""

    clientCAFile: str = ""
    """PEM file with the authorities whose client certificates are believed. The common name becomes the user, each
    organization a group. Empty: no client certificate is believed."""


class KubeletWebhookAuthentication(Struct):
    """Bearer tokens."""

    enabled: Pointer[bool] = True
    """Ask the API server (TokenReview) about bearer tokens. Needs --kubeconfig, so turn it off on a standalone
    node."""
    cacheTTL: OrDefault[GoDuration] = Duration.of(minutes=2)
    """How long an answer about a token is reused."""


class KubeletAnonymousAuthentication(Struct):
    """Requests without credentials."""

    enabled: Pointer[bool] = False
    """Let requests without credentials through as the user system:anonymous; otherwise they get 401."""


class KubeletAuthentication(Struct):
    """How callers of the HTTPS server prove who they are."""

    x509: KubeletX509Authentication = Field(default_factory=KubeletX509Authentication)
    """Client certificates."""
    webhook: KubeletWebhookAuthentication = Field(default_factory=KubeletWebhookAuthentication)
    """Bearer tokens."""
    anonymous: KubeletAnonymousAuthentication = Field(default_factory=KubeletAnonymousAuthentication)
    """Requests without credentials."""


class KubeletWebhookAuthorization(Struct):
    """How long the API server's verdicts are reused."""

    cacheAuthorizedTTL: OrDefault[GoDuration] = Duration.of(minutes=5)
    """How long a permission is reused."""
    cacheUnauthorizedTTL: OrDefault[GoDuration] = Duration.of(seconds=30)
    """How long a refusal is reused; shorter, so that a new permission works soon."""


class KubeletAuthorization(Struct):
    """What callers of the HTTPS server may do."""

    mode: Annotated[OrDefault[str], OneOf(("AlwaysAllow", "Webhook"), Stage.STARTUP)] = "Webhook"
    """AlwaysAllow lets every authenticated caller do anything; Webhook asks the API server (SubjectAccessReview) and
    needs --kubeconfig."""
    webhook: KubeletWebhookAuthorization = Field(default_factory=KubeletWebhookAuthorization)
    """Settings of mode Webhook."""


class MemorySwapConfiguration(Struct):
    """Swap for the containers of pods."""

    swapBehavior: Annotated[str, OneOf(("", "NoSwap", "LimitedSwap"))] = ""
    """NoSwap (also when empty) keeps pods out of swap; LimitedSwap gives Burstable pods a share of it."""


class VModuleItem(Struct):
    """Log verbosity of some source files."""

    filePattern: Pointer[str] = ""
    """File name without its ending, or a glob; must not hold an equals sign or a comma."""
    verbosity: Annotated[Pointer[Int64], VERBOSITY] = 0
    """Log verbosity of these files."""


class TextOptions(Struct):
    """Where text lines go; alpha, behind the gate LoggingAlphaOptions."""

    splitStream: bool = False
    """Write errors to stderr and the rest, buffered, to stdout instead of all to stderr."""
    infoBufferSize: Pointer[QuantityText] = Quantity()
    """Bytes of buffer for the stdout stream; 0 writes through."""


class JSONOptions(Struct):
    """Where JSON lines go; alpha, behind the gate LoggingAlphaOptions."""

    splitStream: bool = False
    """Write errors to stderr and the rest, buffered, to stdout instead of all to stderr."""
    infoBufferSize: Pointer[QuantityText] = Quantity()
    """Bytes of buffer for the stdout stream; 0 writes through."""


class FormatOptions(Struct):
    """Options of single log formats."""

    text: TextOptions = Field(default_factory=TextOptions)
    """Options of the text format."""
    json_: JSONOptions = Field(default_factory=JSONOptions, alias="json")
    """Options of the json format."""


class LoggingConfiguration(Struct):
    """What is logged, and how."""

    format: Annotated[OrDefault[str], OneOf(("text", "json"))] = "text"
    """text writes klog lines, json one object a line."""
    flushFrequency: Annotated[OrDefault[GoDurationOrNanoseconds], Range(above=Duration())] = Duration.of(seconds=5)
    """Longest time a buffered log line waits. The one duration that may also be a number: nanoseconds."""
    verbosity: Annotated[Pointer[Int64], VERBOSITY] = 0
    """0 logs what an operator must know; 4 adds decisions, 6 and more every call."""
    vmodule: ListOf[VModuleItem] = ()
    """Other verbosities for single files; text format only."""
    options: FormatOptions = Field(default_factory=FormatOptions)
    """Options of single formats."""


class ShutdownGracePeriodByPodPriority(Struct):
    """Time to stop that pods of a range of priorities get when the node shuts down."""

    priority: Pointer[Int32] = 0
    """Lowest pod priority that the entry covers; it reaches up to the next entry's."""
    shutdownGracePeriodSeconds: Pointer[Int64] = 0
    """Seconds these pods get."""


class CrashLoopBackOffConfig(Struct):
    """Delays between restarts of a failing container."""

    maxContainerRestartPeriod: Pointer[GoDuration | None] = Duration.of(minutes=5)
    """Longest delay before a restart, from 1s to 300s. A value under 10s also lowers the first delay."""


class MemoryReservation(Struct):
    """Memory of one NUMA node that pods cannot have."""

    numaNode: Pointer[Int32] = 0
    """Number of the NUMA node."""
    limits: Pointer[dict[str, QuantityText]] = Field(default_factory=dict)
    """Amount by type: memory, or hugepages-<size> such as hugepages-2Mi."""


class Taint(Struct):
    """A taint that the node registers with: keeps pods away that do not tolerate it."""

    key: Pointer[str] = ""
    """Qualified name, such as example.com/dedicated."""
    value: str = ""
    """Label value; may be empty."""
    effect: Annotated[Pointer[str], OneOf(("", "NoSchedule", "PreferNoSchedule", "NoExecute"))] = ""
    """What happens to pods without a toleration."""
    timeAdded: Pointer[str | None] = None
    """Not allowed here: the node controller sets it."""


class TracingConfiguration(Struct):
    """Where spans go and how many root spans are kept."""

    endpoint: Pointer[str | None] = None
    """gRPC target of an OTLP receiver, such as 127.0.0.1:4317, dns:///host:4317 or unix:///run/otel.sock; schemes are
    dns, unix and unix-abstract. Null: localhost:4317, or what OTEL_EXPORTER_OTLP_ENDPOINT says."""
    samplingRatePerMillion: Annotated[Pointer[Int32 | None], Range(0, 1_000_000)] = None
    """Root spans kept out of a million; 1000000 keeps all. Null and 0 keep only what a sampled caller asks for."""


class UserNamespaces(Struct):
    """User namespaces of pods with hostUsers: false."""

    idsPerPod: Annotated[Pointer[Int64 | None], Range(65536, 2**32 - 1)] = None
    """Ids each pod gets: a multiple of 65536. Null: 65536."""
