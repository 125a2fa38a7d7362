"""The exporter: encoded batches of spans over OTLP gRPC, with the Go exporter's retries.

Channel, settings and retries are our own, since they follow otlptracegrpc and the environment is an argument here;
docs/decisions/0004 says why not OTLPSpanExporter.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.version import __version__ as sdk_version

from kubeletsim.base.telemetry.encoding import SpanBatch
from kubeletsim.base.telemetry.environment import ExporterSettings, TLSMaterial

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
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
# gRPC would wait up to two minutes before it looks again for a receiver that was away.
_LONGEST_RECONNECT_MS = 10_000
_LOOPBACK = ("localhost", "127.", "[::1]", "dns:///localhost", "dns:///127.", "dns:///[::1]", "unix:", "unix-abstract:")


@dataclass(frozen=True, slots=True)
class SendResult:
    """What a receiver made of a batch; `error` is empty unless something was lost."""

    exported: int = 0
    rejected: int = 0
    failed: int = 0
    error: str = ""


class SpanSender:
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
        self._export: grpc.UnaryUnaryMultiCallable[bytes, ExportTraceServiceResponse] = self._open_channel.unary_unary(
            _EXPORT, response_deserializer=ExportTraceServiceResponse.FromString
        )

    def send(self, batch: SpanBatch, *, timeout_seconds: float, stopping: threading.Event) -> SendResult:
        """Send a batch, with retries until the timeout; once `stopping` is set, one attempt must do.

        Source: otlptracegrpc's client.go and internal/retry.
        """
        request = batch.wire_form()
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

    def close(self) -> None:
        """Close the channel; a call under way fails at once. Safe from any thread."""
        self._open_channel.close()

    def _call(self, request: bytes, *, timeout_seconds: float) -> ExportTraceServiceResponse:
        response: ExportTraceServiceResponse = self._export(
            request, metadata=self._settings.headers, timeout=timeout_seconds
        )
        return response


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
        ("grpc.primary_user_agent", f"OTel-OTLP-Exporter-Python/{sdk_version}"),
        ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_MS),
    ]
    if target.lower().startswith(_LOOPBACK):  # Go never asks a proxy for the loopback; gRPC's C core would
        options.append(("grpc.enable_http_proxy", 0))
    return options


def _accepted(batch: SpanBatch, response: ExportTraceServiceResponse) -> SendResult:
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
