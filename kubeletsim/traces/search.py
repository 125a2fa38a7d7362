"""The search within a trace: in which spans a text occurs, in whatever case.

Looked for in the name, the service, the span's id, the status and, as `key=value`, in attributes, those of events too.
What spans list is taken apart once for all that are equal, and never turned into values: of a hundred thousand spans a
text is found in a fraction of a second. Pure.
"""

from collections.abc import Iterable, Iterator

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from kubeletsim.traces.filters import text_of
from kubeletsim.traces.otlp import decode_value, service_name
from kubeletsim.traces.runs import Run


def spans_with(runs: Iterable[Run], text: str) -> Iterator[bytes]:
    """Yield the ids of the spans in which a text occurs, in the order of arrival."""
    search = _Search(text)
    for run in runs:
        everywhere = search.in_text(service_name(Resource.FromString(run.resource)))
        for span in run.spans:
            if (
                everywhere
                or search.in_text(span.name)
                or search.in_attributes(span.attributes)
                or (span.status and search.in_status(span.status))
                or any(map(search.in_event, span.events))
                or search.needle in span.span_id.hex()
            ):
                yield span.span_id


class _Search:
    """One text, and where it was found or not; what is asked for again is remembered."""

    def __init__(self, text: str) -> None:
        self.needle = text.casefold()
        self._known: dict[str | bytes, bool] = {}

    def in_text(self, text: str) -> bool:
        """Tell whether a name has it."""
        if (found := self._known.get(text)) is None:
            found = self._known[text] = self.needle in text.casefold()
        return found

    def in_attributes(self, pairs: Iterable[bytes]) -> bool:
        """Tell whether one of some encoded KeyValues has it."""
        known = self._known
        for encoded in pairs:
            if (found := known.get(encoded)) is None:
                found = known[encoded] = self._in_pair(KeyValue.FromString(encoded))
            if found:
                return True
        return False

    def in_status(self, encoded: bytes) -> bool:
        """Tell whether the message of an encoded Status has it."""
        return self.in_text(Status.FromString(encoded).message)

    def in_event(self, encoded: bytes) -> bool:
        """Tell whether an encoded Event has it."""
        event = Span.Event.FromString(encoded)
        return self.in_text(event.name) or any(map(self._in_pair, event.attributes))

    def _in_pair(self, pair: KeyValue) -> bool:
        return self.needle in f"{pair.key}={text_of(decode_value(pair.value))}".casefold()
