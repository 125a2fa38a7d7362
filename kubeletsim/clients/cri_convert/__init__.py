"""The border between our values and CRI's protobuf messages; nothing else in the kubelet touches the latter.

`requests` goes out, `answers` and `usage` come in. A field that is None or empty here is absent there. Windows' parts
and the fields CRI calls deprecated have no counterpart in the model.
"""
