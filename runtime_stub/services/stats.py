"""This module is the statistics: what running containers and their sandboxes use.

Usage is invented (`behaviour.usage`) but consistent: it only moves forward, a sandbox's is the sum of its containers',
and the CPU rate is derived from two readings, hence 0 at the first. Upstream: internal/cri/server/container_stats.go.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kubeletsim.pb import cri_pb2 as pb
from runtime_stub.behaviour.usage import Usage
from runtime_stub.machine import Machine
from runtime_stub.services.answers import Chunks
from runtime_stub.services.performer import Performer
from runtime_stub.services.scene import Scene
from runtime_stub.services.stopping import container_facts
from runtime_stub.services.usages import container_usage, sandbox_usage
from runtime_stub.state.filters import select_for_stats, select_sandboxes_for_stats
from runtime_stub.state.records import Container, ContainerState, Sandbox, SandboxState
from runtime_stub.state.refusals import Reason, Refusal
from runtime_stub.state.subjects import container_key

UNLIMITED_MEMORY_BYTES = 16 * 1024**3
"""What a container without a limit could use at most: the node's memory, as simulated."""


@dataclass(frozen=True, slots=True)
class _Reading:
    at: int
    cpu: int


class Stats:
    """Handlers of the statistics RPCs."""

    def __init__(self, machine: Machine, performer: Performer, *, filesystem: Path) -> None:
        self._machine = machine
        self._performer = performer
        self._filesystem = str(filesystem)
        self._readings: dict[str, _Reading] = {}

    async def container_stats(self, request: pb.ContainerStatsRequest) -> pb.ContainerStatsResponse:
        """Show what one running container uses."""
        reason = Reason.STATS_CONTAINER_NOT_FOUND
        container = self._machine.world.find_container(request.container_id, reason=reason)
        if container.state is not ContainerState.RUNNING:
            raise Refusal(Reason.NO_STATS)
        scene = Scene(subject=container_key(self._machine.world, container), facts=container_facts(container))
        await self._performer.perform("ContainerStats", scene)
        return pb.ContainerStatsResponse(stats=self._container_stats(container))

    async def list_container_stats(self, request: pb.ListContainerStatsRequest) -> pb.ListContainerStatsResponse:
        """Show what the running containers use that a filter lets through."""
        containers = [one for one in select_for_stats(self._machine.world, request.filter) if _runs(one)]
        scenes = [Scene(facts=container_facts(one)) for one in containers]
        await self._performer.perform("ListContainerStats", Scene(groups={"containers": lambda: scenes}))
        self._forget_the_gone()
        return pb.ListContainerStatsResponse(stats=[self._container_stats(one) for one in containers])

    def pod_sandbox_stats(self, request: pb.PodSandboxStatsRequest) -> pb.PodSandboxStatsResponse:
        """Show what one ready sandbox and its containers use."""
        reason = Reason.STATS_SANDBOX_NOT_FOUND
        sandbox = self._machine.world.find_sandbox(request.pod_sandbox_id, reason=reason)
        if sandbox.state is not SandboxState.READY:
            raise Refusal(Reason.NO_SANDBOX_STATS)
        return pb.PodSandboxStatsResponse(stats=self._sandbox_stats(sandbox))

    def list_pod_sandbox_stats(self, request: pb.ListPodSandboxStatsRequest) -> pb.ListPodSandboxStatsResponse:
        """Show what the ready sandboxes use that a filter lets through."""
        sandboxes = select_sandboxes_for_stats(self._machine.world, request.filter)
        ready = [one for one in sandboxes if one.state is SandboxState.READY]
        return pb.ListPodSandboxStatsResponse(stats=[self._sandbox_stats(one) for one in ready])

    def stream_container_stats(
        self, request: pb.StreamContainerStatsRequest
    ) -> Chunks[pb.ContainerStats, pb.StreamContainerStatsResponse]:
        """Show what the running containers use, in pieces."""
        containers = [one for one in select_for_stats(self._machine.world, request.filter) if _runs(one)]
        items = map(self._container_stats, containers)
        return Chunks(items, lambda chunk: pb.StreamContainerStatsResponse(container_stats=chunk))

    def stream_pod_sandbox_stats(
        self, request: pb.StreamPodSandboxStatsRequest
    ) -> Chunks[pb.PodSandboxStats, pb.StreamPodSandboxStatsResponse]:
        """Show what the ready sandboxes use, in pieces."""
        sandboxes = select_sandboxes_for_stats(self._machine.world, request.filter)
        items = map(self._sandbox_stats, [one for one in sandboxes if one.state is SandboxState.READY])
        return Chunks(items, lambda chunk: pb.StreamPodSandboxStatsResponse(pod_sandbox_stats=chunk))

    def _container_stats(self, container: Container) -> pb.ContainerStats:
        now, usage, config = self._machine.now(), container_usage(self._machine, container), container.config
        return pb.ContainerStats(
            attributes=pb.ContainerAttributes(
                id=container.id, metadata=config.metadata, labels=config.labels, annotations=config.annotations
            ),
            cpu=self._cpu(container.id, now, usage.cpu_core_nanoseconds),
            memory=_memory([usage], now, limit_bytes=container.resources.memory_limit_in_bytes),
            writable_layer=pb.FilesystemUsage(
                timestamp=now,
                fs_id=pb.FilesystemIdentifier(mountpoint=self._filesystem),
                used_bytes=pb.UInt64Value(value=usage.written_bytes),
                inodes_used=pb.UInt64Value(value=usage.inodes),
            ),
        )

    def _sandbox_stats(self, sandbox: Sandbox) -> pb.PodSandboxStats:
        now, config = self._machine.now(), sandbox.config
        containers = [one for one in self._machine.world.containers_of(sandbox.id) if _runs(one)]
        pause = sandbox_usage(self._machine, sandbox)
        usages = [pause, *(container_usage(self._machine, one) for one in containers)]
        linux = pb.LinuxPodSandboxStats(
            cpu=self._cpu(sandbox.id, now, sum(one.cpu_core_nanoseconds for one in usages)),
            memory=_memory(usages, now, limit_bytes=0),
            process=pb.ProcessUsage(timestamp=now, process_count=pb.UInt64Value(value=len(usages))),
            containers=[self._container_stats(one) for one in containers],
        )
        if not sandbox.host_network:
            linux.network.CopyFrom(_network(usages, now))
        attributes = pb.PodSandboxAttributes(
            id=sandbox.id, metadata=config.metadata, labels=config.labels, annotations=config.annotations
        )
        return pb.PodSandboxStats(attributes=attributes, linux=linux)

    def _cpu(self, id_: str, now: int, cpu: int) -> pb.CpuUsage:
        before = self._readings.get(id_)
        rate = 0
        if before is not None and now > before.at:
            rate = max(0, (cpu - before.cpu) * 1_000_000_000 // (now - before.at))
        self._readings[id_] = _Reading(now, cpu)
        return pb.CpuUsage(
            timestamp=now,
            usage_core_nano_seconds=pb.UInt64Value(value=cpu),
            usage_nano_cores=pb.UInt64Value(value=rate),
        )

    def _forget_the_gone(self) -> None:
        world = self._machine.world
        gone = [id_ for id_ in self._readings if not world.get_container(id_) and not world.get_sandbox(id_)]
        for id_ in gone:
            del self._readings[id_]


def _runs(container: Container) -> bool:
    return container.state is ContainerState.RUNNING


def _memory(usages: Iterable[Usage], now: int, *, limit_bytes: int) -> pb.MemoryUsage:
    usages = list(usages)
    working_set = sum(one.working_set_bytes for one in usages)
    available = max(0, (limit_bytes or UNLIMITED_MEMORY_BYTES) - working_set)
    return pb.MemoryUsage(
        timestamp=now,
        working_set_bytes=pb.UInt64Value(value=working_set),
        available_bytes=pb.UInt64Value(value=available),
        usage_bytes=pb.UInt64Value(value=sum(one.usage_bytes for one in usages)),
        rss_bytes=pb.UInt64Value(value=sum(one.rss_bytes for one in usages)),
        page_faults=pb.UInt64Value(value=sum(one.page_faults for one in usages)),
        major_page_faults=pb.UInt64Value(value=sum(one.major_page_faults for one in usages)),
    )


def _network(usages: Iterable[Usage], now: int) -> pb.NetworkUsage:
    usages = list(usages)
    interface = pb.NetworkInterfaceUsage(
        name="eth0",
        rx_bytes=pb.UInt64Value(value=sum(one.received_bytes for one in usages)),
        rx_errors=pb.UInt64Value(value=0),
        tx_bytes=pb.UInt64Value(value=sum(one.sent_bytes for one in usages)),
        tx_errors=pb.UInt64Value(value=0),
    )
    return pb.NetworkUsage(timestamp=now, default_interface=interface, interfaces=[interface])
