"""The snapshot: a configuration as plain values, without the machinery that read it.

The schema's classes bring pydantic along, compiled for every field. A program that runs for months with one
configuration keeps a snapshot instead: the same attributes, frozen, and picklable.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

if TYPE_CHECKING:
    from kubeletsim.config.schema.types import Struct

S = TypeVar("S", bound="Struct")


class Snapshot:
    """The attributes of one struct."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a snapshot is frozen; {name} cannot be set")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__))

    def __repr__(self) -> str:
        return f"Snapshot({self.__dict__!r})"


def snapshot(struct: S) -> S:
    """Return a configuration, or a part of one, as a snapshot of the same shape.

    It is no instance of the struct's class, but whoever reads attributes cannot tell, and types say so.
    """
    return cast("S", _plain(struct))


def _plain(value: Any) -> Any:
    # Fields of a struct are found by what pydantic calls them, so that its module need not be imported here.
    if fields := getattr(type(value), "model_fields", None):
        return Snapshot({name: _plain(getattr(value, name)) for name in fields})
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_plain(item) for item in value)
    return value
