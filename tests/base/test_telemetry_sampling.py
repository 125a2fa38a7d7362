"""Claims about sampling: a root gets the answer that Go's sampler gives, a child gets its parent's."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from kubeletsim.base.telemetry.sampling import keeps, kubelet_sampler

trace_ids = st.integers(1, 2**128 - 1)
rates = st.integers(1, 1_000_000)


def go_keeps(trace_id: int, rate_per_million: int) -> bool:
    """The rule in Go's own steps: bytes, big-endian word, shift, compare with a float turned integer."""
    raw = struct.pack(">QQ", trace_id >> 64, trace_id & (2**64 - 1))
    fraction = float(rate_per_million) / float(1_000_000)
    upper_bound = int(fraction * float(1 << 63))
    return struct.unpack(">Q", raw[8:16])[0] >> 1 < upper_bound


def parent(*, sampled: bool, remote: bool, trace_id: int = 1) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    state = TraceState([("vendor", "value")])
    return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 2, remote, flags, state)), Context())


def decide(rate: int | None, trace_id: int, context: Context | None = None) -> bool:
    result = kubelet_sampler(rate).should_sample(context or Context(), trace_id, "name")
    return result.decision is Decision.RECORD_AND_SAMPLE


@given(trace_ids, rates)
def test_a_root_is_kept_exactly_when_go_keeps_it(trace_id: int, rate: int) -> None:
    assert keeps(trace_id, rate_per_million=rate) == go_keeps(trace_id, rate)
    assert decide(rate, trace_id) == go_keeps(trace_id, rate)


@given(rates)
def test_the_rule_looks_at_the_lower_half_of_the_id_and_not_at_its_last_bit(rate: int) -> None:
    bound = int(rate / 1e6 * 2**63)

    assert keeps((bound - 1) << 1, rate_per_million=rate)
    assert keeps(((bound - 1) << 1) | 1, rate_per_million=rate)
    assert keeps((2**128 - 2**64) | ((bound - 1) << 1), rate_per_million=rate)
    assert rate == 1_000_000 or not keeps(bound << 1, rate_per_million=rate)


@given(trace_ids)
@pytest.mark.parametrize("rate", [None, 0])
def test_null_and_zero_never_keep_a_root(rate: int | None, trace_id: int) -> None:
    assert not decide(rate, trace_id)


@given(trace_ids)
def test_a_million_keeps_every_root(trace_id: int) -> None:
    assert decide(1_000_000, trace_id)


@given(trace_ids, st.one_of(st.none(), st.integers(0, 1_000_000)), st.booleans(), st.booleans())
def test_a_parent_decides_whatever_the_rate(trace_id: int, rate: int | None, sampled: bool, remote: bool) -> None:
    assert decide(rate, trace_id, parent(sampled=sampled, remote=remote, trace_id=trace_id)) is sampled


def test_the_parents_trace_state_is_passed_on() -> None:
    result = kubelet_sampler(500_000).should_sample(parent(sampled=True, remote=True), 1, "name")

    assert result.trace_state is not None
    assert result.trace_state.get("vendor") == "value"
