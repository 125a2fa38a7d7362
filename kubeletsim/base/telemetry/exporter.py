"""The exporter: encoded batches of spans over OTLP gRPC, with the Go exporter's retries.

The encoding is opentelemetry-exporter-otlp-proto-common's, to which the W3C flags are added that Go writes (257 for a
sampled root, 769 under a remote parent). Channel, settings and retries are our own, since they follow otlptracegrpc and
the environment is an argument here; docs/decisions/0004 says why not OTLPSpanExporter.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.common.version import __version__ as exporter_version
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from kubeletsim.base.telemetry.environment import ExporterSettings, TLSMaterial

# Retries of otlptracegrpc: first wait, growth, spread and longest wait.
_FIRST_WAIT_SECONDS, _WAIT_GROWTH, _WAIT_SPREAD, _LONGEST_WAIT_SECONDS = 5.0, 1.5, 0.5, 30.0
_RETRYABLE = frozenset({
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
})  # fmt: skip
# A collector's gRPC server takes 4 MiB by default; batches of unusually large spans are cut below that.
_LARGEST_REQUEST_BYTES = 3 << 20
# gRPC would wait up to two minutes before it looks again for a receiver that was away.
_LONGEST_RECONNECT_MS = 10_000
_LOOPBACK = ("localhost", "127.", "[::1]", "dns:///localhost", "dns:///127.", "dns:///[::1]", "unix:", "unix-abstract:")


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """An ExportTraceServiceRequest in its wire form, and how many spans are in it."""

    spans: int
    data: bytes


@dataclass(frozen=True, slots=True)
class SendResult:
    """What a receiver made of a batch; `error` is empty unless something was lost."""

    exported: int = 0
    rejected: int = 0
    failed: int = 0
    error: str = ""


class SpanSender(SpanExporter):
    """Sends spans to one receiver; used by one thread at a time, except for `close`."""

    def __init__(
        self,
        settings: ExporterSettings,
        *,
        rng: random.Random,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target = settings.target
        self._settings = settings
        self._rng = rng
        self._monotonic = monotonic
        self._open_channel = _open_channel(settings)
        self._traces = TraceServiceStub(self._open_channel)  # type: ignore[no-untyped-call]  # generated

    def encode(self, spans: Sequence[ReadableSpan]) -> list[EncodedBatch]:
        """Encode spans into as few requests as the size limit of receivers allows."""
        data = _encode(spans).SerializeToString()
        if len(data) <= _LARGEST_REQUEST_BYTES or len(spans) == 1:
            return [EncodedBatch(len(spans), data)]
        half = len(spans) // 2
        return self.encode(spans[:half]) + self.encode(spans[half:])

    def send(self, batch: EncodedBatch, *, timeout_seconds: float, stopping: threading.Event) -> SendResult:
        """Send a batch, with retries until the timeout; once `stopping` is set, one attempt must do.

        Source: otlptracegrpc's client.go and internal/retry.
        """
        request = ExportTraceServiceRequest.FromString(batch.data)
        deadline = self._monotonic() + timeout_seconds
        wait_seconds = _FIRST_WAIT_SECONDS
        while True:
            last_attempt = stopping.is_set()
            try:
                response = self._call(request, timeout_seconds=max(0.001, deadline - self._monotonic()))
            except grpc.RpcError as e:
                error = _describe(e)
                throttle_seconds = _retry_delay_seconds(e)
                if last_attempt or not _is_retryable(e, throttle_seconds):
                    return SendResult(failed=batch.spans, error=error)
            except ValueError as e:  # the channel was closed meanwhile
                return SendResult(failed=batch.spans, error=str(e))
            else:
                return _accepted(batch, response)
            spread = 1 + _WAIT_SPREAD * (2 * self._rng.random() - 1)
            pause_seconds = max(throttle_seconds or 0.0, wait_seconds * spread)
            wait_seconds = min(wait_seconds * _WAIT_GROWTH, _LONGEST_WAIT_SECONDS)
            stopping.wait(max(0.0, min(pause_seconds, deadline - self._monotonic())))
            if self._monotonic() >= deadline:
                return SendResult(failed=batch.spans, error=error)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode and send at once: the SDK's interface."""
        stopping = threading.Event()
        results = [
            self.send(batch, timeout_seconds=self._settings.timeout_seconds, stopping=stopping)
            for batch in self.encode(spans)
        ]
        return SpanExportResult.FAILURE if any(r.failed for r in results) else SpanExportResult.SUCCESS

    def close(self) -> None:
        """Close the channel; a call under way fails at once. Safe from any thread."""
        self._open_channel.close()

    def shutdown(self, timeout_millis: float = 30_000, **_: object) -> None:  # noqa: ARG002  the SDK's interface
        """Close the channel: nothing is buffered here."""
        self.close()

    def _call(self, request: ExportTraceServiceRequest, *, timeout_seconds: float) -> ExportTraceServiceResponse:
        response: ExportTraceServiceResponse = self._traces.Export(
            request, metadata=self._settings.headers, timeout=timeout_seconds
        )
        return response


def _encode(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    """Encode as the library does, then add the W3C flags of spans and links, which it leaves out."""
    request = encode_spans(spans)
    by_id = {span.context.span_id.to_bytes(8, "big"): span for span in spans if span.context is not None}
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for encoded in scope_spans.spans:
                span = by_id[encoded.span_id]
                encoded.flags |= int(span.context.trace_flags) if span.context is not None else 0
                for link, encoded_link in zip(span.links, encoded.links, strict=True):
                    encoded_link.flags |= int(link.context.trace_flags)
    return request


def _open_channel(settings: ExporterSettings) -> grpc.Channel:
    """Open a channel to the target exactly as it was given; nothing is dialled before the first call."""
    options, credentials = _channel_options(settings.target), _credentials(settings.tls)
    compression = grpc.Compression.Gzip if settings.gzip else grpc.Compression.NoCompression
    if credentials is None:
        return grpc.insecure_channel(settings.target, options, compression)
    return grpc.secure_channel(settings.target, credentials, options, compression)


def _credentials(tls: TLSMaterial | None) -> grpc.ChannelCredentials | None:
    if tls is None:
        return None
    return grpc.ssl_channel_credentials(
        root_certificates=tls.root_certificates,
        private_key=tls.private_key,
        certificate_chain=tls.certificate_chain,
    )


def _channel_options(target: str) -> list[tuple[str, str | int]]:
    options: list[tuple[str, str | int]] = [
        ("grpc.primary_user_agent", f"OTel-OTLP-Exporter-Python/{exporter_version}"),
        ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_MS),
    ]
    if target.lower().startswith(_LOOPBACK):  # Go never asks a proxy for the loopback; gRPC's C core would
        options.append(("grpc.enable_http_proxy", 0))
    return options


def _accepted(batch: EncodedBatch, response: ExportTraceServiceResponse) -> SendResult:
    rejected = min(max(response.partial_success.rejected_spans, 0), batch.spans)
    message = response.partial_success.error_message or "no reason given"
    return SendResult(
        exported=batch.spans - rejected,
        rejected=rejected,
        error=f"the receiver rejected {rejected} of {batch.spans} spans: {message}" if rejected else "",
    )


def _is_retryable(error: grpc.RpcError, throttle_seconds: float | None) -> bool:
    code = error.code()
    return code in _RETRYABLE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and throttle_seconds is not None)


def _retry_delay_seconds(error: grpc.RpcError) -> float | None:
    """Return the delay of a RetryInfo among the status details; None when the receiver sent none."""
    trailing: Any = error.trailing_metadata()
    for key, value in trailing or ():
        if key == "grpc-status-details-bin":
            try:
                details = Status.FromString(value).details
            except ValueError:  # DecodeError: the receiver's fault, not worth more than its status code
                return None
            info = RetryInfo()
            for detail in details:
                if detail.Unpack(info):
                    return float(info.retry_delay.seconds) + float(info.retry_delay.nanos) / 1e9
    return None


def _describe(error: grpc.RpcError) -> str:
    details = " ".join((error.details() or "").split())
    return f"{error.code().name}: {details}" if details else error.code().name
