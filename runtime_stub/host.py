"""This module is the host: what stays when the runtime on it is restarted.

The root directory, the way of spans out of the process, the latencies and rules in force with their counts and their
chance, and the plan of restarts. A life of the runtime (`server`) is built on top of it, and may end and begin again.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from kubeletsim.base.telemetry import Telemetry, TracingSettings, open_telemetry
from kubeletsim.base.timing import Clock, ShiftedClock, SystemClock
from runtime_stub.behaviour.distributions import Distribution
from runtime_stub.behaviour.latency import LatencyModel
from runtime_stub.behaviour.profiles import PROFILES, Profile
from runtime_stub.behaviour.rules.restarts import Restart, next_restart
from runtime_stub.behaviour.rules.rule import Rule
from runtime_stub.behaviour.rules.rulebook import Rulebook
from runtime_stub.settings import Settings
from runtime_stub.tracers import Tracers

SERVICE_NAME = "runtime-stub"
"""`service.name` of the stub's spans; OTEL_SERVICE_NAME overrides it, as containerd's."""

_ENDPOINT_VARIABLES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class Restarts:
    """When the runtime has to go: as planned, when somebody asks for it, or for good.

    Args:
        plan: the restarts of the configuration.
        clock: what they are timed by.
    """

    def __init__(self, plan: tuple[Restart, ...], clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self._began = clock.monotonic()
        self._done_seconds = 0.0
        self._asked: asyncio.Queue[Restart | None] = asyncio.Queue()
        self.stopped = asyncio.Event()

    def ask(self, restart: Restart) -> None:
        """Have the runtime restarted now."""
        self._asked.put_nowait(restart)

    def stop(self) -> None:
        """Have the runtime stopped for good."""
        self.stopped.set()
        self._asked.put_nowait(None)

    async def next(self) -> Restart | None:
        """Wait for the next restart, and return it; None for the end."""
        planned = next_restart(self._plan, after_seconds=self._done_seconds)
        elapsed = self._clock.monotonic() - self._began
        try:
            async with asyncio.timeout(max(0.0, planned[0] - elapsed) if planned else None):
                return await self._asked.get()
        except TimeoutError:
            assert planned is not None  # noqa: S101  # only a plan has a time
            self._done_seconds, restart = planned
            return restart


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a life of the runtime is built on."""

    settings: Settings
    profile: Profile
    root_dir: Path
    clock: Clock
    """The right time."""
    runtime_clock: Clock
    """The time as the runtime has it."""
    telemetry: Telemetry
    tracers: Tracers
    latency: LatencyModel
    book: Rulebook
    restarts: Restarts
    configured_rules: list[Rule]
    """The rules of the configuration, whatever else is in force."""

    def take_over(self, settings: Settings) -> None:
        """Put the latencies and rules of other settings in force, from the next call on."""
        self.latency.replace(latencies(settings, self.profile))
        self.configured_rules[:] = settings.rules
        self.book.replace(settings.rules, now=self.clock.monotonic())


@asynccontextmanager
async def hosting(settings: Settings, *, environ: Mapping[str, str], clock: Clock | None = None) -> AsyncIterator[Host]:
    """Keep a host as long as the block lasts; its last spans are sent when it is left.

    Raises:
        TelemetrySettingsError, OSError: it cannot be made.
    """
    clock, profile = clock or SystemClock(), PROFILES[settings.profile]
    with _root_dir(settings.root_dir) as root_dir:
        async with _telemetry(settings, environ) as telemetry:
            yield Host(
                settings=settings,
                profile=profile,
                root_dir=root_dir,
                clock=clock,
                runtime_clock=ShiftedClock(clock, settings.clock_skew_seconds),
                telemetry=telemetry,
                tracers=Tracers(telemetry, omitted=settings.omitted_spans),
                latency=LatencyModel(latencies(settings, profile), seed=settings.seed),
                book=Rulebook(settings.rules, seed=settings.seed, now=clock.monotonic()),
                restarts=Restarts(settings.restarts, clock),
                configured_rules=list(settings.rules),
            )


def latencies(settings: Settings, profile: Profile) -> Mapping[str, Distribution]:
    """Return the latencies in force: none, or the profile's with the configuration's in their place."""
    return {} if settings.latency == "none" else {**profile.latencies, **settings.latencies}


def tracing(settings: Settings, environ: Mapping[str, str]) -> TracingSettings | None:
    """Return how to trace; None when no receiver is configured, neither here nor in the environment."""
    if not settings.otlp_endpoint and not any(environ.get(name) for name in _ENDPOINT_VARIABLES):
        return None
    return TracingSettings(
        endpoint=settings.otlp_endpoint or None, sampling_rate_per_million=settings.sampling_rate_per_million
    )


def _telemetry(settings: Settings, environ: Mapping[str, str]) -> Telemetry:
    """Return the stub's own provider."""
    name = environ.get("OTEL_SERVICE_NAME", "").strip() or SERVICE_NAME
    return open_telemetry(
        tracing(settings, environ),
        resource={"service.name": name},
        environ=environ,
        sdk_resource=True,
        skew_seconds=settings.clock_skew_seconds,
    )


@contextmanager
def _root_dir(path: str) -> Iterator[Path]:
    """Yield the root directory, made if it is missing; a temporary one when none is configured."""
    if path:
        root_dir = Path(path).absolute()  # ImageFsInfo shows it to callers, who are elsewhere
        root_dir.mkdir(parents=True, exist_ok=True)
        yield root_dir
    else:
        with TemporaryDirectory(prefix="runtime-stub-") as temporary:
            yield Path(temporary)
