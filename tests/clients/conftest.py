"""A runtime that answers as told, a client connected to it, and the spans between them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry

from kubeletsim.base.rpc_spans import SCOPE_NAME, SCOPE_VERSION
from kubeletsim.clients.cri import CRIClient
from kubeletsim.clients.endpoint import Endpoint, parse_endpoint
from tests.fakes.cri_server import FakeCRI, serving, socket_directory


@dataclass
class Spans:
    """A tracer and what it recorded."""

    tracer: Tracer
    exporter: InMemorySpanExporter

    @property
    def finished(self) -> tuple[ReadableSpan, ...]:
        """The spans that have ended."""
        return self.exporter.get_finished_spans()


@pytest.fixture
def spans() -> Iterator[Spans]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Spans(provider.get_tracer(SCOPE_NAME, SCOPE_VERSION), exporter)
    provider.shutdown()


@pytest.fixture
async def socket_path() -> AsyncIterator[Path]:
    async with socket_directory() as directory:
        yield directory / "s"


@pytest.fixture
def endpoint(socket_path: Path) -> Endpoint:
    return parse_endpoint(f"unix://{socket_path}")


@pytest.fixture
async def fake(socket_path: Path) -> AsyncIterator[FakeCRI]:
    fake = FakeCRI()
    async with serving(fake, socket_path):
        yield fake


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
async def client(endpoint: Endpoint, spans: Spans, registry: CollectorRegistry) -> AsyncIterator[CRIClient]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(
            CRIClient.connect(
                endpoint,
                timeout_seconds=10,
                tracer=spans.tracer,
                propagator=TraceContextTextMapPropagator(),
                registry=registry,
            )
        )
