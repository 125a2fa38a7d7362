"""This module is the configuration file: a RuntimeStubConfiguration in YAML, checked in full before anything starts.

Imported only when a file is given: pydantic takes longer to load than the rest of the stub.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PlainValidator, ValidationError, model_validator

from kubeletsim.base.duration import Duration
from kubeletsim.base.go_yaml import Document, UnreadableTextError, read_document
from kubeletsim.base.loopback import parse_loopback
from runtime_stub.archives import read_archives
from runtime_stub.behaviour.rules.restarts import Restart
from runtime_stub.config_findings import worded
from runtime_stub.image_schema import CatalogueEntry
from runtime_stub.rule_schema import LatencyField, Part, RuleText, Seconds
from runtime_stub.settings import (
    DEFAULT_LISTEN,
    DEFAULT_SANDBOX_IMAGE,
    Features,
    Settings,
    SettingsError,
)
from runtime_stub.source import Path as Where
from runtime_stub.source import Source
from runtime_stub.state.addresses import parse_ranges
from runtime_stub.state.references import parse_reference

API_VERSION = "kubeletsim/v1alpha1"
KIND = "RuntimeStubConfiguration"


def _checked_reference(text: str) -> str:
    parse_reference(text)
    return text


def _checked_ranges(text: str) -> str:
    if text:
        parse_ranges(text)
    return text


Reference = Annotated[str, AfterValidator(_checked_reference)]


class _Tracing(Part):
    endpoint: str = ""
    samplingRatePerMillion: int = Field(default=0, ge=0, le=1_000_000)


class _Images(Part):
    sandbox: Reference = DEFAULT_SANDBOX_IMAGE
    preloaded: list[Reference] = Field(default_factory=list)
    catalogue: list[CatalogueEntry] = Field(default_factory=list)
    archives: list[str] = Field(default_factory=list)


class _Features(Part):
    recursiveReadOnlyMounts: bool = True
    userNamespaces: bool = True
    supplementalGroupsPolicy: bool = True
    userNamespacesHostNetwork: bool = True


class _Network(Part):
    podCIDR: Annotated[str, AfterValidator(_checked_ranges)] = ""


class _Going(Part):
    down: Seconds = 1.0
    initializing: Seconds = 0.0

    def restart(self) -> Restart:
        """Return the restart that is meant."""
        return Restart(down_seconds=self.down, initializing_seconds=self.initializing)


class _Restart(_Going):
    at: Seconds | None = None
    every: Annotated[Seconds, Field(ge=0.1)] | None = None

    @model_validator(mode="after")
    def _some_time(self) -> "_Restart":
        if self.at is None and self.every is None:
            raise ValueError("must have at, every or both")
        return self

    def restart(self) -> Restart:
        """Return the restart that this part of the file describes."""
        return replace(super().restart(), at_seconds=self.at, every_seconds=self.every)


class _Spans(Part):
    omit: list[Annotated[str, Field(min_length=1)]] = Field(default_factory=list)


def _checked_control(text: str) -> str:
    if text:
        parse_loopback(text)
    return text


def _signed_seconds(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError("must be a duration such as 90s or -1h")  # noqa: TRY004  # pydantic wants this type
    return Duration.parse(value).seconds


class _Streaming(Part):
    tls: bool = False
    tlsCertFile: str = ""
    tlsPrivateKeyFile: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if bool(self.tlsCertFile) != bool(self.tlsPrivateKeyFile):
            raise ValueError("must have both tlsCertFile and tlsPrivateKeyFile, or neither")
        if self.tlsCertFile and not self.tls:
            raise ValueError("must have tls: true for tlsCertFile to be served")
        return self


class RuntimeStubConfiguration(Part):
    """The file's schema; `settings.Settings` says what each field means."""

    apiVersion: Literal["kubeletsim/v1alpha1"]
    kind: Literal["RuntimeStubConfiguration"]
    listen: str = DEFAULT_LISTEN
    profile: Literal["containerd", "crio", "plain"] = "containerd"
    rootDir: str = ""
    seed: int = 0
    latency: Literal["default", "none"] = "default"
    latencies: dict[str, LatencyField] = Field(default_factory=dict)
    rules: list[RuleText] = Field(default_factory=list)
    restarts: list[_Restart] = Field(default_factory=list)
    clockSkew: Annotated[float, PlainValidator(_signed_seconds)] = 0.0
    control: Annotated[str, AfterValidator(_checked_control)] = ""
    spans: _Spans = _Spans()
    tracing: _Tracing = _Tracing()
    images: _Images = _Images()
    network: _Network = _Network()
    streaming: _Streaming = _Streaming()
    cgroupDriver: Literal["cgroupfs", "systemd"] = "cgroupfs"
    runtimeHandlers: list[str] = Field(default_factory=list)
    features: _Features = _Features()

    def settings(self) -> Settings:
        """Return the settings that the file describes."""
        return Settings(
            listen=self.listen,
            profile=self.profile,
            root_dir=self.rootDir,
            seed=self.seed,
            latency=self.latency,
            latencies=self.latencies,
            rules=tuple(one.rule() for one in self.rules),
            restarts=tuple(one.restart() for one in self.restarts),
            clock_skew_seconds=self.clockSkew,
            control=self.control,
            omitted_spans=tuple(self.spans.omit),
            otlp_endpoint=self.tracing.endpoint,
            sampling_rate_per_million=self.tracing.samplingRatePerMillion,
            sandbox_image=self.images.sandbox,
            preloaded_images=tuple(self.images.preloaded),
            pod_cidr=self.network.podCIDR,
            streaming_tls=self.streaming.tls,
            streaming_cert_file=self.streaming.tlsCertFile,
            streaming_key_file=self.streaming.tlsPrivateKeyFile,
            cgroup_driver=self.cgroupDriver,
            runtime_handlers=tuple(self.runtimeHandlers),
            features=Features(
                recursive_read_only_mounts=self.features.recursiveReadOnlyMounts,
                user_namespaces=self.features.userNamespaces,
                supplemental_groups_policy=self.features.supplementalGroupsPolicy,
                user_namespaces_host_network=self.features.userNamespacesHostNetwork,
            ),
            catalogue=tuple(one.entry() for one in self.images.catalogue),
        )


def restart_of(document: object) -> Restart | list[tuple[Where, str]]:
    """Return the restart that a request describes, which comes at once; or what is wrong with it."""
    try:
        return _Going.model_validate(document).restart()
    except ValidationError as error:
        return worded(_Going, error)


def load_settings(path: Path) -> Settings:
    """Return the settings of a configuration file.

    Raises:
        SettingsError: the file cannot be read, is no YAML, or breaks a rule; every fault is named with its path.
    """
    document = _read(path)
    source = Source(str(path), document.lines)
    if not isinstance(document.value, dict):
        raise SettingsError(f"{path}: must be a mapping with apiVersion {API_VERSION} and kind {KIND}")
    faults = [source.fault(where, f"given twice, again in line {line}") for where, line in document.duplicates]
    try:
        configuration = RuntimeStubConfiguration.model_validate(document.value)
    except ValidationError as error:
        faults += [source.fault(where, what) for where, what in worded(RuntimeStubConfiguration, error)]
    if faults:
        raise SettingsError("\n".join(faults))
    settings = configuration.settings()
    known = (*settings.catalogue, *read_archives(configuration.images.archives, source=source))
    return replace(settings, catalogue=known, source=source)


def _read(path: Path) -> Document:
    try:
        return read_document(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnreadableTextError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not YAML: {error}") from error
