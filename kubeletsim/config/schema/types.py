"""The vocabulary of the schema: how Go's field kinds, and what each field allows, are written as annotations.

Go tells an absent field from an explicit zero only where the field is a pointer. Each field here says which it is:
`Pointer[...]` keeps an explicit zero, `OrDefault[...]` turns a zero into the default, anything else has the zero as its
default. `schema/encode.py` prints by the same marks, as Go's `omitempty` does.

What a value may be is said by `Range` and `OneOf`. They are checked by `schema/validation`, not while decoding: a value
of the file that a drop-in or a flag replaces may be wrong, as upstream.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, PlainValidator, Strict, model_validator
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError

from kubeletsim.base.duration import Duration
from kubeletsim.model.quantity import Quantity

T = TypeVar("T")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Zero(Enum):
    """What an explicit zero, false or empty value of a field means."""

    KEPT = "kept"
    """It stays and is always printed: a pointer in Go, or a field without omitempty."""
    DEFAULT = "default"
    """It is replaced by the field's default."""


Pointer = Annotated[T, Zero.KEPT]
OrDefault = Annotated[T, Zero.DEFAULT]
Int32 = Annotated[int, Field(ge=-(2**31), le=2**31 - 1)]
Int64 = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
ListOf = Annotated[tuple[T, ...], Strict(False)]
"""A list, kept as a tuple so that a configuration cannot change under those who hold it."""


class Stage(Enum):
    """When a rule is enforced upstream."""

    VALIDATION = "validation"
    """While the configuration is validated."""
    STARTUP = "startup"
    """Later, while the kubelet starts."""
    NEVER = "never"
    """Not at all: the value is replaced or ignored, so it is worth a warning only."""


@dataclass(frozen=True, slots=True)
class Range:
    """The numbers or durations a field allows, both ends included unless `above` gives an open lower end."""

    minimum: float | Duration | None = None
    maximum: float | Duration | None = None
    above: float | Duration | None = None

    def allows(self, value: Any) -> bool:
        """Tell whether a number or duration lies inside."""
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
        )

    def __str__(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f"must be between {self.minimum} and {self.maximum}"
        ends = (("at least", self.minimum), ("greater than", self.above), ("at most", self.maximum))
        return "must be " + " and ".join(f"{word} {end}" for word, end in ends if end is not None)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Tell editors the bounds of a number; JSON Schema has no bounds for durations."""
        json_schema = handler(schema)
        bounds = {"minimum": self.minimum, "maximum": self.maximum, "exclusiveMinimum": self.above}
        target = next((part for part in json_schema.get("anyOf", []) if part.get("type") != "null"), json_schema)
        target.update({key: end for key, end in bounds.items() if isinstance(end, int | float)})
        return json_schema


@dataclass(frozen=True, slots=True)
class OneOf:
    """The closed set of texts a field allows."""

    values: tuple[str, ...]
    stage: Stage = Stage.VALIDATION

    def allows(self, value: Any) -> bool:
        """Tell whether a text belongs to the set."""
        return value in self.values

    def __str__(self) -> str:
        return "must be one of " + ", ".join(value or '""' for value in self.values)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Let editors offer the values."""
        return {**handler(schema), "enum": list(self.values)}


def _read_duration(value: object) -> Duration:
    if isinstance(value, Duration):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("duration", 'must be a duration in quotes, such as "1m30s"')
    try:
        return Duration.parse(value)
    except ValueError as error:
        raise PydanticCustomError("duration", "must be a duration such as 1m30s: {why}", {"why": str(error)}) from None


def _read_duration_or_nanoseconds(value: object) -> Duration:
    if isinstance(value, int) and not isinstance(value, bool):
        return Duration(value)
    return _read_duration(value)


def _read_quantity(value: object) -> Quantity:
    if isinstance(value, Quantity):
        return value
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise PydanticCustomError("quantity", "must be a quantity such as 512Mi")
    try:
        return Quantity.parse(str(value))
    except ValueError as error:
        raise PydanticCustomError("quantity", "must be a quantity such as 512Mi: {why}", {"why": str(error)}) from None


_DURATION_SCHEMA = {
    "type": "string",
    "pattern": r"^[+-]?(0|([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$",
    "examples": ["300ms", "10s", "1m30s", "2h45m"],
}
GoDuration = Annotated[Duration, PlainValidator(_read_duration), WithJsonSchema(_DURATION_SCHEMA)]
GoDurationOrNanoseconds = Annotated[
    Duration,
    PlainValidator(_read_duration_or_nanoseconds),
    WithJsonSchema({"anyOf": [_DURATION_SCHEMA, {"type": "integer", "description": "nanoseconds"}]}),
]
QuantityText = Annotated[
    Quantity,
    PlainValidator(_read_quantity),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}], "examples": ["512Mi", "1Gi", "100m"]}),
]


class Struct(BaseModel):
    """A struct of the configuration: frozen, every field with a default, unknown fields refused."""

    # Nothing is built until the first document is decoded, so that a mere import costs little.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _as_go_sees_it(cls, document: Any) -> Any:
        """Drop what Go takes for absent: a null of a known field, and a zero where a zero means the default."""
        if not isinstance(document, Mapping):
            return document
        by_key = {field.alias or name: field for name, field in cls.model_fields.items()}
        return {
            key: value for key, value in document.items() if key not in by_key or not _is_absent(value, by_key[key])
        }


def _is_absent(value: object, field: FieldInfo) -> bool:
    return value is None or (Zero.DEFAULT in field.metadata and _is_zero(value, field))


def _is_zero(value: object, field: FieldInfo) -> bool:
    """Tell whether a value of a document is the zero of its field's type in Go; a duration's in any unit."""
    if field.annotation is str:
        return value == ""
    if field.annotation is int:
        return type(value) is int and value == 0
    reader = next((mark.func for mark in field.metadata if isinstance(mark, PlainValidator)), None)
    try:
        return field.annotation is Duration and reader is not None and not reader(value)  # type: ignore[call-arg]
    except PydanticCustomError:
        return False  # decoding will say what is wrong with it


def struct_of(field: FieldInfo) -> type[Struct] | None:
    """Return the struct a field holds, or holds a list of; None for a plain value."""
    return _struct_in(field.annotation)


def _struct_in(annotation: Any) -> type[Struct] | None:
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return annotation
    return next((found for part in get_args(annotation) if (found := _struct_in(part))), None)


def join_path(*parts: str | int) -> str:
    """Write a path as Kubernetes does: `registerWithTaints[0].key`, `evictionHard[memory.available]`."""
    text = ""
    for part in parts:
        if isinstance(part, str) and _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{part}]"
    return text
