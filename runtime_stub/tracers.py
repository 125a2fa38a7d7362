"""This module is the tracers: where spans begin, and which of them are left out.

A span that is left out leaves no gap: what it would have been the parent of belongs to its own parent. A call whose
SERVER span is left out leaves no spans at all, as one that was not sampled.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, Tracer, get_current_span, use_span

from kubeletsim.base.telemetry import Telemetry
from runtime_stub.behaviour.plan import Plan, without


class Tracers:
    """The tracers of the stub.

    Args:
        telemetry: where spans go.
        omitted: names of spans that are left out; `*` stands for anything.
    """

    def __init__(self, telemetry: Telemetry, *, omitted: tuple[str, ...] = ()) -> None:
        self._telemetry = telemetry
        self._omitted = omitted

    def tracer(self, scope: str, version: str = "") -> Tracer:
        """Return the tracer of an instrumentation scope."""
        tracer = self._telemetry.tracer(scope, version)
        return _OmittingTracer(tracer, self) if self._omitted else tracer

    def omits(self, name: str) -> bool:
        """Tell whether spans of a name are left out."""
        return any(fnmatchcase(name, glob) for glob in self._omitted)

    def shown(self, plans: Mapping[str, Plan]) -> Mapping[str, Plan]:
        """Return plans without the spans that are left out."""
        return {rpc: without(plan, self.omits) for rpc, plan in plans.items()} if self._omitted else plans


class _OmittingTracer(Tracer):
    """A tracer some of whose spans record nothing and hand the context on that they were begun in."""

    def __init__(self, tracer: Tracer, tracers: Tracers) -> None:
        self._tracer = tracer
        self._omits = tracers.omits

    def start_span(self, name: str, context: Context | None = None, *args: Any, **kwargs: Any) -> Span:
        """Return a new span, or one that records nothing."""
        if self._omits(name):
            return NonRecordingSpan(get_current_span(context).get_span_context())
        return self._tracer.start_span(name, context, *args, **kwargs)

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # the rest is only handed on
        self, name: str, context: Context | None = None, *args: Any, **kwargs: Any
    ) -> Iterator[Span]:
        """Make a new span the current one as long as the block lasts."""
        with use_span(self.start_span(name, context, *args, **kwargs), end_on_exit=True) as span:
            yield span
