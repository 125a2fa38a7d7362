"""The provider: tracers for one program, made from a TracingConfiguration and the environment.

Nothing global is installed, so a hundred nodes in one process each have their own. Without a configuration the
tracers record nothing and only relay the context that came in. With one, everything the Go SDK of a kubelet
would decide is decided here explicitly, because the Python SDK has other defaults (a telemetry.sdk.* resource,
OTEL_TRACES_SAMPLER, OTEL_SDK_DISABLED, the random-id flag). Source: component-base/tracing/utils.go,
NewProvider.

The SDK and the exporter are imported only when tracing is configured; they cost some 7 MB.
"""

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import NoOpTracerProvider, Tracer, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kubeletsim.base.telemetry.counters import SpanCounters
from kubeletsim.base.telemetry.environment import OtelEnvironment

if TYPE_CHECKING:
    from kubeletsim.base.telemetry.pipeline import SpanPipeline

log = logging.getLogger("kubeletsim.base.telemetry")

_REPORT_PERIOD_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """The `tracing` block of a KubeletConfiguration (component-base/tracing/api/v1, TracingConfiguration)."""

    endpoint: str | None = None
    """gRPC target of the receiver; None asks the environment, then `localhost:4317`."""
    sampling_rate_per_million: int | None = None
    """Root spans kept per million; None and 0 record only what a sampled parent asks for."""


class Telemetry:
    """Tracers of one program, and the way of their spans out of it.

    An async context manager: leaving it flushes within `shutdown`'s default bound.
    """

    def __init__(self, provider: TracerProvider, *, pipeline: "SpanPipeline | None", counters: SpanCounters) -> None:
        self.counters = counters
        self.propagator: TextMapPropagator = CompositePropagator(
            [TraceContextTextMapPropagator(), W3CBaggagePropagator()]
        )
        self._provider = provider
        self._pipeline = pipeline

    @property
    def enabled(self) -> bool:
        """Tell whether tracing is configured at all (spans may still all be dropped by the sampler)."""
        return self._pipeline is not None

    def tracer(self, scope: str, version: str = "") -> Tracer:
        """Return the tracer of an instrumentation scope.

        Begin a root span with an explicit empty context, `context=Context()`: a task copies its creator's context, and
        with it the current span.
        """
        return self._provider.get_tracer(scope, version)

    async def run(self) -> None:
        """Log spans that were dropped, once a minute at most; never returns."""
        reported = 0
        while True:
            await asyncio.sleep(_REPORT_PERIOD_SECONDS)
            dropped = self.counters.dropped
            if dropped > reported:
                log.warning(
                    "traces export: %d spans dropped since the last report, %d in all: queue full (%d waiting)",
                    dropped - reported,
                    dropped,
                    self.counters.pending,
                )
            reported = dropped

    async def flush(self, *, timeout_seconds: float = 5.0) -> bool:
        """Send what has ended so far; tell whether nothing is left within the time."""
        if self._pipeline is None:
            return True
        return await asyncio.to_thread(self._pipeline.force_flush, round(timeout_seconds * 1000))

    async def shutdown(self, *, timeout_seconds: float = 5.0) -> None:
        """Flush, for at most `timeout_seconds`; spans that end afterwards are dropped and counted. Idempotent."""
        if self._pipeline is not None:
            await asyncio.to_thread(self._pipeline.shutdown, timeout_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.shutdown()


def open_telemetry(
    settings: TracingSettings | None,
    *,
    resource: Mapping[str, str],
    environ: Mapping[str, str],
    sdk_resource: bool = False,
    rng: random.Random | None = None,
    skew_seconds: float = 0.0,
) -> Telemetry:
    """Make the telemetry of a program from its `tracing` configuration; None gives one that only relays context.

    Args:
        settings: what the configuration file says, already validated.
        resource: the attributes that nothing overrides, e.g. service.name and host.name of a kubelet.
        environ: where OTEL_* variables are read; os.environ itself never is.
        sdk_resource: add telemetry.sdk.*, as programs other than a kubelet do.
        skew_seconds: by how much the program's clock is to be wrong, in its spans.
        rng: chance for retry delays (not for ids, which must not repeat); the system's when not given.

    Raises:
        TelemetrySettingsError: TLS was asked for and its files cannot be used.
    """
    counters = SpanCounters()
    if settings is None:
        return Telemetry(NoOpTracerProvider(), pipeline=None, counters=counters)
    from kubeletsim.base.telemetry import sdk  # brings the SDK and the exporter with it

    environment = OtelEnvironment(environ)
    pipeline = sdk.make_pipeline(
        environment.exporter(settings.endpoint),
        batch=environment.batch(),
        counters=counters,
        rng=rng or random.Random(),
    )
    provider = sdk.make_provider(
        rate_per_million=settings.sampling_rate_per_million,
        resource=environment.resource() | dict(resource),
        sdk_resource=sdk_resource,
        limits=environment.span_limits(),
        pipeline=pipeline,
        skew_seconds=skew_seconds,
    )
    for warning in environment.warnings:
        log.warning("%s", warning)
    return Telemetry(provider, pipeline=pipeline, counters=counters)
