"""Claims about the exporter, against real gRPC servers: flags, retries, targets, TLS, headers, compression."""

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags

from kubeletsim.base.telemetry.encoding import SpanBatch, SpanEncoder
from kubeletsim.base.telemetry.environment import ExporterSettings, OtelEnvironment
from kubeletsim.base.telemetry.exporter import SendResult, SpanSender
from tests.fakes.authority import Authority
from tests.fakes.counting_proxy import counting_proxy
from tests.fakes.otlp_receiver import FakeReceiver, running_receiver


@pytest.fixture
def receiver() -> Iterator[FakeReceiver]:
    with running_receiver() as running:
        yield running


@dataclass
class Timeline:
    """A clock that only moves when the exporter waits, and what it waited."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def stopping(self) -> threading.Event:
        timeline = self

        class Stopping(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                assert timeout is not None
                timeline.waits.append(timeout)
                timeline.now += timeout
                return False

        return Stopping()


def make_sender(settings: ExporterSettings, timeline: Timeline | None = None) -> SpanSender:
    clock = timeline or Timeline()
    return SpanSender(settings, rng=random.Random(1), monotonic=clock.monotonic)


def batch_of(count: int, *, text: str = "") -> SpanBatch:
    encoder, batch = SpanEncoder(), SpanBatch()
    for number in range(count):
        context = SpanContext(7, number + 1, False, TraceFlags(TraceFlags.SAMPLED))
        span = ReadableSpan("span", context=context, attributes={"text": text}, start_time=1, end_time=2)
        batch.add(span, encoder.encode(span))
    return batch


def send(settings: ExporterSettings, *, timeline: Timeline | None = None, timeout_seconds: float = 10) -> SendResult:
    timeline = timeline or Timeline()
    sender = make_sender(settings, timeline)
    try:
        return sender.send(batch_of(1), timeout_seconds=timeout_seconds, stopping=timeline.stopping())
    finally:
        sender.close()


def test_what_is_retryable_is_tried_again_with_growing_waits(receiver: FakeReceiver) -> None:
    receiver.refusals = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.DATA_LOSS]
    timeline = Timeline()

    result = send(ExporterSettings(target=receiver.target), timeline=timeline, timeout_seconds=100)

    assert result == SendResult(exported=1)
    first, second, third = timeline.waits
    assert 2.5 <= first <= 7.5
    assert 3.75 <= second <= 11.25
    assert 5.625 <= third <= 16.875


@pytest.mark.parametrize("code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAUTHENTICATED])
def test_what_is_not_retryable_fails_at_once(receiver: FakeReceiver, code: grpc.StatusCode) -> None:
    receiver.refusals = [code] * 2

    result = send(ExporterSettings(target=receiver.target))

    assert result == SendResult(failed=1, error=f"{code.name}: the fake refuses")
    assert receiver.calls == 1


def test_an_exhausted_receiver_is_asked_again_only_when_it_says_when(receiver: FakeReceiver) -> None:
    receiver.refusals = [grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert send(ExporterSettings(target=receiver.target)).failed == 1

    info = RetryInfo()
    info.retry_delay.seconds = 8
    detail = Any()
    detail.Pack(info)
    receiver.refusal_metadata = (("grpc-status-details-bin", Status(code=8, details=[detail]).SerializeToString()),)
    receiver.refusals = [grpc.StatusCode.RESOURCE_EXHAUSTED]
    timeline = Timeline()

    assert send(ExporterSettings(target=receiver.target), timeline=timeline).exported == 1
    assert timeline.waits == [8.0]


def test_all_attempts_share_one_deadline(receiver: FakeReceiver) -> None:
    receiver.refusals = [grpc.StatusCode.UNAVAILABLE] * 20
    timeline = Timeline()

    result = send(ExporterSettings(target=receiver.target), timeline=timeline, timeout_seconds=10)

    assert result.failed == 1
    assert timeline.now == pytest.approx(10)


def test_a_hanging_receiver_costs_the_timeout_and_not_more(receiver: FakeReceiver) -> None:
    receiver.hanging.set()
    sender = SpanSender(ExporterSettings(target=receiver.target), rng=random.Random(1))

    result = sender.send(batch_of(1), timeout_seconds=0.2, stopping=threading.Event())
    sender.close()

    assert result.failed == 1
    assert result.error.startswith("DEADLINE_EXCEEDED")


def test_closing_breaks_off_a_call_under_way(receiver: FakeReceiver) -> None:
    receiver.hanging.set()
    sender = SpanSender(ExporterSettings(target=receiver.target), rng=random.Random(1))
    batch = batch_of(1)
    threading.Timer(0.1, sender.close).start()

    stopping = threading.Event()
    stopping.set()

    assert sender.send(batch, timeout_seconds=30, stopping=stopping).failed == 1
    assert sender.send(batch, timeout_seconds=30, stopping=stopping).failed == 1  # and afterwards nothing is sent


def test_a_partial_success_names_what_the_receiver_said(receiver: FakeReceiver) -> None:
    receiver.reject_spans = 1

    result = send(ExporterSettings(target=receiver.target))

    assert result == SendResult(rejected=1, error="the receiver rejected 1 of 1 spans: no room")


@pytest.mark.parametrize(
    "form",
    [
        pytest.param(lambda port: f"localhost:{port}", id="name"),
        pytest.param(lambda port: f"127.0.0.1:{port}", id="IPv4"),
        pytest.param(lambda port: f"dns:///localhost:{port}", id="dns"),
    ],
)
def test_tcp_targets_reach_the_receiver(receiver: FakeReceiver, form: Callable[[str], str]) -> None:
    target = form(receiver.target.rpartition(":")[2])

    assert send(ExporterSettings(target=target)).exported == 1


@pytest.mark.parametrize(
    "form",
    [
        pytest.param("unix://{dir}/otlp.sock", id="unix with slashes"),
        pytest.param("unix:{dir}/otlp.sock", id="unix"),
        pytest.param("unix-abstract:kubeletsim{dir}", id="abstract"),
    ],
)
def test_local_sockets_reach_the_receiver(tmp_path: Path, form: str) -> None:
    target = form.format(dir=tmp_path)
    with running_receiver(target) as receiver:
        assert send(ExporterSettings(target=target)).exported == 1
        assert len(receiver.spans) == 1


def test_an_ipv6_target_is_dialled_as_such(receiver: FakeReceiver) -> None:
    port = receiver.target.rpartition(":")[2]  # where somebody answers, but not at this address

    result = send(ExporterSettings(target=f"[::1]:{port}"), timeout_seconds=5)

    assert result.exported == 0
    assert f"ipv6:%5B::1%5D:{port}" in result.error


@pytest.mark.parametrize("target", ["127.0.0.1", "dns:///127.0.0.1"])
def test_a_bare_host_means_port_443(target: str) -> None:
    assert "127.0.0.1:443" in send(ExporterSettings(target=target)).error


@pytest.mark.parametrize("target", ["unix://relative/otlp.sock", "dns://localhost:{port}"])
def test_forms_that_pass_validation_but_never_work_fail_when_sending(receiver: FakeReceiver, target: str) -> None:
    port = receiver.target.rpartition(":")[2]

    result = send(ExporterSettings(target=target.format(port=port)), timeout_seconds=0.5)

    assert result.failed == 1
    assert receiver.calls == 0


def test_headers_arrive_with_every_export(receiver: FakeReceiver) -> None:
    environment = OtelEnvironment({"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20abc,x-tenant=t1"})

    assert send(environment.exporter(receiver.target)).exported == 1
    assert receiver.metadata[0]["authorization"] == "Bearer abc"
    assert receiver.metadata[0]["x-tenant"] == "t1"
    assert str(receiver.metadata[0]["user-agent"]).startswith("OTel-OTLP-Exporter-Python/")


def test_the_process_environment_has_no_say(receiver: FakeReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "nonsense",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "nonsense",
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "nonsense",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-leaked=1",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-leaked=1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://elsewhere:1",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nonexistent",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": "/nonexistent",
        "OTEL_EXPORTER_OTLP_TRACES_INSECURE": "false",
    }.items():
        monkeypatch.setenv(name, value)

    assert send(ExporterSettings(target=receiver.target)).exported == 1
    assert "x-leaked" not in receiver.metadata[0]


def test_gzip_makes_requests_smaller(receiver: FakeReceiver) -> None:
    sizes = {}
    for gzip in (False, True):
        with counting_proxy(receiver.target) as (target, count):
            sender = make_sender(ExporterSettings(target=target, gzip=gzip))
            batch = batch_of(100, text="x" * 1000)
            assert sender.send(batch, timeout_seconds=10, stopping=threading.Event()).exported == 100
            sender.close()
        sizes[gzip] = sum(count)

    assert sizes[True] * 5 < sizes[False]


def test_certificates_of_the_environment_turn_tls_on(tmp_path: Path) -> None:
    authority = Authority.make()
    server_key, server_certificate = authority.issue("localhost")
    client_key, client_certificate = authority.issue("kubelet")
    for name, content in {
        "ca.pem": authority.pem,
        "client.pem": client_certificate,
        "client.key": client_key,
    }.items():
        (tmp_path / name).write_bytes(content)
    credentials = grpc.ssl_server_credentials(
        [(server_key, server_certificate)], root_certificates=authority.pem, require_client_auth=True
    )
    environ = {
        "OTEL_EXPORTER_OTLP_INSECURE": "true",  # no effect, as upstream
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": str(tmp_path / "ca.pem"),
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(tmp_path / "client.pem"),
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(tmp_path / "client.key"),
    }
    with running_receiver("localhost:0", credentials=credentials) as receiver:
        assert send(OtelEnvironment(environ).exporter(receiver.target)).exported == 1
        plaintext = send(OtelEnvironment({}).exporter(receiver.target), timeout_seconds=0.5)

        assert plaintext.failed == 1
        assert len(receiver.spans) == 1
