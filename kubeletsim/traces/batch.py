"""The batch: requests as they arrived, and beside them what the store finds them by. Pure.

A request's bytes are kept as they are. Only what cannot be stored makes them anew: spans without usable ids, and spans
that came twice. Of each span a handful of columns is read, and of each trace in the batch one part is made of them.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from kubeletsim.traces import wire
from kubeletsim.traces.otlp import UNKNOWN_SERVICE, decode_value, parse_request

_MAX_SQLITE_INTEGER = (1 << 63) - 1
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_SERVICE_NAME = b"\n\x0cservice.name"


@dataclass(frozen=True, slots=True)
class Root:
    """A root span that has arrived."""

    trace_id: str
    service: str
    name: str
    duration_ns: int
    error: bool


@dataclass(slots=True)
class TracePart:
    """What a batch has of one trace. Operations are positions in `Batch.operations`."""

    start_ns: int
    end_ns: int
    spans: int = 0
    errors: int = 0
    root: int | None = None
    root_start_ns: int | None = None
    operations: set[int] = field(default_factory=set)
    span_ids: set[bytes] = field(default_factory=set)


class Batch:
    """One or several requests on their way into the store."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.traces: dict[bytes, TracePart] = {}
        self.operations: dict[tuple[str, str], int] = {}
        """Pairs of service and span name, in the order of their numbers."""
        self.attributes: set[bytes] = set()
        """The encoded KeyValues of spans and resources, each once."""
        self.links: set[bytes] = set()
        """The encoded links of spans, each once."""
        self.roots: list[Root] = []
        self.rejected = 0
        """Spans without a usable trace or span id."""
        self.duplicates = 0
        self._failed: dict[bytes, bool] = {b"": False}

    def add(self, payload: bytes) -> int:
        """Add an encoded request; return how many of its spans were refused.

        Raises:
            OTLPError: the bytes are no request; the batch is as it was.
        """
        request = parse_request(payload)  # in full, so that whatever is stored can be read again
        rejected = self._index(payload)
        if rejected:
            _remove(request, lambda _, __, span: not has_usable_ids(span.trace_id, span.span_id))
            payload = request.SerializeToString()
        self.payloads.append(payload)
        self.rejected += rejected
        return rejected

    @property
    def payload(self) -> bytes:
        """Return everything as one request: encoded requests, one after the other, are their union."""
        return b"".join(self.payloads)

    @property
    def spans(self) -> int:
        """Return the number of spans that can be stored."""
        return sum(part.spans for part in self.traces.values())

    def is_doubtful(self) -> bool:
        """Tell whether span ids occur twice; `without` then finds out whether the spans are equal."""
        return any(part.spans > len(part.span_ids) for part in self.traces.values())

    def without(self, known: Collection[bytes] = ()) -> "Batch":
        """Return a batch without spans that are among the known, or came before in this batch.

        Args:
            known: spans as `identities` tells them.
        """
        request = ExportTraceServiceRequest.FromString(self.payload)
        seen = set(known)

        def came_before(one: ResourceSpans, scope_spans: ScopeSpans, span: SpanMessage) -> bool:
            before = len(seen)
            seen.add(identity(surroundings(one, scope_spans), span))
            return len(seen) == before

        batch = Batch()
        batch.rejected = self.rejected
        batch.duplicates = self.duplicates + _remove(request, came_before)
        payload = request.SerializeToString()
        batch._index(payload)
        batch.payloads.append(payload)
        return batch

    def _index(self, payload: bytes) -> int:
        rejected = 0
        for resource_spans in wire.read(payload):
            resource = resource_spans.resource.attributes
            self.attributes.update(resource)
            service = service_name(resource)
            for scope_spans in resource_spans.scope_spans:
                rejected += self._index_spans(scope_spans.spans, service)
        return rejected

    def _index_spans(self, spans: Iterable[wire.WireSpan], service: str) -> int:
        """Read the columns of spans; return how many cannot be stored. Every microsecond here is one of each span."""
        traces, operations, attributes, rejected = self.traces, self.operations, self.attributes, 0
        for span in spans:
            trace_id, span_id = span.trace_id, span.span_id
            if len(trace_id) != 16 or len(span_id) != 8 or trace_id == _NO_TRACE or span_id == _NO_SPAN:
                rejected += 1
                continue
            start_ns, end_ns = span.start_time_unix_nano, span.end_time_unix_nano
            if end_ns > _MAX_SQLITE_INTEGER or start_ns > _MAX_SQLITE_INTEGER:
                start_ns, end_ns = min(start_ns, _MAX_SQLITE_INTEGER), min(end_ns, _MAX_SQLITE_INTEGER)
            if end_ns < start_ns:
                end_ns = start_ns
            key = (service, span.name)
            if (operation := operations.get(key)) is None:
                operation = operations[key] = len(operations)
            if (part := traces.get(trace_id)) is None:
                part = traces[trace_id] = TracePart(start_ns, end_ns)
            if start_ns < part.start_ns:
                part.start_ns = start_ns
            if end_ns > part.end_ns:
                part.end_ns = end_ns
            part.spans += 1
            part.operations.add(operation)
            part.span_ids.add(span_id)
            attributes.update(span.attributes)
            if links := span.links:
                self.links.update(links)
            if status := span.status:
                part.errors += self._is_error(status)
            if not span.parent_span_id:
                self._add_root(part, span, operation, Root(trace_id.hex(), *key, end_ns - start_ns, error=False))
        return rejected

    def _add_root(self, part: TracePart, span: wire.WireSpan, operation: int, root: Root) -> None:
        self.roots.append(replace(root, error=self._is_error(span.status)))
        start_ns = min(span.start_time_unix_nano, _MAX_SQLITE_INTEGER)
        if part.root_start_ns is None or start_ns < part.root_start_ns:
            part.root, part.root_start_ns = operation, start_ns

    def _is_error(self, status: bytes) -> bool:
        if (failed := self._failed.get(status)) is None:
            failed = self._failed[status] = Status.FromString(status).code == Status.STATUS_CODE_ERROR
        return failed


def service_name(attributes: Iterable[bytes]) -> str:
    """Return the service.name among encoded KeyValues; OTLP's stand-in where there is none."""
    for encoded in attributes:
        if _SERVICE_NAME in encoded and (pair := KeyValue.FromString(encoded)).key == "service.name":
            return str(decode_value(pair.value) or UNKNOWN_SERVICE)
    return UNKNOWN_SERVICE


def surroundings(one: ResourceSpans, scope_spans: ScopeSpans) -> tuple[bytes, bytes]:
    """Return resource and scope, each with its schema, encoded without what they list."""
    return (
        ResourceSpans(resource=one.resource, schema_url=one.schema_url).SerializeToString(),
        ScopeSpans(scope=scope_spans.scope, schema_url=scope_spans.schema_url).SerializeToString(),
    )


def identity(around: tuple[bytes, bytes], span: SpanMessage) -> bytes:
    """Return bytes that are equal when ids, surroundings and content are."""
    return b"\0".join((*around, span.SerializeToString(deterministic=True)))


def _remove(
    request: ExportTraceServiceRequest, is_unwanted: Callable[[ResourceSpans, ScopeSpans, SpanMessage], bool]
) -> int:
    """Take spans out of a request; return how many."""
    removed = 0
    for one in request.resource_spans:
        for scope_spans in one.scope_spans:
            spans = scope_spans.spans
            unwanted = [at for at, span in enumerate(spans) if is_unwanted(one, scope_spans, span)]
            for at in reversed(unwanted):
                del spans[at]
            removed += len(unwanted)
    return removed


def has_usable_ids(trace_id: bytes, span_id: bytes) -> bool:
    """Tell whether ids are what OTLP demands: 16 and 8 bytes, not all of them zero."""
    return len(trace_id) == 16 and len(span_id) == 8 and trace_id != _NO_TRACE and span_id != _NO_SPAN
