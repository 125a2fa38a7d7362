"""This module is the composition root: it builds one life of the runtime on a host, opens its socket, and takes all of
it down again.

Nothing else constructs anything. The order matters at both ends: the state is back before the first call is accepted,
and calls are over before processes, state and spans are closed.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import grpc
from opentelemetry.trace import Tracer

from kubeletsim.base.telemetry import Telemetry
from kubeletsim.base.timing import Clock
from runtime_stub import connections
from runtime_stub.behaviour.catalogue import Catalogue
from runtime_stub.behaviour.plan import Scope
from runtime_stub.behaviour.profiles import Profile
from runtime_stub.behaviour.well_known_images import WELL_KNOWN
from runtime_stub.host import Host, hosting
from runtime_stub.journal import Journal, open_journal
from runtime_stub.listener import Listener, ListenError, claimed, parse_listen
from runtime_stub.machine import Machine
from runtime_stub.network.machine_addresses import listening_sockets, machine_addresses
from runtime_stub.network.placing import change_pod_range, pod_range, tell_of_pod_range
from runtime_stub.network.sockets import opened
from runtime_stub.services.checkpoints import Checkpoints
from runtime_stub.services.containers import Containers
from runtime_stub.services.execs import Execs
from runtime_stub.services.images import ImageHandlers
from runtime_stub.services.injector import Injector
from runtime_stub.services.metrics import Metrics
from runtime_stub.services.performer import Performer
from runtime_stub.services.pulls import Puller
from runtime_stub.services.rpc import generic_handlers
from runtime_stub.services.sandboxes import Sandboxes
from runtime_stub.services.stats import Stats
from runtime_stub.services.status import StatusHandlers
from runtime_stub.services.streams import StreamHandlers
from runtime_stub.settings import Settings
from runtime_stub.state.addresses import AddressPool, parse_ranges
from runtime_stub.streaming import server as streaming
from runtime_stub.streaming.tls import streaming_tls

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""What CRI clients may send, and receive, in one message."""

CLOSING_SECONDS = 0.5
"""How long calls in flight may go on when the stub stops."""


@asynccontextmanager
async def serving(
    settings: Settings, *, environ: Mapping[str, str], clock: Clock | None = None
) -> AsyncIterator[Telemetry]:
    """Serve one life on a host of its own as long as the block lasts.

    Yields the stub's telemetry, whose `run` belongs into a task of the caller's.
    """
    async with hosting(settings, environ=environ, clock=clock) as host, living(host):
        yield host.telemetry


@asynccontextmanager
async def living(host: Host, *, initializing_seconds: float = 0.0) -> AsyncIterator[None]:
    """Serve as long as the block lasts; when it is left, no task, socket or file of this life is open.

    Args:
        host: what it lives on.
        initializing_seconds: for so long every call is UNAVAILABLE.

    Raises:
        ListenError, JournalError, OSError: it cannot begin.
    """
    settings, profile, latency = host.settings, host.profile, host.latency
    listener = parse_listen(settings.listen)
    async with AsyncExitStack() as stack:
        journal = stack.enter_context(open_journal(host.root_dir))
        stack.enter_context(claimed(listener))
        settings = replace(settings, pod_cidr=stack.enter_context(pod_range(settings.pod_cidr, journal)))
        catalogue = Catalogue((*settings.catalogue, *WELL_KNOWN))
        machine = Machine(clock=host.runtime_clock, journal=journal, latency=latency, catalogue=catalogue)
        stack.callback(machine.close)
        performer = _performer(host)
        handlers = handlers_of(settings, profile, machine, performer, journal, host.root_dir)
        streams = streaming.streaming_server(
            machine,
            latency=latency,
            wordings=profile.wordings,
            tracer=host.tracers.tracer(streaming.SCOPE_NAME),
            clock=host.clock,
            tls=await streaming_tls(settings, host.root_dir, host=streaming.HOST),
        )
        handlers.append(StreamHandlers(machine, (await stack.enter_async_context(streams)).url_for))
        injector = _injector(host, machine, listener, initializing_seconds=initializing_seconds)
        generic = generic_handlers(
            handlers,
            performer=performer,
            injector=injector,
            wordings=profile.wordings,
            excepted=profile.excepted,
        )
        await stack.enter_async_context(_listening(listener, generic, _interceptors(listener, host)))
        await stack.enter_async_context(opened(machine.ports, machine_addresses))
        log.info("listening on %s as %s %s", settings.listen, profile.runtime_name, profile.runtime_version)
        tell_of_pod_range(settings.pod_cidr)
        yield


def _injector(host: Host, machine: Machine, listener: Listener, *, initializing_seconds: float) -> Injector:
    injector = Injector(
        host.book,
        machine.world,
        clock=host.clock,
        transfer=host.profile.transfer,
        cut=lambda: connections.cut(listener),
        initializing_seconds=initializing_seconds,
    )
    machine.events.loses = injector.loses
    return injector


def _performer(host: Host) -> Performer:
    def tracer(scope: Scope) -> Tracer:
        return host.tracers.tracer(scope.name, scope.version)

    profile = host.profile
    facts = {
        "snapshotter": profile.snapshotter,
        "runtime_type": profile.runtime_type,
        **profile.facts,
    }
    plans = host.tracers.shown(profile.plans)
    return Performer(plans, latency=host.latency, tracer=tracer, clock=host.clock, facts=facts)


def handlers_of(
    settings: Settings, profile: Profile, machine: Machine, performer: Performer, journal: Journal, root_dir: Path
) -> list[object]:
    """Bring the state back, and return the objects whose methods serve the RPCs."""
    machine.resume()
    pool = AddressPool(parse_ranges(settings.pod_cidr))
    machine.fabric.ranges = lambda: pool.networks
    machine.fabric.machine_sockets, machine.fabric.machine_addresses = listening_sockets, machine_addresses
    for sandbox in machine.world.sandboxes():
        pool.hold(sandbox.ips)
    puller = Puller(machine, id_prefix=profile.image_id_prefix, catalogue=machine.catalogue)
    puller.store(settings.sandbox_image, pinned=True)
    for image in settings.preloaded_images:
        puller.store(image)
    filesystem = root_dir / "images"
    filesystem.mkdir(exist_ok=True)
    return [
        Sandboxes(
            machine,
            performer,
            profile=profile,
            puller=puller,
            pool=pool,
            runtime_handlers=(*profile.runtime_handlers, *settings.runtime_handlers),
            sandbox_image=settings.sandbox_image,
        ),
        Containers(machine, performer, profile=profile),
        Execs(machine, performer, timeout_text=profile.exec_timeout_text),
        Stats(machine, performer, filesystem=filesystem),
        Metrics(machine),
        Checkpoints(machine, runtime_name=profile.runtime_type),
        ImageHandlers(
            machine,
            performer,
            puller=puller,
            filesystem=filesystem,
            lists_container_filesystem=profile.lists_container_filesystem,
        ),
        StatusHandlers(
            machine,
            profile=profile,
            cgroup_driver=settings.cgroup_driver,
            runtime_handlers=(*profile.runtime_handlers, *settings.runtime_handlers),
            pool=pool,
            remember_pod_cidr=lambda pod_cidr: change_pod_range(pod_cidr, journal),
            config=settings.as_data(),
            features=settings.features,
        ),
    ]


@asynccontextmanager
async def _listening(
    listener: Listener, handlers: list[grpc.GenericRpcHandler], interceptors: list[grpc.aio.ServerInterceptor]
) -> AsyncIterator[None]:
    options = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
    ]
    server = grpc.aio.server(interceptors=interceptors, options=options)
    server.add_generic_rpc_handlers(handlers)
    try:
        server.add_insecure_port(listener.target)
    except RuntimeError as error:
        raise ListenError(f"{listener.address}: cannot listen there: in use, or not permitted") from error
    await server.start()
    try:
        yield
    finally:
        await server.stop(CLOSING_SECONDS)


def _interceptors(listener: Listener, host: Host) -> list[grpc.aio.ServerInterceptor]:
    if not host.telemetry.enabled:
        return []
    from kubeletsim.base import rpc_spans  # a fifth of the time it takes to load the stub

    tracer = host.tracers.tracer(rpc_spans.SCOPE_NAME, rpc_spans.SCOPE_VERSION)
    return [rpc_spans.server_interceptor(tracer, host.telemetry.propagator, address=listener.address)]
