"""The rows: what the store keeps of a request, taken from the messages in one pass.

A span is kept as it arrived (its bytes, and those of its resource and scope without their lists), and beside it
only what questions are asked about. Pure.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Status

from kubeletsim.traces.otlp import service_name

_MAX_SQLITE_INTEGER = (1 << 63) - 1
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)


class SpanRow(NamedTuple):
    """One span: its bytes and its index columns. `surroundings` and `operation` are positions in `Rows`."""

    trace_id: bytes
    span_id: bytes
    checksum: int
    surroundings: int
    operation: int
    start_ns: int
    duration_ns: int
    error: bool
    root: bool
    raw: bytes


@dataclass(slots=True)
class Rows:
    """What one or several requests come to."""

    surroundings: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Pairs of ResourceSpans and ScopeSpans, encoded without what they list."""
    operations: list[tuple[str, str]] = field(default_factory=list)
    """Pairs of service and span name."""
    spans: list[SpanRow] = field(default_factory=list)
    rejected: int = 0
    """Spans without a usable trace or span id."""
    _known_surroundings: dict[tuple[bytes, bytes], int] = field(default_factory=dict)
    _known_operations: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, resource_spans: Iterable[ResourceSpans]) -> int:
        """Add what a request carries; return how many spans were refused."""
        rejected_before = self.rejected
        for one in resource_spans:
            around = ResourceSpans(resource=one.resource, schema_url=one.schema_url).SerializeToString()
            service = service_name(one.resource)
            for scope_spans in one.scope_spans:
                scope = ScopeSpans(scope=scope_spans.scope, schema_url=scope_spans.schema_url).SerializeToString()
                self._add_spans(scope_spans, self._surroundings_of(around, scope), service)
        return self.rejected - rejected_before

    def _add_spans(self, scope_spans: ScopeSpans, surroundings: int, service: str) -> None:
        seed = blake2b(b"".join(self.surroundings[surroundings]), digest_size=8)
        append = self.spans.append
        for span in scope_spans.spans:
            trace_id, span_id = span.trace_id, span.span_id
            if len(trace_id) != 16 or len(span_id) != 8 or trace_id == _NO_TRACE or span_id == _NO_SPAN:
                self.rejected += 1
                continue
            raw = span.SerializeToString()
            checksum = seed.copy()
            checksum.update(raw)
            start = min(span.start_time_unix_nano, _MAX_SQLITE_INTEGER)
            end = min(span.end_time_unix_nano, _MAX_SQLITE_INTEGER)
            append(
                SpanRow(
                    trace_id,
                    span_id,
                    int.from_bytes(checksum.digest(), "big", signed=True),
                    surroundings,
                    self._operation_of(service, span.name),
                    start,
                    max(0, end - start),
                    span.status.code == Status.STATUS_CODE_ERROR,
                    not span.parent_span_id,
                    raw,
                )
            )

    def _surroundings_of(self, resource: bytes, scope: bytes) -> int:
        number = self._known_surroundings.setdefault((resource, scope), len(self.surroundings))
        if number == len(self.surroundings):
            self.surroundings.append((resource, scope))
        return number

    def _operation_of(self, service: str, name: str) -> int:
        number = self._known_operations.setdefault((service, name), len(self.operations))
        if number == len(self.operations):
            self.operations.append((service, name))
        return number
