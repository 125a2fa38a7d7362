"""Sampling: the parent decides; a root is kept by Go's trace-id-ratio rule.

The rule is that of go.opentelemetry.io/otel/sdk/trace `TraceIDRatioBased`, which looks at other bits than the Python
SDK's sampler: a trace id must get the same answer here as in a kubelet with the same rate.
"""

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes

_MILLION = 1_000_000


def keeps(trace_id: int, *, rate_per_million: int) -> bool:
    """Tell whether Go's ratio sampler keeps this 128-bit trace id.

    The big-endian integer of bytes 8..15, shifted right by one, must be below rate / 1e6 * 2^63 (a float product,
    cut to an integer as in Go).
    """
    return ((trace_id & 0xFFFF_FFFF_FFFF_FFFF) >> 1) < int(rate_per_million / _MILLION * (1 << 63))


class RootRatio(Sampler):
    """Keeps `rate_per_million` of a million root traces."""

    def __init__(self, rate_per_million: int) -> None:
        self._rate_per_million = rate_per_million

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,  # noqa: ARG002  the rule looks at the trace id alone
        kind: SpanKind | None = None,  # noqa: ARG002
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002
        trace_state: TraceState | None = None,  # noqa: ARG002  the parent's is what counts
    ) -> SamplingResult:
        """Keep or drop by the trace id; the parent's trace state is passed on, as Go does."""
        kept = keeps(trace_id, rate_per_million=self._rate_per_million)
        return SamplingResult(
            Decision.RECORD_AND_SAMPLE if kept else Decision.DROP,
            attributes if kept else None,
            get_current_span(parent_context).get_span_context().trace_state,
        )

    def get_description(self) -> str:
        """Return Go's spelling, e.g. `TraceIDRatioBased{0.5}`."""
        return f"TraceIDRatioBased{{{self._rate_per_million / _MILLION:g}}}"


def kubelet_sampler(rate_per_million: int | None) -> Sampler:
    """Return the sampler of a `samplingRatePerMillion`: null and 0 never sample a root, 1000000 always does.

    Source: component-base/tracing/utils.go, NewProvider.
    """
    if not rate_per_million:
        return ParentBased(ALWAYS_OFF)
    return ParentBased(ALWAYS_ON if rate_per_million >= _MILLION else RootRatio(rate_per_million))
