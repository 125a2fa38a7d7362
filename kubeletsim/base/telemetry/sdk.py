"""The SDK's objects, built so that none of its own defaults or environment look-ups count.

Apart from `provider` because importing this costs memory that a node without tracing should not pay.
"""

import random

from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.sdk.version import __version__ as sdk_version
from opentelemetry.trace import Tracer
from opentelemetry.util.types import Attributes

from kubeletsim.base.telemetry.counters import SpanCounters
from kubeletsim.base.telemetry.environment import BatchSettings, ExporterSettings, SpanLimitSettings
from kubeletsim.base.telemetry.exporter import SpanSender
from kubeletsim.base.telemetry.pipeline import SpanPipeline
from kubeletsim.base.telemetry.recording import RecordingTracer
from kubeletsim.base.telemetry.sampling import kubelet_sampler
from kubeletsim.base.telemetry.skew import OnEnd, skewed


class _PlainIds(RandomIdGenerator):
    """Random ids that do not claim to be: Go's SDK does not set the random flag, and `flags` shows it."""

    def is_trace_id_random(self) -> bool:
        return False


class _Provider(TracerProvider):
    """A provider with tracers of ours, whom OTEL_SDK_DISABLED cannot switch off: a kubelet does not read it."""

    def __init__(self, *, resource: Resource, rate_per_million: int | None, limits: SpanLimits, on_end: OnEnd) -> None:
        super().__init__(
            sampler=kubelet_sampler(rate_per_million),
            resource=resource,
            shutdown_on_exit=False,  # lifetimes are blocks, see Telemetry.shutdown
            id_generator=_PlainIds(),
            span_limits=limits,
            meter_provider=NoOpMeterProvider(),
        )
        self._limits = limits
        self._on_end = on_end

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> Tracer:
        scope = InstrumentationScope(
            instrumenting_module_name, instrumenting_library_version or "", schema_url, attributes
        )
        return RecordingTracer(self, scope=scope, limits=self._limits, on_end=self._on_end)


def make_pipeline(
    exporter: ExporterSettings, *, batch: BatchSettings, counters: SpanCounters, rng: random.Random
) -> SpanPipeline:
    """Return a pipeline to the receiver of `exporter`; no connection is made before there is a span."""
    return SpanPipeline(
        SpanSender(exporter, rng=rng),
        settings=batch,
        timeout_seconds=exporter.timeout_seconds,
        counters=counters,
    )


def make_provider(
    *,
    rate_per_million: int | None,
    resource: dict[str, str],
    sdk_resource: bool,
    limits: SpanLimitSettings,
    pipeline: SpanPipeline,
    skew_seconds: float = 0.0,
) -> TracerProvider:
    """Return a provider with exactly this resource, the kubelet's sampler, and the pipeline behind it."""
    sdk = {
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": sdk_version,
    }
    return _Provider(
        resource=Resource((sdk if sdk_resource else {}) | resource),
        rate_per_million=rate_per_million,
        limits=_span_limits(limits),
        on_end=skewed(pipeline.on_end, skew_seconds) if skew_seconds else pipeline.on_end,
    )


def _span_limits(limits: SpanLimitSettings) -> SpanLimits:
    def bound(value: int | None) -> int:
        return SpanLimits.UNSET if value is None else value  # None would make the SDK look at os.environ

    return SpanLimits(
        max_attributes=SpanLimits.UNSET,
        max_events=bound(limits.event_count),
        max_links=bound(limits.link_count),
        max_span_attributes=bound(limits.attribute_count),
        max_event_attributes=bound(limits.attributes_per_event),
        max_link_attributes=bound(limits.attributes_per_link),
        max_attribute_length=SpanLimits.UNSET,
        max_span_attribute_length=bound(limits.attribute_length),
    )
