"""This module is the configuration file: a RuntimeStubConfiguration in YAML, checked in full before anything starts.

Imported only when a file is given: pydantic takes longer to load than the rest of the stub.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from kubeletsim.base.go_yaml import UnreadableTextError, read_document
from runtime_stub.behaviour.catalogue import ImageEntry
from runtime_stub.settings import (
    DEFAULT_LISTEN,
    DEFAULT_POD_CIDR,
    DEFAULT_SANDBOX_IMAGE,
    Features,
    Settings,
    SettingsError,
)
from runtime_stub.state.addresses import parse_ranges
from runtime_stub.state.references import parse_reference

API_VERSION = "kubeletsim/v1alpha1"
KIND = "RuntimeStubConfiguration"


def _checked_reference(text: str) -> str:
    parse_reference(text)
    return text


def _checked_ranges(text: str) -> str:
    parse_ranges(text)
    return text


Reference = Annotated[str, AfterValidator(_checked_reference)]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Tracing(_Part):
    endpoint: str = ""
    samplingRatePerMillion: int = Field(default=0, ge=0, le=1_000_000)


Port = Annotated[int, Field(ge=1, le=65535)]
AbsolutePath = Annotated[str, Field(pattern="^/")]


class _CatalogueEntry(_Part):
    name: Annotated[str, Field(min_length=1)]
    content: str = ""
    user: str = ""
    command: list[str] = []
    serves: list[Port] = []
    banner: str = ""
    files: dict[AbsolutePath, str] = {}

    def entry(self) -> ImageEntry:
        """Return the entry that this part of the file describes."""
        return ImageEntry(
            name=self.name,
            content=self.content,
            user=self.user,
            command=tuple(self.command),
            serves=tuple(self.serves),
            banner=self.banner,
            files=self.files,
        )


class _Images(_Part):
    sandbox: Reference = DEFAULT_SANDBOX_IMAGE
    preloaded: list[Reference] = []
    catalogue: list[_CatalogueEntry] = []


class _Features(_Part):
    recursiveReadOnlyMounts: bool = True
    userNamespaces: bool = True
    supplementalGroupsPolicy: bool = True


class _Network(_Part):
    podCIDR: Annotated[str, AfterValidator(_checked_ranges)] = DEFAULT_POD_CIDR


class RuntimeStubConfiguration(_Part):
    """The file's schema; `settings.Settings` says what each field means."""

    apiVersion: Literal["kubeletsim/v1alpha1"]
    kind: Literal["RuntimeStubConfiguration"]
    listen: str = DEFAULT_LISTEN
    profile: Literal["containerd", "crio", "plain"] = "containerd"
    rootDir: str = ""
    seed: int = 0
    latency: Literal["default", "none"] = "default"
    latencies: dict[str, Milliseconds] = {}
    tracing: _Tracing = _Tracing()
    images: _Images = _Images()
    network: _Network = _Network()
    cgroupDriver: Literal["cgroupfs", "systemd"] = "cgroupfs"
    runtimeHandlers: list[str] = []
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
            otlp_endpoint=self.tracing.endpoint,
            sampling_rate_per_million=self.tracing.samplingRatePerMillion,
            sandbox_image=self.images.sandbox,
            preloaded_images=tuple(self.images.preloaded),
            pod_cidr=self.network.podCIDR,
            cgroup_driver=self.cgroupDriver,
            runtime_handlers=tuple(self.runtimeHandlers),
            features=Features(
                recursive_read_only_mounts=self.features.recursiveReadOnlyMounts,
                user_namespaces=self.features.userNamespaces,
                supplemental_groups_policy=self.features.supplementalGroupsPolicy,
            ),
            catalogue=tuple(one.entry() for one in self.images.catalogue),
        )


def load_settings(path: Path) -> Settings:
    """Return the settings of a configuration file.

    Raises:
        SettingsError: the file cannot be read, is no YAML, or breaks a rule; every fault is named with its path.
    """
    try:
        document = read_document(path.read_text(encoding="utf-8")).value
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnreadableTextError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not YAML: {error}") from error
    if not isinstance(document, dict):
        raise SettingsError(f"{path}: must be a mapping with apiVersion {API_VERSION} and kind {KIND}")
    try:
        return RuntimeStubConfiguration.model_validate(document).settings()
    except ValidationError as error:
        raise SettingsError("\n".join(f"{path}: {_fault(one)}" for one in error.errors())) from error


def _fault(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{where}: no such field"
    if error["type"] == "missing":
        return f"{where}: required"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {error['input']!r}: {message[:1].lower()}{message[1:]}"
