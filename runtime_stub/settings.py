"""This module is the stub's configuration as the program uses it: one frozen value with every default.

`config_file` fills it from a RuntimeStubConfiguration, `cli` from flags, which win. The spelling of the file's fields
is beside each setting.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType

from runtime_stub.behaviour.catalogue import ImageEntry
from runtime_stub.behaviour.distributions import Distribution
from runtime_stub.behaviour.rules.restarts import Restart
from runtime_stub.behaviour.rules.rule import Rule
from runtime_stub.source import Source

DEFAULT_LISTEN = "unix:///run/runtime-stub.sock"
DEFAULT_SANDBOX_IMAGE = "registry.k8s.io/pause:3.10.2"

PROFILE_NAMES = ("containerd", "crio", "plain")
LATENCY_NAMES = ("default", "none")
CGROUP_DRIVERS = ("cgroupfs", "systemd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What Status claims. Whether it is claimed or not, requests for it are treated in the same way."""

    recursive_read_only_mounts: bool = True
    user_namespaces: bool = True
    supplemental_groups_policy: bool = True
    user_namespaces_host_network: bool = True


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
    latencies: Mapping[str, Distribution] = field(default_factory=lambda: MappingProxyType({}))
    """`latencies`: how long pieces of work take in place of what the profile says, by name."""
    rules: tuple[Rule, ...] = ()
    """`rules`: which calls take longer or fail, in the order in which they are asked."""
    restarts: tuple[Restart, ...] = ()
    """`restarts`: when the whole runtime goes away and comes back."""
    clock_skew_seconds: float = 0.0
    """`clockSkew`: by how much the runtime's clock is wrong, in answers and spans."""
    control: str = ""
    """`control`: where the control API listens, on loopback; empty for nowhere."""
    omitted_spans: tuple[str, ...] = ()
    """`spans.omit`: names of spans that are left out; `*` stands for anything."""
    otlp_endpoint: str = ""
    """`tracing.endpoint`: an OTLP gRPC receiver; empty for the one of the environment, or none."""
    sampling_rate_per_million: int = 0
    """`tracing.samplingRatePerMillion`: traces begun here that are kept; what a caller sampled is kept anyway."""
    sandbox_image: str = DEFAULT_SANDBOX_IMAGE
    """`images.sandbox`: present from the start, and pinned."""
    preloaded_images: tuple[str, ...] = ()
    """`images.preloaded`: present from the start."""
    pod_cidr: str = ""
    """`network.podCIDR`: where pods' addresses come from; two ranges, comma-separated, for dual stack. Empty: a /16 of
    127.0.0.0/8 that no other stub of this machine has."""
    cgroup_driver: str = "cgroupfs"
    """`cgroupDriver`: what RuntimeConfig answers."""
    streaming_tls: bool = False
    """`streaming.tls`: serve exec, attach and port-forward over HTTPS."""
    streaming_cert_file: str = ""
    """`streaming.tlsCertFile`: PEM; empty for a self-signed pair."""
    streaming_key_file: str = ""
    """`streaming.tlsPrivateKeyFile`: PEM."""
    runtime_handlers: tuple[str, ...] = ()
    """`runtimeHandlers`: names that RunPodSandbox accepts besides the empty one."""

    features: Features = Features()
    """`features`: what Status claims to support."""
    catalogue: tuple[ImageEntry, ...] = ()
    """`images.catalogue`: what images are like; the first entry that matches counts."""
    source: Source = field(default=Source(), compare=False)
    """Where all this was read."""

    def as_data(self) -> dict[str, object]:
        """Return the settings as JSON data."""
        data = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "source"}
        catalogue = [
            {"name": one.name, "content": one.content, "user": one.user, "files": sorted(one.files)}
            for one in self.catalogue
        ]
        return {
            **data,
            "latencies": {name: str(one) for name, one in self.latencies.items()},
            "rules": [one.name for one in self.rules],
            "restarts": [asdict(one) for one in self.restarts],
            "features": asdict(self.features),
            "catalogue": catalogue,
        }
