"""JSON texts letter by letter as Go's encoding/json writes them: compact, and safe to embed in HTML and JavaScript."""

import json


def go_json(value: object) -> str:
    """Return a value's JSON; objects keep the order of their keys, which for Go's structs is that of the fields."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
