"""This module is the stub's configuration as the program uses it: one frozen value with every default.

`config_file` fills it from a RuntimeStubConfiguration, `cli` from flags, which win. The spelling of the file's fields
is beside each setting.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType

from runtime_stub.behaviour.catalogue import ImageEntry

DEFAULT_LISTEN = "unix:///run/runtime-stub.sock"
DEFAULT_SANDBOX_IMAGE = "registry.k8s.io/pause:3.10.2"
DEFAULT_POD_CIDR = "10.88.0.0/16"
"""A private range nobody routes to us: addresses of pods are unique and stable, and nothing listens on them."""

PROFILE_NAMES = ("containerd", "crio", "plain")
LATENCY_NAMES = ("default", "none")
CGROUP_DRIVERS = ("cgroupfs", "systemd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What Status claims. Whether it is claimed or not, requests for it are treated in the same way."""

    recursive_read_only_mounts: bool = True
    user_namespaces: bool = True
    supplemental_groups_policy: bool = True


class SettingsError(Exception):
    """The configuration cannot be used; one line a fault: where, what, what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be configured."""

    listen: str = DEFAULT_LISTEN
    """`listen`: `unix:///path`, a plain path, `unix-abstract:name`, or `tcp://host:port`."""
    profile: str = "containerd"
    """`profile`: whom to imitate."""
    root_dir: str = ""
    """`rootDir`: where the state is kept; empty for a temporary directory that is removed at exit."""
    seed: int = 0
    """`seed`: the same seed draws the same latencies."""
    latency: str = "default"
    """`latency`: `default` takes as long as the recordings; `none` takes no time."""
    latencies: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    """`latencies`: medians in milliseconds that replace the profile's, by name."""
    otlp_endpoint: str = ""
    """`tracing.endpoint`: an OTLP gRPC receiver; empty for the one of the environment, or none."""
    sampling_rate_per_million: int = 0
    """`tracing.samplingRatePerMillion`: traces begun here that are kept; what a caller sampled is kept anyway."""
    sandbox_image: str = DEFAULT_SANDBOX_IMAGE
    """`images.sandbox`: present from the start, and pinned."""
    preloaded_images: tuple[str, ...] = ()
    """`images.preloaded`: present from the start."""
    pod_cidr: str = DEFAULT_POD_CIDR
    """`network.podCIDR`: where pods' addresses come from; two ranges, comma-separated, for dual stack."""
    cgroup_driver: str = "cgroupfs"
    """`cgroupDriver`: what RuntimeConfig answers."""
    runtime_handlers: tuple[str, ...] = ()
    """`runtimeHandlers`: names that RunPodSandbox accepts besides the empty one."""

    features: Features = Features()
    """`features`: what Status claims to support."""
    catalogue: tuple[ImageEntry, ...] = ()
    """`images.catalogue`: what images are like; the first entry that matches counts."""

    def as_data(self) -> dict[str, object]:
        """Return the settings as JSON data."""
        data = {one.name: getattr(self, one.name) for one in fields(self)}
        catalogue = [
            {"name": one.name, "content": one.content, "user": one.user, "files": sorted(one.files)}
            for one in self.catalogue
        ]
        return {**data, "latencies": dict(self.latencies), "features": asdict(self.features), "catalogue": catalogue}
