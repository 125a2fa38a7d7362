"""The import: a file in OTLP JSON (lines or one document) or Jaeger JSON, as encoded requests for a store.

Which format it is, the file says itself: OTLP documents have `resourceSpans`, Jaeger's have `data`.
"""

import json
from collections.abc import Iterator
from typing import TextIO

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from kubeletsim.traces.encode import encode_spans
from kubeletsim.traces.jaeger_import import JaegerError, jaeger_spans
from kubeletsim.traces.otlp import OTLPError, parse_json_request


class ImportFault(ValueError):
    """A file that cannot be imported; the text says where and why."""


def imported(file: TextIO) -> Iterator[bytes]:
    """Yield encoded requests, one for each line or trace.

    Raises:
        ImportFault: the file is in neither format; what was yielded before is fine.
    """
    for where, text in _documents(file):
        try:
            yield from _requests(text)
        except (OTLPError, JaegerError) as e:
            raise ImportFault(f"{where}{e}") from e


def _documents(file: TextIO) -> Iterator[tuple[str, str]]:
    """Yield each line that is a document, with its place; or the whole file when the first line is none."""
    try:
        first = True
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            if first and not _is_json(line):
                yield "", line + file.read()
                return
            first = False
            yield f"line {number}: ", line
    except UnicodeDecodeError as e:
        raise ImportFault(f"not UTF-8: {e}") from e


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _requests(text: str) -> Iterator[bytes]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise OTLPError(f"not JSON: {e}") from e
    if not isinstance(document, dict) or not {"data", "resourceSpans", "resource_spans"} & document.keys():
        raise OTLPError("neither OTLP JSON (resourceSpans) nor Jaeger JSON (data)")
    if "data" not in document:
        yield parse_json_request(text.encode("utf-8", "surrogatepass")).SerializeToString()
        return
    for spans in jaeger_spans(document):
        try:
            yield ExportTraceServiceRequest(resource_spans=encode_spans(spans)).SerializeToString()
        except ValueError as e:
            raise JaegerError(f"a value does not fit: {e}") from e
