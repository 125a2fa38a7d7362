"""Claims about the query of a request for logs."""

import pytest

from kubeletsim.server.container_logs.options import InvalidQuery, LogOptions, UndecodableQuery, decode


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ({}, LogOptions()),
        ({"unknown": "1"}, LogOptions()),
        (
            {"follow": "true", "previous": "1", "timestamps": ""},
            LogOptions(follow=True, previous=True, timestamps=True),
        ),
        ({"follow": "False", "previous": "0"}, LogOptions()),
        ({"tailLines": "0", "limitBytes": "1"}, LogOptions(tail_lines=0, limit_bytes=1)),
        ({"tail": "5", "tailLines": "9"}, LogOptions(tail_lines=5)),
        ({"tail": "all", "tailLines": "9"}, LogOptions()),
        ({"sinceSeconds": "60"}, LogOptions(since_seconds=60)),
        ({"sinceTime": "1970-01-01T00:00:01.5Z"}, LogOptions(since_time_ns=1_500_000_000)),
        ({"sinceTime": "1970-01-01T01:00:00+01:00"}, LogOptions(since_time_ns=0)),
        ({"sinceTime": "null"}, LogOptions(since_time_ns=0)),
        ({"stream": "Stdout"}, LogOptions(stream="Stdout")),
    ],
)
def test_a_query_is_read_as_kubernetes_reads_it(query, options):
    assert decode({name: [value, "ignored"] for name, value in query.items()}) == options


@pytest.mark.parametrize(
    "query",
    [
        {"tailLines": "x"},
        {"limitBytes": ""},
        {"sinceSeconds": "1.5"},
        {"tail": "99999999999999999999"},
        {"sinceTime": "now"},
    ],
)
def test_a_value_of_another_type_cannot_be_decoded(query):
    with pytest.raises(UndecodableQuery):
        decode({name: [value] for name, value in query.items()})


@pytest.mark.parametrize(
    "query",
    [
        {"tailLines": "-1"},
        {"limitBytes": "0"},
        {"sinceSeconds": "0"},
        {"sinceSeconds": "1", "sinceTime": "2020-01-01T00:00:00Z"},
        {"stream": "stdout"},
        {"stream": "Stderr", "tailLines": "1"},
    ],
)
def test_values_out_of_range_or_against_each_other_are_invalid(query):
    with pytest.raises(InvalidQuery):
        decode({name: [value] for name, value in query.items()})


def test_since_counts_back_from_now_or_is_a_time():
    assert LogOptions(since_seconds=10).since_ns(now=100.5) == 90_500_000_000
    assert LogOptions(since_time_ns=7).since_ns(now=100) == 7
    assert LogOptions().since_ns(now=100) is None
