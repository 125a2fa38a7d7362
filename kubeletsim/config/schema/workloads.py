"""The fields about pods: calls to the runtime, limits, image pulls, eviction, feature gates, swap, container logs."""

from typing import Annotated

from pydantic import Field

from kubeletsim.base.duration import Duration
from kubeletsim.config.schema.serving import NOT_NEGATIVE
from kubeletsim.config.schema.structs import MemorySwapConfiguration
from kubeletsim.config.schema.types import GoDuration, Int32, Int64, OneOf, OrDefault, Pointer, Range

FIREWALL_MARK_BIT = Range(0, 31)


class WorkloadFields:
    """Runtime calls, pod limits, API client, image pulls, eviction, gates, swap, container logs."""

    runtimeRequestTimeout: OrDefault[GoDuration] = Duration.of(minutes=2)
    """Deadline of a CRI call that does not wait for a user's process, such as RunPodSandbox."""
    hairpinMode: Annotated[OrDefault[str], OneOf(("promiscuous-bridge", "hairpin-veth", "none"))] = "promiscuous-bridge"
    """How the container bridge lets a pod reach itself through its service; the network plugin decides nowadays."""
    maxPods: Annotated[OrDefault[Int32], NOT_NEGATIVE] = 110
    """Most pods on the node."""
    podCIDR: str = ""
    """Range of pod addresses on a standalone node; told to the runtime by UpdateRuntimeConfig. In a cluster the API
    server assigns it."""
    podPidsLimit: Pointer[Int64] = -1
    """Most processes of a pod; negative: the node's limit."""
    resolvConf: Pointer[str] = "/etc/resolv.conf"
    """Resolver file that pods' name service settings start from. Empty: pods get none of the node's settings."""
    runOnce: bool = False
    """Removed upstream; must be false."""
    cpuCFSQuota: Pointer[bool] = True
    """Enforce CPU limits with the CFS quota."""
    cpuCFSQuotaPeriod: Pointer[GoDuration] = Duration.of(milliseconds=100)
    """CFS quota period, 1ms to 1s."""
    nodeStatusMaxImages: Annotated[Pointer[Int32], Range(minimum=-1)] = 50
    """Images listed in the node's status; -1: all, 0: none."""
    maxOpenFiles: Annotated[OrDefault[Int64], NOT_NEGATIVE] = 1_000_000
    """Most files the kubelet may have open."""
    contentType: OrDefault[str] = "application/vnd.kubernetes.protobuf"
    """Media type spoken with the API server; here it is always JSON."""
    kubeAPIQPS: Annotated[Pointer[Int32], NOT_NEGATIVE] = 50
    """Requests per second to the API server."""
    kubeAPIBurst: Annotated[OrDefault[Int32], NOT_NEGATIVE] = 100
    """Requests allowed at once before `kubeAPIQPS` slows them down."""
    serializeImagePulls: Pointer[bool] = True
    """Pull one image at a time. Becomes false by itself when `maxParallelImagePulls` is 2 or more."""
    maxParallelImagePulls: Annotated[Pointer[Int32 | None], Range(minimum=1)] = None
    """Images pulled at the same time; above 1 only with `serializeImagePulls` false. Null: no limit, unless
    serialized."""
    evictionHard: dict[str, str] | None = None
    """Thresholds by signal at which pods are evicted at once, as a quantity or a percentage, such as
    memory.available: 100Mi. Null in the main file: memory.available 100Mi, nodefs.available 10%, nodefs.inodesFree 5%,
    imagefs.available 15%, imagefs.inodesFree 5%. Any value replaces that set; see `mergeDefaultEvictionSettings`."""
    evictionSoft: dict[str, str] = Field(default_factory=dict)
    """Thresholds by signal at which pods are evicted after a grace period, which each of them must have."""
    evictionSoftGracePeriod: dict[str, str] = Field(default_factory=dict)
    """How long a soft threshold must hold before pods are evicted, by signal, such as memory.available: 30s."""
    evictionPressureTransitionPeriod: OrDefault[GoDuration] = Duration.of(minutes=5)
    """How long the node waits before it leaves a pressure condition."""
    evictionMaxPodGracePeriod: Int32 = 0
    """Most seconds a pod gets to stop in a soft eviction; 0: none."""
    evictionMinimumReclaim: dict[str, str] = Field(default_factory=dict)
    """How much more than the threshold is reclaimed at least, by signal."""
    mergeDefaultEvictionSettings: Pointer[bool] = False
    """Fill the signals missing in `evictionHard` with their defaults. Works in the main file only."""
    podsPerCore: Annotated[Int32, NOT_NEGATIVE] = 0
    """Most pods for each CPU core, beside `maxPods`; 0: no limit."""
    enableControllerAttachDetach: Pointer[bool] = True
    """Leave attaching and detaching volumes to the controller manager."""
    protectKernelDefaults: bool = False
    """Fail instead of changing kernel settings to what the kubelet expects."""
    makeIPTablesUtilChains: Pointer[bool] = True
    """Make the iptables chain by which other programs detect the kind of iptables in use."""
    iptablesMasqueradeBit: Annotated[Pointer[Int32], FIREWALL_MARK_BIT] = 14
    """Once the firewall mark bit for masquerading; without effect."""
    iptablesDropBit: Annotated[Pointer[Int32], FIREWALL_MARK_BIT] = 15
    """Once the firewall mark bit for dropping; without effect."""
    featureGates: dict[str, bool] = Field(default_factory=dict)
    """Features switched on or off by name. Merged gate by gate with drop-ins and --feature-gates."""
    failSwapOn: Pointer[bool] = True
    """Refuse to start on a machine that swaps. kubeletsim runs no container itself and never looks."""
    memorySwap: MemorySwapConfiguration = Field(default_factory=MemorySwapConfiguration)
    """Swap for the containers of pods."""
    containerLogMaxSize: OrDefault[str] = "10Mi"
    """Size at which a container's log file is rotated, as a quantity; negative: never."""
    containerLogMaxFiles: Annotated[Pointer[Int32], Range(above=1)] = 5
    """Log files kept for each container, the current one included."""
    containerLogMaxWorkers: Annotated[Pointer[Int32], Range(minimum=1)] = 1
    """Log files rotated at the same time."""
    containerLogMonitorInterval: Annotated[Pointer[GoDuration], Range(minimum=Duration.of(seconds=3))] = Duration.of(
        seconds=10
    )
    """How often log sizes are looked at; at least 3s."""
