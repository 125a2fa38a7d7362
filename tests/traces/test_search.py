"""Claims about the search within a trace."""

from kubeletsim.traces.search import spans_with
from tests.fakes.traces import resource_spans, runs_of, span_message


def test_a_text_is_found_in_whatever_case_wherever_a_span_has_it() -> None:
    plain, named = span_message(span=1), span_message("RunPodSandbox", span=2)
    failed, given = span_message(span=3, error="No Space left"), span_message(span=4, pod="Web-1", size=512, ready=True)
    happened = span_message(span=0xAB5)
    event = happened.events.add(name="image Pulled")
    event.attributes.add(key="layers").value.array_value.values.add().string_value = "sha256:FeFe"
    elsewhere = resource_spans(span_message(span=6), service="Containerd")
    runs = runs_of(resource_spans(plain, named, failed, given, happened), elsewhere)

    def found(text: str) -> list[int]:
        return [int.from_bytes(span_id) for span_id in spans_with(runs, text)]

    for text, spans in {
        "runpod": [2], "NO SPACE": [3], "pod=web": [4], "size=51": [4], "ready=true": [4], "pulled": [0xAB5],
        "layers=": [0xAB5], "fefe": [0xAB5], "containerd": [6], "ab5": [0xAB5], "nowhere": [],
    }.items():  # fmt: skip
        assert found(text) == spans, text


def test_what_is_equal_in_many_spans_is_found_in_each() -> None:
    spans = [span_message(span=number, pod="web" if number % 2 else "db") for number in range(1, 7)]

    assert [span_id[-1] for span_id in spans_with(runs_of(resource_spans(*spans)), "pod=db")] == [2, 4, 6]
