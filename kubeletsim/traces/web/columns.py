"""The columns: an outline as bytes that a browser looks at without reading them.

A hundred thousand spans as JSON cost the server a tenth of a second to write and the browser's main thread another to
read, which is a frame that everybody sees. Here each column is what a typed array wants: little-endian, in line.

    4 bytes   the length of what follows, up to the columns
    JSON      what is not a column, and `rows`, their number; spaces up to a multiple of eight
    columns   start, duration, self (64-bit floats), span ids (8 bytes each), parent, operation (32-bit integers),
              kind, marks (bytes)

Pure.
"""

import json
import sys
from array import array

from kubeletsim.traces.web.outline import Outline

MEDIA_TYPE = "application/vnd.kubeletsim.columns"
_ALIGNED = 8


def packed(outline: Outline, trace_id: str) -> bytes:
    """Return the outline of a trace."""
    document = outline.heading(trace_id) | {"rows": len(outline.parents)}
    head = json.dumps(document).encode()
    head += b" " * (-(4 + len(head)) % _ALIGNED)
    columns = (
        *(_little_endian("d", column) for column in (outline.starts, outline.durations, outline.selfs)),
        b"".join(outline.span_ids),
        *(_little_endian("i", column) for column in (outline.parents, outline.operation)),
        bytes(outline.kinds),
        bytes(outline.marks),
    )
    return b"".join((len(head).to_bytes(4, "little"), head, *columns))


def _little_endian(code: str, numbers: list[int]) -> bytes:
    column = array(code, numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
