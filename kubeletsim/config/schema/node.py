"""The fields about the node: its name service, what it reports, image garbage, cgroups, CPU and memory managers."""

from typing import Annotated

from pydantic import Field

from kubeletsim.base.duration import Duration
from kubeletsim.config.schema.types import GoDuration, Int32, ListOf, OneOf, OrDefault, Pointer, Range, Stage

PERCENT = Range(0, 100)
NOT_NEGATIVE_DURATION = Range(minimum=Duration())


class NodeFields:
    """Cluster DNS, node status, image garbage collection, cgroups, resource managers."""

    clusterDomain: str = ""
    """Domain of the cluster, such as cluster.local; pods search it too."""
    clusterDNS: ListOf[str] = ()
    """IP addresses of the cluster's name servers, for pods with dnsPolicy ClusterFirst."""
    streamingConnectionIdleTimeout: OrDefault[GoDuration] = Duration.of(hours=4)
    """Once closed idle exec and port-forward streams; without effect since the runtime serves them."""
    nodeStatusUpdateFrequency: OrDefault[GoDuration] = Duration.of(seconds=10)
    """How often the node's status is computed; posted then only if it changed."""
    nodeStatusReportFrequency: OrDefault[GoDuration] = Duration.of(minutes=5)
    """How often an unchanged status is posted all the same. If only `nodeStatusUpdateFrequency` is given, this is the
    same."""
    nodeLeaseDurationSeconds: Annotated[OrDefault[Int32], Range(above=0)] = 40
    """Seconds written into the node's Lease, which is renewed four times as often; without renewal the node counts as
    lost."""
    imageMinimumGCAge: Annotated[OrDefault[GoDuration], NOT_NEGATIVE_DURATION] = Duration.of(minutes=2)
    """Youngest age at which an unused image may be removed."""
    imageMaximumGCAge: Annotated[GoDuration, NOT_NEGATIVE_DURATION] = Duration()
    """Age at which an unused image is removed even with plenty of disk; 0s: never. Must exceed `imageMinimumGCAge`."""
    imageGCHighThresholdPercent: Annotated[Pointer[Int32], PERCENT] = 85
    """Use of the image disk, in percent, that starts the removal of unused images."""
    imageGCLowThresholdPercent: Annotated[Pointer[Int32], PERCENT] = 80
    """Use of the image disk, in percent, down to which images are removed; below the high threshold."""
    volumeStatsAggPeriod: OrDefault[GoDuration] = Duration.of(minutes=1)
    """How often the disk use of volumes is computed; negative: never."""
    kubeletCgroups: str = ""
    """Cgroup to run the kubelet in."""
    systemCgroups: str = ""
    """Cgroup for processes that have none yet; needs `cgroupRoot`."""
    cgroupRoot: str = ""
    """Cgroup under which pods' cgroups lie. Empty: the runtime's choice."""
    cgroupsPerQOS: Pointer[bool] = True
    """Make a cgroup for each quality-of-service class and pod."""
    cgroupDriver: Annotated[OrDefault[str], OneOf(("cgroupfs", "systemd"), Stage.NEVER)] = "cgroupfs"
    """Who manages cgroups. The runtime's answer to RuntimeConfig overrides it."""
    cpuManagerPolicy: Annotated[OrDefault[str], OneOf(("none", "static"), Stage.STARTUP)] = "none"
    """static gives Guaranteed containers with whole CPUs those CPUs for themselves."""
    singleProcessOOMKill: Pointer[bool | None] = None
    """Kill the one process that runs out of memory instead of its whole container. Null: false where cgroup v2
    allows it. false is refused on cgroup v1."""
    cpuManagerPolicyOptions: dict[str, str] = Field(default_factory=dict)
    """Refinements of the static CPU policy, such as full-pcpus-only: "true"."""
    cpuManagerReconcilePeriod: OrDefault[GoDuration] = Duration.of(seconds=10)
    """How often the CPU manager puts assignments right."""
    memoryManagerPolicy: Annotated[OrDefault[str], OneOf(("None", "Static"), Stage.STARTUP)] = "None"
    """Static gives Guaranteed pods memory of chosen NUMA nodes."""
    topologyManagerPolicy: Annotated[
        OrDefault[str], OneOf(("none", "best-effort", "restricted", "single-numa-node"))
    ] = "none"
    """How strictly CPUs, memory and devices of a container must come from the same NUMA node."""
    topologyManagerScope: Annotated[OrDefault[str], OneOf(("container", "pod"))] = "container"
    """What is aligned as one: each container, or the whole pod."""
    topologyManagerPolicyOptions: dict[str, str] = Field(default_factory=dict)
    """Refinements of the topology policy, such as prefer-closest-numa-nodes: "true"."""
    qosReserved: dict[str, str] = Field(default_factory=dict)
    """Percentage of a resource kept back from lower classes for Guaranteed pods, such as memory: "50%". Only memory;
    behind the gate QOSReserved."""
