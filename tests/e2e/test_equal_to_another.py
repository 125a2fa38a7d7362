"""What the receiver has of a run is what an independent OTLP receiver got of the same run, span for span."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from kubeletsim.traces.store import TraceStore
from tests.e2e.test_page import POD, pod
from tests.fakes.otlp_receiver import FakeReceiver, running_receiver
from tests.lab import Lab

Encoded = tuple[bytes, str, bytes, str, bytes]


def encoded(messages: Iterable[ResourceSpans]) -> set[Encoded]:
    """Return each span with its resource and scope, as bytes."""
    return {
        (
            one.resource.SerializeToString(deterministic=True),
            one.schema_url,
            scope_spans.scope.SerializeToString(deterministic=True),
            scope_spans.schema_url,
            span.SerializeToString(deterministic=True),
        )
        for one in messages
        for scope_spans in one.scope_spans
        for span in scope_spans.spans
    }


@contextmanager
def tee(target: str) -> Iterator[FakeReceiver]:
    """Run the receiver that OTLP's own generated code makes; it passes on each request that it keeps."""
    with grpc.insecure_channel(target) as channel:
        behind = TraceServiceStub(channel)  # type: ignore[no-untyped-call]

        class Tee(FakeReceiver):
            def Export(  # noqa: N802  gRPC's name
                self, request: ExportTraceServiceRequest, context: grpc.ServicerContext
            ) -> ExportTraceServiceResponse:
                super().Export(request, context)
                answer: ExportTraceServiceResponse = behind.Export(request, timeout=30)
                return answer

        with running_receiver(receiver=Tee()) as receiver:
            yield receiver


def test_a_run_is_the_same_in_the_store_and_at_another_receiver(lab: Lab) -> None:
    lab.start_collector()
    with tee(f"127.0.0.1:{lab.grpc_port}") as another:
        lab.grpc_port = int(another.target.rpartition(":")[2])  # what kubelet and runtime are told
        stub, kubelet = lab.start_stub("--latency", "none"), lab.start_kubelet()
        lab.apply(pod())
        lab.wait(lambda: lab.phase(POD) == "Running", what="the pod runs")
        kubelet.stop()
        stub.stop()

        received = encoded(one for request in another.requests for one in request.resource_spans)
        with TraceStore.open(lab.database) as store:
            stored = encoded(one for trace in store.trace_ids() for one in store.resource_spans(trace))
    assert len(received) > 50
    assert stored == received
