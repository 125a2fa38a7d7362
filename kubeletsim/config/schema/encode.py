"""How a configuration is written as a document: what /configz shows, and what drop-ins are merged into.

Follows Go's JSON encoding of the v1beta1 types: a zero value with omitempty is left out, a pointer only if it is null,
structs and durations never.
"""

from typing import Any

from kubeletsim.base.duration import Duration
from kubeletsim.config.schema.types import Struct, Zero
from kubeletsim.model.quantity import Quantity


def encode(struct: Struct) -> dict[str, Any]:
    """Return a struct as a document of JSON values, keys in upstream's order; durations and quantities are texts."""
    document = {}
    for name, field in type(struct).model_fields.items():
        value = getattr(struct, name)
        if value is None or (Zero.KEPT not in field.metadata and _is_omitted(value)):
            continue
        document[field.alias or name] = encode_value(value)
    return document


def _is_omitted(value: object) -> bool:
    return not isinstance(value, Struct | Duration) and not value


def encode_value(value: Any) -> Any:
    """Return one value as JSON has it; keys of maps are sorted, as Go sorts them."""
    if isinstance(value, Struct):
        return encode(value)
    if isinstance(value, Duration | Quantity):
        return str(value)
    if isinstance(value, tuple):
        return [encode_value(item) for item in value]
    if isinstance(value, dict):
        return {key: encode_value(value[key]) for key in sorted(value)}
    return value
