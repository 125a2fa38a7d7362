"""This module is the composition root: it builds the runtime's parts, opens its socket, and takes all of it down again.

Nothing else constructs anything. The order matters at both ends: the state is back before the first call is accepted,
and calls are over before processes, state and spans are closed.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc
from opentelemetry.trace import Tracer

from kubeletsim.base.telemetry import Telemetry, TracingSettings, open_telemetry
from kubeletsim.base.timing import Clock, SystemClock
from runtime_stub.behaviour.catalogue import Catalogue
from runtime_stub.behaviour.latency import Latency, LatencyModel
from runtime_stub.behaviour.plan import Scope
from runtime_stub.behaviour.profiles import PROFILES, Profile
from runtime_stub.journal import Journal, open_journal
from runtime_stub.listener import Listener, ListenError, claimed, parse_listen
from runtime_stub.machine import Machine
from runtime_stub.ports import answering
from runtime_stub.services.checkpoints import Checkpoints
from runtime_stub.services.containers import Containers
from runtime_stub.services.execs import Execs
from runtime_stub.services.images import ImageHandlers
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

log = logging.getLogger(__name__)

SERVICE_NAME = "runtime-stub"
"""`service.name` of the stub's spans; OTEL_SERVICE_NAME overrides it, as containerd's."""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""What CRI clients may send, and receive, in one message."""

CLOSING_SECONDS = 0.5
"""How long calls in flight may go on when the stub stops."""

_POD_CIDR = "podCIDR"
_ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


async def run(settings: Settings, *, environ: Mapping[str, str]) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        ListenError, JournalError, TelemetrySettingsError, OSError: it cannot start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(settings, environ=environ) as telemetry, asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(telemetry.run(), name="runtime-stub/telemetry")
        await stop.wait()
        log.info("stopping")
        watch.cancel()


@asynccontextmanager
async def serving(
    settings: Settings, *, environ: Mapping[str, str], clock: Clock | None = None
) -> AsyncIterator[Telemetry]:
    """Serve as long as the block lasts; when it is left, no task, socket or file of the stub is open.

    Yields the stub's telemetry, whose `run` belongs into a task of the caller's.
    """
    listener, profile, clock = parse_listen(settings.listen), PROFILES[settings.profile], clock or SystemClock()
    async with AsyncExitStack() as stack:
        root_dir = stack.enter_context(_root_dir(settings.root_dir))
        journal = stack.enter_context(open_journal(root_dir))
        telemetry = await stack.enter_async_context(_telemetry(settings, environ))
        stack.enter_context(claimed(listener))
        latency = latency_model(settings, profile)
        machine = Machine(clock=clock, journal=journal, latency=latency, catalogue=Catalogue(settings.catalogue))
        stack.callback(machine.close)
        performer = _performer(profile, latency, telemetry, clock)
        handlers = handlers_of(settings, profile, machine, performer, journal, root_dir)
        tracer = telemetry.tracer(streaming.SCOPE_NAME)
        streams = streaming.streaming_server(
            machine, latency=latency, wordings=profile.wordings, tracer=tracer, clock=clock
        )
        handlers.append(StreamHandlers(machine, (await stack.enter_async_context(streams)).url_for))
        generic = generic_handlers(handlers, performer=performer, wordings=profile.wordings)
        await stack.enter_async_context(_listening(listener, generic, _interceptors(listener, telemetry)))
        await stack.enter_async_context(answering(machine.ports))
        log.info("listening on %s as %s %s", settings.listen, profile.runtime_name, profile.runtime_version)
        yield telemetry


def latency_model(settings: Settings, profile: Profile) -> LatencyModel:
    """Return the latencies in force: none, or the profile's with the configuration's medians in their place."""
    if settings.latency == "none":
        return LatencyModel({}, seed=settings.seed)
    own = {name: Latency(median_ms) for name, median_ms in settings.latencies.items()}
    return LatencyModel({**profile.latencies, **own}, seed=settings.seed)


def tracing(settings: Settings, environ: Mapping[str, str]) -> TracingSettings | None:
    """Return how to trace; None when no receiver is configured, neither here nor in the environment."""
    if not settings.otlp_endpoint and not any(environ.get(name) for name in _ENDPOINT_VARIABLES):
        return None
    return TracingSettings(
        endpoint=settings.otlp_endpoint or None, sampling_rate_per_million=settings.sampling_rate_per_million
    )


def _performer(profile: Profile, latency: LatencyModel, telemetry: Telemetry, clock: Clock) -> Performer:
    def tracer(scope: Scope) -> Tracer:
        return telemetry.tracer(scope.name, scope.version)

    facts = {
        "snapshotter": profile.snapshotter,
        "runtime_type": profile.runtime_type,
        **profile.facts,
    }
    return Performer(profile.plans, latency=latency, tracer=tracer, clock=clock, facts=facts)


def handlers_of(
    settings: Settings, profile: Profile, machine: Machine, performer: Performer, journal: Journal, root_dir: Path
) -> list[object]:
    """Bring the state back, and return the objects whose methods serve the RPCs."""
    machine.resume()
    pool = AddressPool(parse_ranges(journal.setting(_POD_CIDR) or settings.pod_cidr))
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
            runtime_handlers=settings.runtime_handlers,
            sandbox_image=settings.sandbox_image,
        ),
        Containers(machine, performer, profile=profile),
        Execs(machine, performer),
        Stats(machine, performer, filesystem=filesystem),
        Metrics(machine),
        Checkpoints(machine, runtime_name=profile.runtime_type),
        ImageHandlers(machine, performer, puller=puller, filesystem=filesystem),
        StatusHandlers(
            machine,
            profile=profile,
            cgroup_driver=settings.cgroup_driver,
            runtime_handlers=settings.runtime_handlers,
            pool=pool,
            remember_pod_cidr=lambda pod_cidr: journal.change_setting(_POD_CIDR, pod_cidr),
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


def _interceptors(listener: Listener, telemetry: Telemetry) -> list[grpc.aio.ServerInterceptor]:
    if not telemetry.enabled:
        return []
    from kubeletsim.base import rpc_spans  # a fifth of the time it takes to load the stub

    tracer = telemetry.tracer(rpc_spans.SCOPE_NAME, rpc_spans.SCOPE_VERSION)
    return [rpc_spans.server_interceptor(tracer, telemetry.propagator, address=listener.address)]


def _telemetry(settings: Settings, environ: Mapping[str, str]) -> Telemetry:
    """Return the stub's own provider."""
    name = environ.get("OTEL_SERVICE_NAME", "").strip() or SERVICE_NAME
    resource = {"service.name": name}
    return open_telemetry(tracing(settings, environ), resource=resource, environ=environ, sdk_resource=True)


@contextmanager
def _root_dir(path: str) -> Iterator[Path]:
    """Yield the root directory, made if it is missing; a temporary one when none is configured."""
    if path:
        root_dir = Path(path)
        root_dir.mkdir(parents=True, exist_ok=True)
        yield root_dir
    else:
        with TemporaryDirectory(prefix="runtime-stub-") as temporary:
            yield Path(temporary)
