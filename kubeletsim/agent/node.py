"""The node: every part of one kubelet, built from its configuration, and the block they live in.

This is the composition root. Only here do the packages meet: pods, pleg and upkeep learn of each other as callables. A
process may hold many nodes, so nothing is global: each has its own telemetry, metric registry, clock and chance.

The order is the kubelet's (cmd/kubelet/app/server.go, pkg/kubelet/kubelet.go): telemetry, the first conversation with
the runtime, the sockets, then the loops. Whatever cannot work fails before the first loop runs.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

from kubeletsim.agent import startup
from kubeletsim.agent.effective import Effective
from kubeletsim.agent.events import JOURNAL_NAME, EventJournal, Recorder, RecordingSettings
from kubeletsim.agent.foundation import Foundation
from kubeletsim.agent.host import Host, node_ips, node_name, read_host, read_resolv_conf
from kubeletsim.agent.image_parts import ImageParts
from kubeletsim.agent.node_usage import read_node_usage
from kubeletsim.agent.pod_parts import PodParts
from kubeletsim.agent.upkeep_parts import build_logs, build_upkeep
from kubeletsim.agent.watching import Watching
from kubeletsim.base.rpc_spans import SCOPE_NAME, SCOPE_VERSION
from kubeletsim.base.telemetry import Telemetry, TelemetrySettingsError, TracingSettings, open_telemetry
from kubeletsim.base.timing import Clock
from kubeletsim.clients.cri import CRIClient
from kubeletsim.clients.endpoint import Endpoint, parse_endpoint
from kubeletsim.config.kubelet_flags import KubeletFlags
from kubeletsim.model.errors import StartupError
from kubeletsim.model.events import Event, ObjectReference
from kubeletsim.model.pressure import NodePressure
from kubeletsim.model.runtime import CgroupDriver, RuntimeStatus
from kubeletsim.pods.requests import NodeFacts, resolv_conf_warning
from kubeletsim.server.app import KubeletServer
from kubeletsim.server.endpoints import NodeView
from kubeletsim.server.settings import server_settings
from kubeletsim.upkeep.container_removal import ContainerRemover
from kubeletsim.upkeep.runtime_state import RuntimeState

if TYPE_CHECKING:
    from kubeletsim.config.schema.kubelet import KubeletConfiguration

SEED_VARIABLE = "KUBELETSIM_SEED"
DEFAULT_SEED = "4345698"
"""Any other would do; under this one the recorded pods are tried again about when they were there."""


CGROUP_V1_DEPRECATED = (
    "cgroup v1 detected. cgroup v1 support is deprecated and will be removed in a future release. Please migrate to "
    "cgroup v2. More information at https://git.k8s.io/enhancements/keps/sig-node/5573-remove-cgroup-v1"
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a node does not own: time, chance and the environment."""

    clock: Clock
    rng: random.Random
    environ: Mapping[str, str]


class Node:
    """One kubelet.

    Args:
        effective: its configuration and flags.
        surroundings: time, chance, environment.

    Raises:
        ConfigError: the node would have no name.
    """

    def __init__(self, effective: Effective, *, surroundings: Surroundings) -> None:
        self._config = effective.config
        self._configz = effective.configz
        self._flags = effective.flags
        self._gates = effective.gates
        self._credential_providers = effective.credential_providers
        self._surroundings = surroundings
        self.name = node_name(self._flags.hostname_override)
        self.registry = CollectorRegistry()
        self._losing_support = Gauge(
            "kubelet_cri_losing_support",
            "the Kubernetes version that the currently running CRI implementation "
            "will lose support on if not upgraded.",
            ["version"],
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        self._shutdown = asyncio.Event()
        self._is_graceful = False

    async def run(self) -> None:
        """Live until cancelled or shut down; every task, socket and span of this node is gone when it returns.

        Raises:
            ConfigError: an endpoint that nobody can dial.
            StartupError: the runtime does not answer, a port is taken, a certificate cannot be read.
        """
        endpoint = parse_endpoint(self._config.containerRuntimeEndpoint)
        async with self._telemetry() as telemetry, self._runtime(telemetry, endpoint) as runtime:
            await runtime.check()
            configured = CgroupDriver(self._config.cgroupDriver)
            driver = await startup.discover_cgroup_driver(
                runtime.uncounted, configured=configured, note_lost_support=self._note_lost_support
            )
            version = await startup.identify(runtime)
            images = self._images()
            await images.settle(runtime)
            if self._config.podCIDR:
                await runtime.update_runtime_config(pod_cidr=self._config.podCIDR)
            status = await startup.learn_features(runtime) or RuntimeStatus(conditions=())
            recorder = self._recorder()
            await self._live(
                Foundation(
                    config=self._config,
                    flags=self._flags,
                    gates=self._gates,
                    facts=self._facts(driver, status),
                    runtime=runtime,
                    runtime_name=version.runtime_name,
                    telemetry=telemetry,
                    registry=self.registry,
                    record=recorder,
                    reference=ObjectReference(kind="Node", name=self.name),
                    clock=self._surroundings.clock,
                    rng=self._surroundings.rng,
                    seed=self._surroundings.environ.get(SEED_VARIABLE, DEFAULT_SEED),
                    images=images,
                ),
                recorder,
            )

    def begin_shutdown(self) -> bool:
        """Have the node end its pods and then itself, if it is up and its configuration gives pods time for that.

        Returns False when there is nothing to wait for, or for the second time: whoever asks has to cancel `run`.
        """
        if not self._is_graceful or self._shutdown.is_set():
            return False
        self._shutdown.set()
        return True

    async def _wait_for_shutdown(self, pods: PodParts) -> None:
        await self._shutdown.wait()
        await pods.shut_down()
        raise _ShutDownError

    async def _live(self, base: Foundation, recorder: Recorder) -> None:
        watching = Watching.build(base)
        state = RuntimeState(base.runtime, clock=base.clock, rng=base.rng, health_checks=watching.health_checks)
        logs = build_logs(base)
        remover = ContainerRemover(base.runtime, logs=logs)
        pressure = NodePressure()
        pods = PodParts.build(base, watching=watching, state=state, remove_container=remover.remove, pressure=pressure)
        self._is_graceful = pods.shutdown.is_graceful
        async with self._server(base, pods) as server:
            base.record(Event(regarding=base.reference, reason="Starting", message="Starting kubelet."))
            for reason, message in _host_warnings(base):
                base.record(Event(regarding=base.reference, type="Warning", reason=reason, message=message))
            await _run_until_shut_down(
                {
                    "server": server.run,
                    "telemetry": base.telemetry.run,
                    "events": recorder.run,
                    "shutdown": lambda: self._wait_for_shutdown(pods),
                    **build_upkeep(base, logs=logs, remover=remover, state=state, pods=pods, pressure=pressure),
                    **pods.runs(),
                }
            )

    def _server(self, base: Foundation, pods: PodParts) -> KubeletServer:
        return KubeletServer(
            server_settings(base.config, node_name=self.name, cert_dir=base.flags.cert_dir),
            node=NodeView(
                pods=pods.shown,
                runtime=base.runtime,
                configz=lambda: self._configz,
                last_sync_loop=pods.sync_loop.last_sync_loop,
                registry=base.registry,
                probe_registry=pods.runtime.probe_registry,
                checkpoints_dir=base.flags.root_dir / "checkpoints",
                stats=base.runtime.uncounted,
                node_usage=lambda: read_node_usage(now=base.clock.now()),
            ),
            telemetry=base.telemetry,
            clock=base.clock,
            rng=base.rng,
        )

    def _images(self) -> ImageParts:
        return ImageParts.build(
            self._config,
            self._flags,
            self._credential_providers,
            environ=self._surroundings.environ,
            clock=self._surroundings.clock,
            registry=self.registry,
        )

    def _recorder(self) -> Recorder:
        settings = RecordingSettings(qps=self._config.eventRecordQPS, burst=self._config.eventBurst)
        journal = EventJournal(self._flags.root_dir / JOURNAL_NAME, node_name=self.name)
        return Recorder(journal, settings=settings, clock=self._surroundings.clock)

    def _telemetry(self) -> Telemetry:
        tracing = self._config.tracing
        settings = TracingSettings(tracing.endpoint, tracing.samplingRatePerMillion) if tracing else None
        resource = {"service.name": "kubelet", "host.name": self.name}
        try:
            telemetry = open_telemetry(settings, resource=resource, environ=self._surroundings.environ)
        except TelemetrySettingsError as error:
            raise StartupError(f"tracing: {error}") from error
        telemetry.counters.register(self.registry)
        return telemetry

    def _runtime(self, telemetry: Telemetry, endpoint: Endpoint) -> AbstractAsyncContextManager[CRIClient]:
        image_endpoint = self._config.imageServiceEndpoint
        return CRIClient.connect(
            endpoint,
            image_endpoint=parse_endpoint(image_endpoint, field="imageServiceEndpoint") if image_endpoint else None,
            timeout_seconds=self._config.runtimeRequestTimeout.seconds,
            tracer=telemetry.tracer(SCOPE_NAME, SCOPE_VERSION),
            propagator=telemetry.propagator,
            registry=self.registry,
        )

    def _note_lost_support(self, version: str) -> None:
        self._losing_support.labels(version).set(1)

    def _facts(self, driver: CgroupDriver, status: RuntimeStatus) -> NodeFacts:
        name_metric = Gauge(
            "kubelet_node_name", "The node's name. The count is always 1.", ["node"], registry=self.registry
        )
        name_metric.labels(self.name).set(1)
        ips = self._flags.node_ip or node_ips(self.name)
        host = read_host(self._flags.root_dir)
        Gauge("kubelet_cgroup_version", "cgroup version on the hosts.", registry=self.registry).set(
            2 if host.cgroup_v2 else 1
        )
        return node_facts(self._config, self._flags, host=host, name=self.name, ips=ips, driver=driver, status=status)


def node_facts(
    config: "KubeletConfiguration",
    flags: KubeletFlags,
    *,
    host: Host,
    name: str,
    ips: tuple[str, ...],
    driver: CgroupDriver,
    status: RuntimeStatus,
) -> NodeFacts:
    """Put together what pods' requests need to know of this node."""
    handler = status.default_handler
    return NodeFacts(
        name=name,
        host_ips=ips,
        root_dir=str(flags.root_dir),
        pod_logs_dir=config.podLogsDir,
        cgroup_driver=driver,
        cgroups_per_qos=config.cgroupsPerQOS,
        cgroup_root=config.cgroupRoot,
        cgroup_v2=host.cgroup_v2,
        has_swap_controller=host.has_swap_controller,
        single_process_oom_kill=bool(config.singleProcessOOMKill),
        cluster_dns=config.clusterDNS,
        cluster_domain=config.clusterDomain,
        resolv_conf=read_resolv_conf(config.resolvConf),
        hosts_file=host.hosts_file,
        memory_capacity_bytes=host.memory_bytes,
        cpu_capacity_milli=1000 * host.cpus,
        ephemeral_storage_capacity_bytes=host.storage_bytes,
        hugepage_sizes=host.hugepage_sizes,
        cpu_cfs_quota=config.cpuCFSQuota,
        cpu_cfs_quota_period_us=round(config.cpuCFSQuotaPeriod.seconds * 1_000_000),
        seccomp_default=config.seccompDefault or flags.seccomp_default,
        selinux_enabled=host.selinux,
        apparmor_enabled=host.apparmor,
        recursive_read_only_mounts=handler.recursive_read_only_mounts,
        user_namespaces=handler.user_namespaces,
        supplemental_groups_policy=status.supplemental_groups_policy,
        extra_masked_paths=host.thermal_paths,
    )


def _host_warnings(base: Foundation) -> Iterator[tuple[str, str]]:
    """Yield reason and message of each Warning event about the machine, once at the start."""
    if not base.facts.cgroup_v2:
        yield "CgroupV1", CGROUP_V1_DEPRECATED
    if (text := resolv_conf_warning(base.config.resolvConf, node=base.facts)) is not None:
        yield "CheckLimitsForResolvConf", text


class _ShutDownError(Exception):
    """The node has shut its pods down; ends the parts."""


async def _run_until_shut_down(parts: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
    try:
        await _run_all(parts)
    except* _ShutDownError:
        pass  # every part has been cancelled, and the node may go


async def _run_all(parts: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
    """Run the parts side by side; one that ends or fails is a bug and ends them all."""
    async with asyncio.TaskGroup() as tasks:
        for name, part in parts.items():
            tasks.create_task(_forever(name, part), name=name)


async def _forever(name: str, part: Callable[[], Awaitable[None]]) -> None:
    await part()
    raise RuntimeError(f"{name} ended, although it should run as long as the node does")
