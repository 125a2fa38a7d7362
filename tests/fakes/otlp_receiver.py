"""A real OTLP gRPC receiver in this process, with settable trouble: hanging, refusing, rejecting a part, TLS."""

import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class FakeReceiver(TraceServiceServicer):
    """Keeps every request, and the metadata it came with."""

    target: str = ""
    requests: list[ExportTraceServiceRequest] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    refusals: list[grpc.StatusCode] = field(default_factory=list)  # one is used up by each call
    refusal_metadata: tuple[tuple[str, bytes], ...] = ()
    reject_spans: int = 0
    hanging: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    calls: int = 0

    def Export(  # noqa: N802  gRPC's name
        self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> ExportTraceServiceResponse:
        self.calls += 1
        if self.hanging.is_set():
            self.released.wait(60)
        if self.refusals:
            context.set_trailing_metadata(self.refusal_metadata)
            context.abort(self.refusals.pop(0), "the fake refuses")
        self.metadata.append(dict(context.invocation_metadata()))
        self.requests.append(request)
        response = ExportTraceServiceResponse()
        if self.reject_spans:
            response.partial_success.rejected_spans = self.reject_spans
            response.partial_success.error_message = "no room"
        return response

    @property
    def spans(self) -> list[Span]:
        """Return every span received so far."""
        return [
            span
            for request in self.requests
            for resource_spans in request.resource_spans
            for scope_spans in resource_spans.scope_spans
            for span in scope_spans.spans
        ]

    @property
    def resource(self) -> Resource:
        """Return the resource of the first request."""
        return self.requests[0].resource_spans[0].resource


@contextmanager
def running_receiver(
    address: str = "127.0.0.1:0",
    *,
    credentials: grpc.ServerCredentials | None = None,
    receiver: FakeReceiver | None = None,
) -> Iterator[FakeReceiver]:
    """Serve a receiver until the block ends; `target` says where."""
    receiver = receiver or FakeReceiver()
    with futures.ThreadPoolExecutor(2) as threads:
        server = grpc.server(threads)
        add_TraceServiceServicer_to_server(receiver, server)  # type: ignore[no-untyped-call]
        port = (
            server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
        )
        receiver.target = address if address.startswith("unix") else f"{address.rpartition(':')[0]}:{port}"
        server.start()
        try:
            yield receiver
        finally:
            receiver.released.set()
            server.stop(0).wait()
