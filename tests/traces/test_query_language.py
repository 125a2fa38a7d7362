"""Claims about the query language: it means what it says, and a fault is pointed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.traces.filters import AttributeFilter, TraceFilter
from kubeletsim.traces.query_language import QueryError, parse_query

MS, MINUTE = 10**6, 60 * 10**9
NOW_NS = 1_700_000_000_000_000_000


def parsed(text: str) -> TraceFilter:
    return parse_query(text, now_ns=NOW_NS)


def test_the_example_of_the_documentation_means_what_it_says() -> None:
    assert parsed("service:kubelet root:syncPod k8s.pod.name=web* duration>200ms error since:10m") == TraceFilter(
        service="kubelet",
        root_name="syncPod",
        attributes=[AttributeFilter("k8s.pod.name", "web*")],
        min_duration_ns=200 * MS + 1,
        error=True,
        since_ns=NOW_NS - 10 * MINUTE,
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", TraceFilter()),
        ("  \t ", TraceFilter()),
        ("duration>=200ms", TraceFilter(min_duration_ns=200 * MS)),
        ("duration<=200ms", TraceFilter(max_duration_ns=200 * MS)),
        ("duration>1ms duration<2ms", TraceFilter(min_duration_ns=MS + 1, max_duration_ns=2 * MS - 1)),
        ("until:10m", TraceFilter(until_ns=NOW_NS - 10 * MINUTE)),
        ("since:20000d", TraceFilter(since_ns=1)),
        ("limit:5", TraceFilter(limit=5)),
        ("operation:runtime.v1.RuntimeService/*", TraceFilter(operation="runtime.v1.RuntimeService/*")),
        ('root:"two words"', TraceFilter(root_name="two words")),
        ("a=1 b=", None),
        ("url=http://x/?a=b:c", TraceFilter(attributes=[AttributeFilter("url", "http://x/?a=b:c")])),
        ('"service"=x', TraceFilter(attributes=[AttributeFilter("service", "x")])),
        ("error=true", TraceFilter(attributes=[AttributeFilter("error", "true")])),
        ('note=""', TraceFilter(attributes=[AttributeFilter("note", "")])),
        ("a=1 a=2", TraceFilter(attributes=[AttributeFilter("a", "1"), AttributeFilter("a", "2")])),
    ],
)
def test_each_term_becomes_a_part_of_the_filter(text: str, wanted: TraceFilter | None) -> None:
    if wanted is None:
        with pytest.raises(QueryError):
            parsed(text)
    else:
        assert parsed(text) == wanted


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("error duratoin>5ms", 7, "no field 'duratoin'; want service:, root:, operation:, duration>, since:"),
        ("error sync", 7, "'sync' alone says nothing; want `error`"),
        ('"error"', 1, "'error' alone says nothing"),
        ("duration>soon", 10, "'soon' must be a duration such as 200ms"),
        ("duration:5ms", 9, "want duration>200ms or duration<1s"),
        ("service=kubelet", 8, 'service takes a colon, service:value; an attribute of that name is "service"=value'),
        ("root>x", 5, "root takes a colon, root:value"),
        ("k!=v", 2, "`!=` cannot be asked"),
        ("error root:", 12, "want a value here"),
        ("error =x", 7, "want a name here"),
        ('root:"sync', 6, "this quote is never closed"),
        ('root:"sync"Pod', 12, "want a space here"),
        ("root:a root:b", 8, "root is given twice"),
        ("error error", 7, "error is given twice"),
        ("duration>1s duration>=2s", 13, "duration is given twice"),
        ("limit:0", 7, "'0' must be a whole number above 0"),
        ("limit:99999999999999999999", 7, "'99999999999999999999' is too large"),
        ("duration>9999999999h", 10, "'9999999999h' is too large"),
    ],
)
def test_a_fault_names_its_column_and_what_is_allowed(text: str, column: int, reason: str) -> None:
    with pytest.raises(QueryError) as caught:
        parsed(text)

    assert caught.value.column == column
    assert caught.value.reason.startswith(reason)
    assert caught.value.pointed().splitlines()[1:] == [f"  {text}", f"  {' ' * (column - 1)}^"]


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_any_attribute_can_be_asked_for_in_quotes(attributes: dict[str, str]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    clean = {" ".join(key.splitlines()) or "k": " ".join(value.splitlines()) for key, value in attributes.items()}
    visible = {key: value for key, value in clean.items() if key.isprintable() and value.isprintable()}
    text = " ".join(f"{quoted(key)}={quoted(value)}" for key, value in visible.items())

    assert parsed(text).attributes == [AttributeFilter(*pair) for pair in visible.items()] or not visible


PIECES = [*' "\\:=<>!ae\t\udcff', "service", "duration", "error", "200ms", "9" * 400 + "s", "é"]


@given(st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_a_query_or_a_fault_within_it(text: str) -> None:
    column = 1
    try:
        parsed(text)
    except QueryError as error:
        column = error.column

    assert 1 <= column <= len(text) + 1
