"""Claims about OTLP: JSON and protobuf say the same, and what is neither is named."""

import contextlib
import json

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from kubeletsim.traces.otlp import OTLPError, decode_span, parse_json_request, parse_request, to_json
from tests.fakes.traces import resource_spans, span_message
from tests.strategies import otlp_resource_spans

# What the OTLP specification shows as its example of the JSON form, with our names.
DOCUMENT = """
{"resourceSpans": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "kubelet"}}]},
  "scopeSpans": [{
    "scope": {"name": "k8s.io/kubernetes/pkg/kubelet", "version": ""},
    "spans": [{
      "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174", "parentSpanId": "eee19b7ec3c1b173",
      "name": "syncPod", "kind": 1, "flags": 257, "futureField": {"a": 1},
      "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": 1544712661000000000,
      "attributes": [{"key": "n", "value": {"intValue": "7"}}, {"key": "b", "value": {"bytesValue": "AAE="}}],
      "links": [{"traceId": "5b8efff798038103d269b633813fc60d", "spanId": "eee19b7ec3c1b175"}],
      "status": {"code": 2, "message": "failed"}
    }]
  }]
}]}
"""


@settings(max_examples=40, deadline=None)  # examples are large
@given(otlp_resource_spans())
def test_what_is_written_as_one_line_of_json_reads_back_equal(made: ResourceSpans) -> None:
    line = to_json([made])

    assert "\n" not in line
    assert parse_json_request(line.encode()) == ExportTraceServiceRequest(resource_spans=[made])


def test_the_specifications_form_is_understood() -> None:
    [read] = parse_json_request(DOCUMENT.encode()).resource_spans
    scope_spans = read.scope_spans[0]
    span = decode_span(scope_spans.spans[0], resource=read.resource, scope=scope_spans.scope)

    assert span.trace_id == "5b8efff798038103d269b633813fc60c"
    assert (span.span_id, span.parent_span_id) == ("eee19b7ec3c1b174", "eee19b7ec3c1b173")
    assert (span.name, span.service, span.kind, span.flags) == ("syncPod", "kubelet", "INTERNAL", 257)
    assert (span.start_ns, span.duration_ns) == (1544712660000000000, 10**9)
    assert span.attributes == {"n": 7, "b": b"\x00\x01"}
    assert span.links[0].trace_id == "5b8efff798038103d269b633813fc60d"
    assert (span.error, span.status_message) == (True, "failed")


def test_json_has_ids_in_hex_enums_as_numbers_and_long_numbers_as_text() -> None:
    document = json.loads(to_json([resource_spans(span_message(trace=255, span=16, error="no", count=3))]))
    [span] = document["resourceSpans"][0]["scopeSpans"][0]["spans"]

    assert span["traceId"] == "0" * 30 + "ff"
    assert span["spanId"] == "0" * 14 + "10"
    assert "parentSpanId" not in span
    assert span["kind"] == 1
    assert span["startTimeUnixNano"] == "1700000000000000000"
    assert span["attributes"] == [{"key": "count", "value": {"intValue": "3"}}]
    assert span["status"] == {"code": 2, "message": "no"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"resourceSpans": 1}',
        b'{"resourceSpans": [1]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": 5}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"startTimeUnixNano": "-1"}]}]}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [{"value": {"intValue": "x"}}]}]}]}]}',
        b'{"a":' * 100_000,
    ],
    ids=lambda body: body[:30].decode(errors="replace"),
)
def test_what_is_no_request_in_json_is_an_otlp_error(body: bytes) -> None:
    with pytest.raises(OTLPError, match=r"not an ExportTraceServiceRequest in JSON|want a JSON object"):
        parse_json_request(body)


@given(st.recursive(st.one_of(st.none(), st.integers(), st.text(max_size=5)), lambda inner: st.one_of(
    st.lists(inner, max_size=3),
    st.dictionaries(
        st.sampled_from(["resourceSpans", "scopeSpans", "spans", "links", "traceId", "attributes", "value"]), inner
    ),
)))  # fmt: skip
def test_hostile_json_is_read_or_refused_but_never_more(document: object) -> None:
    with contextlib.suppress(OTLPError):
        parse_json_request(json.dumps(document).encode())


@given(st.binary(max_size=200))
def test_hostile_bytes_are_read_or_refused_but_never_more(body: bytes) -> None:
    with contextlib.suppress(OTLPError):
        parse_request(body)


def test_protobufs_own_json_form_differs_only_in_ids() -> None:
    made = ExportTraceServiceRequest(resource_spans=[resource_spans(span_message())])
    ours = json.loads(to_json(made.resource_spans))
    theirs = json_format.MessageToDict(made, use_integers_for_enums=True)
    for document in (ours, theirs):
        for span in document["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            del span["traceId"], span["spanId"]

    assert ours == theirs


def test_a_resource_without_a_name_is_an_unknown_service() -> None:
    message = resource_spans(span_message())
    del message.resource.attributes[:]
    scope_spans = message.scope_spans[0]

    assert decode_span(scope_spans.spans[0], resource=message.resource, scope=scope_spans.scope).service == (
        "unknown_service"
    )
