"""Claims about telemetry as its users see it: tracers, resource, bounds, counts, several in one process."""

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.baggage import get_baggage
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context
from prometheus_client import CollectorRegistry, generate_latest

from kubeletsim.base.telemetry import SpanCounters, Telemetry, TracingSettings, open_telemetry
from kubeletsim.base.telemetry.provider import Telemetry as Provider
from tests.fakes.otlp_receiver import FakeReceiver, running_receiver

EVERYTHING = 1_000_000
KUBELET = {"service.name": "kubelet", "host.name": "vm"}
DEAD = "127.0.0.1:1"


@pytest.fixture
def receiver() -> Iterator[FakeReceiver]:
    with running_receiver() as running:
        yield running


def telemetry_to(target: str, *, rate: int | None = EVERYTHING, **environ: str) -> Telemetry:
    return open_telemetry(TracingSettings(target, rate), resource=KUBELET, environ=environ)


def record(telemetry: Telemetry, count: int = 1, *, context: Context | None = None) -> None:
    """End that many spans."""
    tracer = telemetry.tracer("k8s.io/kubernetes/pkg/kubelet")
    for _ in range(count):
        with tracer.start_as_current_span("syncPod", context=context or Context()):
            pass


def own_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("traces-")]


def remote_parent(*, sampled: bool) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return set_span_in_context(NonRecordingSpan(SpanContext(0xABC, 0xDEF, True, flags)), Context())


async def test_without_a_configuration_spans_record_nothing_and_relay_what_came_in() -> None:
    async with open_telemetry(None, resource=KUBELET, environ={}) as telemetry:
        incoming = telemetry.propagator.extract(
            {"traceparent": f"00-{0xABC:032x}-{0xDEF:016x}-01", "baggage": "tenant=one"}, Context()
        )
        with telemetry.tracer("scope").start_as_current_span("span", context=incoming) as span:
            outgoing: dict[str, str] = {}
            telemetry.propagator.inject(outgoing, context=set_span_in_context(span, incoming))

        assert not telemetry.enabled
        assert not span.is_recording()
        assert outgoing == {"traceparent": f"00-{0xABC:032x}-{0xDEF:016x}-01", "baggage": "tenant=one"}
        assert get_baggage("tenant", incoming) == "one"

        with telemetry.tracer("scope").start_as_current_span("root", context=Context()) as root:
            nothing: dict[str, str] = {}
            telemetry.propagator.inject(nothing, context=set_span_in_context(root, Context()))
        assert nothing == {}


async def test_the_resource_is_exactly_what_was_given_over_what_the_environment_adds(receiver: FakeReceiver) -> None:
    async with telemetry_to(
        receiver.target, OTEL_RESOURCE_ATTRIBUTES="team=nodes,host.name=x", OTEL_SERVICE_NAME="renamed"
    ) as telemetry:
        record(telemetry)

    attributes = {pair.key: pair.value.string_value for pair in receiver.resource.attributes}
    assert attributes == {"service.name": "kubelet", "host.name": "vm", "team": "nodes"}
    assert receiver.requests[0].resource_spans[0].schema_url == ""


async def test_programs_that_are_no_kubelet_may_name_their_sdk(receiver: FakeReceiver) -> None:
    async with open_telemetry(
        TracingSettings(receiver.target, EVERYTHING), resource={}, environ={}, sdk_resource=True
    ) as telemetry:
        record(telemetry)

    assert {"telemetry.sdk.language", "telemetry.sdk.name", "telemetry.sdk.version"} == {
        pair.key for pair in receiver.resource.attributes
    }


async def test_scope_name_kind_and_flags_arrive(receiver: FakeReceiver) -> None:
    async with telemetry_to(receiver.target) as telemetry:
        tracer = telemetry.tracer("otelgrpc", "0.67.0")
        headers: dict[str, str] = {}
        with (
            tracer.start_as_current_span("root", context=Context()) as root,
            tracer.start_as_current_span("child", kind=SpanKind.CLIENT),
        ):
            telemetry.propagator.inject(headers)
        with tracer.start_as_current_span("server", context=telemetry.propagator.extract(headers, Context())):
            pass

    spans = {span.name: span for span in receiver.spans}
    scope = receiver.requests[0].resource_spans[0].scope_spans[0].scope
    assert (scope.name, scope.version) == ("otelgrpc", "0.67.0")
    assert {name: span.flags for name, span in spans.items()} == {"root": 257, "child": 257, "server": 769}
    assert spans["child"].parent_span_id == spans["root"].span_id
    assert headers["traceparent"].endswith("-01")  # the W3C random flag is not set: Go's SDK does not either
    assert root.get_span_context().trace_flags == TraceFlags.SAMPLED


@pytest.mark.parametrize("rate", [None, 0])
async def test_an_unsampled_root_starts_no_thread_and_opens_no_connection(
    receiver: FakeReceiver, rate: int | None
) -> None:
    async with telemetry_to(receiver.target, rate=rate) as telemetry:
        record(telemetry, 100)

        assert not own_threads()
    assert receiver.calls == 0
    assert telemetry.counters == SpanCounters()


@pytest.mark.parametrize(("sampled", "arrive"), [(True, 1), (False, 0)])
@pytest.mark.parametrize("rate", [None, 0, EVERYTHING])
async def test_a_remote_parent_decides_whatever_the_rate(
    receiver: FakeReceiver, rate: int | None, sampled: bool, arrive: int
) -> None:
    async with telemetry_to(receiver.target, rate=rate) as telemetry:
        record(telemetry, context=remote_parent(sampled=sampled))

    assert len(receiver.spans) == arrive
    assert all(span.trace_id == (0xABC).to_bytes(16, "big") for span in receiver.spans)


async def test_a_burst_of_60000_spans_loses_none(receiver: FakeReceiver) -> None:
    telemetry = telemetry_to(receiver.target)
    record(telemetry, 60_000)
    await telemetry.shutdown(timeout_seconds=60)

    assert len(receiver.spans) == 60_000
    assert telemetry.counters == SpanCounters(ended=60_000, exported=60_000)


async def test_a_hanging_receiver_slows_no_span_down_and_shutdown_keeps_its_bound(receiver: FakeReceiver) -> None:
    receiver.hanging.set()
    telemetry = telemetry_to(receiver.target, OTEL_EXPORTER_OTLP_TIMEOUT="600000")
    async with asyncio.timeout(300):  # not ten minutes
        record(telemetry, 5000)
        await telemetry.shutdown(timeout_seconds=0.3)

    assert telemetry.counters == SpanCounters(ended=5000, dropped=5000)


async def test_a_dead_receiver_slows_no_span_down_and_is_reported_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    telemetry = telemetry_to(DEAD, OTEL_BSP_SCHEDULE_DELAY="1", OTEL_EXPORTER_OTLP_TIMEOUT="50")
    record(telemetry, 2000)
    await telemetry.flush(timeout_seconds=10)
    await telemetry.shutdown()

    assert telemetry.counters.failed + telemetry.counters.dropped == 2000
    complaints = [r for r in caplog.records if r.getMessage().startswith(f"traces export: {DEAD}: UNAVAILABLE")]
    assert len(complaints) == 1
    assert complaints[0].exc_info is None


async def test_a_receiver_that_hung_gets_what_still_waits(receiver: FakeReceiver) -> None:
    receiver.hanging.set()
    async with telemetry_to(receiver.target, OTEL_BSP_SCHEDULE_DELAY="1") as telemetry:
        record(telemetry, 600)
        receiver.hanging.clear()
        receiver.released.set()

        assert await telemetry.flush(timeout_seconds=10)
    assert len(receiver.spans) == 600


async def test_several_providers_live_in_one_process_and_none_is_global() -> None:
    before = trace.get_tracer_provider()
    with running_receiver() as first_receiver, running_receiver() as second_receiver:
        async with telemetry_to(first_receiver.target) as first, telemetry_to(second_receiver.target) as second:
            record(first, 2)
            record(second, 3)

        assert len(first_receiver.spans) == 2
        assert len(second_receiver.spans) == 3
    assert trace.get_tracer_provider() is before
    assert not trace.get_tracer("any").start_span("span").is_recording()


async def test_the_process_environment_has_no_say(receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OTEL_SDK_DISABLED": "true",
        "OTEL_TRACES_SAMPLER": "always_off",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "0",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1",
        "OTEL_SPAN_EVENT_COUNT_LIMIT": "0",
        "OTEL_SPAN_LINK_COUNT_LIMIT": "nonsense",
        "OTEL_RESOURCE_ATTRIBUTES": "leaked=1",
        "OTEL_BSP_MAX_QUEUE_SIZE": "1",
    }.items():
        monkeypatch.setenv(name, value)
    async with telemetry_to(receiver.target) as telemetry:
        with telemetry.tracer("scope").start_as_current_span("span", context=Context()) as span:
            span.set_attribute("key", "value")
            span.add_event("event", {"key": "value"})

    [received] = receiver.spans
    assert received.attributes[0].value.string_value == "value"
    assert received.events[0].attributes[0].value.string_value == "value"
    assert len(receiver.resource.attributes) == len(KUBELET)


async def test_span_limits_of_the_environment_hold(receiver: FakeReceiver) -> None:
    async with telemetry_to(
        receiver.target,
        OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="2",
        OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="3",
        OTEL_SPAN_EVENT_COUNT_LIMIT="1",
    ) as telemetry:
        with telemetry.tracer("scope").start_as_current_span("span", context=Context()) as span:
            for number in range(4):
                span.set_attribute(f"key{number}", "value")
                span.add_event(f"event{number}")

    [received] = receiver.spans
    assert [pair.value.string_value for pair in received.attributes] == ["val", "val"]
    assert received.dropped_attributes_count == 2
    assert [event.name for event in received.events] == ["event3"]


async def test_no_limits_means_128_attributes_and_the_last_128_events(receiver: FakeReceiver) -> None:
    async with telemetry_to(receiver.target) as telemetry:
        with telemetry.tracer("scope").start_as_current_span("span", context=Context()) as span:
            for number in range(130):
                span.set_attribute(f"key{number}", "v" * 5000)
                span.add_event(f"event{number}")

    [received] = receiver.spans
    assert len(received.attributes) == len(received.events) == 128
    assert received.events[-1].name == "event129"
    assert len(received.attributes[0].value.string_value) == 5000


async def test_a_malformed_variable_is_warned_of_once_and_changes_nothing(
    receiver: FakeReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    async with telemetry_to(receiver.target, OTEL_BSP_MAX_QUEUE_SIZE="plenty") as telemetry:
        record(telemetry)

    assert caplog.messages == ["OTEL_BSP_MAX_QUEUE_SIZE='plenty': want a whole number above 0; using 65536"]
    assert len(receiver.spans) == 1


def test_counts_are_shown_on_a_registry() -> None:
    registry = CollectorRegistry()
    SpanCounters(ended=20, exported=9, rejected=1, failed=2, dropped=3).register(registry)

    shown = generate_latest(registry).decode()

    for line in (
        'kubeletsim_trace_spans_total{outcome="exported"} 9.0',
        'kubeletsim_trace_spans_total{outcome="rejected"} 1.0',
        'kubeletsim_trace_spans_total{outcome="failed"} 2.0',
        'kubeletsim_trace_spans_total{outcome="dropped"} 3.0',
        "kubeletsim_trace_spans_pending 5.0",
    ):
        assert line in shown.splitlines()


@pytest.mark.looptime
async def test_drops_are_logged_once_a_minute_and_only_when_there_are_new_ones(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counters = SpanCounters()
    telemetry = Provider(trace.NoOpTracerProvider(), pipeline=None, counters=counters)
    async with asyncio.TaskGroup() as tasks:
        reporter = tasks.create_task(telemetry.run(), name="reporter")
        for _ in range(5):
            counters.ended += 10
            counters.dropped += 10
            await asyncio.sleep(11)
        assert not caplog.messages
        await asyncio.sleep(6)
        assert len(caplog.messages) == 1
        await asyncio.sleep(600)
        reporter.cancel()

    assert caplog.messages == [
        "traces export: 50 spans dropped since the last report, 50 in all: queue full (0 waiting)",
    ]
    assert caplog.records[0].levelno == logging.WARNING


async def test_shutdown_twice_is_as_good_as_once(receiver: FakeReceiver) -> None:
    telemetry = telemetry_to(receiver.target)
    record(telemetry)
    await telemetry.shutdown()
    await telemetry.shutdown()

    assert telemetry.counters.exported == 1


async def test_no_thread_outlives_its_telemetry(receiver: FakeReceiver) -> None:
    async with telemetry_to(receiver.target) as telemetry:
        record(telemetry)

    assert not own_threads()
