"""The change of one value somewhere inside a frozen struct."""

from typing import TypeVar

from kubeletsim.config.schema.types import Struct

S = TypeVar("S", bound=Struct)


def replaced(struct: S, path: str, value: object) -> S:
    """Return a copy in which the field at a dotted path, such as `authentication.anonymous.enabled`, has the value.

    The value must be of the field's type: it is not decoded. Lists and maps are replaced as a whole.
    """
    key, _, rest = path.partition(".")
    name = field_name(struct, key)
    return struct.model_copy(update={name: replaced(getattr(struct, name), rest, value) if rest else value})


def value_at(struct: Struct, path: str) -> object:
    """Return the value at a dotted path."""
    key, _, rest = path.partition(".")
    value = getattr(struct, field_name(struct, key))
    return value_at(value, rest) if rest else value


def field_name(struct: Struct | type[Struct], key: str) -> str:
    """Return the attribute that holds a key of the document; they differ where the key means something to Python."""
    fields = (struct if isinstance(struct, type) else type(struct)).model_fields
    return key if key in fields else next(name for name, field in fields.items() if field.alias == key)
