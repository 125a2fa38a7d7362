"""Claims about the columns: they say what the JSON says."""

import json
import struct

from hypothesis import given
from hypothesis import strategies as st

from kubeletsim.traces.web.columns import packed
from kubeletsim.traces.web.outline import outline
from tests.fakes.traces import resource_spans, runs_of, span_message

messages = st.builds(
    lambda name, span, parent, start_ms, ms, kind: span_message(
        name, span=span, parent=parent, start_ms=start_ms, ms=ms, kind=kind
    ),
    st.sampled_from(["syncPod", "späße", ""]),
    st.integers(1, 9),
    st.integers(0, 12),
    st.integers(0, 20),
    st.integers(-3, 20),
    st.text(max_size=3),
)


@given(st.lists(messages, min_size=1, max_size=12))
def test_columns_say_what_the_document_says(spans: list) -> None:  # type: ignore[type-arg]
    found = outline(runs_of(resource_spans(*spans)))
    document = found.document("ab" * 16)
    rows = document.pop("rows")

    data = packed(found, "ab" * 16)

    head = struct.unpack_from("<I", data)[0]
    assert json.loads(data[4 : 4 + head]) == document | {"rows": len(spans)}
    count, at = len(spans), 4 + head
    assert at % 8 == 0
    for name, code in (("start", "d"), ("duration", "d"), ("self", "d"), ("spanId", "8s"), ("parent", "i")):
        column = [one for (one,) in struct.iter_unpack(f"<{code}", data[at : at + count * struct.calcsize(f"<{code}")])]
        assert rows[name] == ([one.hex() for one in column] if name == "spanId" else column)
        at += count * struct.calcsize(f"<{code}")
    assert list(struct.unpack_from(f"<{count}i", data, at)) == rows["operation"]
    assert list(data[at + 4 * count :]) == rows["kind"] + rows["marks"]
