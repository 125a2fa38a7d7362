"""The step from a document to a configuration: every field of the right type, or a fault for each that is not.

A field that is unknown or of the wrong type is reported and left out, and decoding goes on with the rest, so that one
look finds everything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kubeletsim.base.suggestion import did_you_mean
from kubeletsim.config.schema.kubelet import API_VERSION, KIND, KubeletConfiguration
from kubeletsim.config.schema.replace import field_name
from kubeletsim.config.schema.types import Struct, join_path, struct_of
from kubeletsim.model.errors import Fault

Location = tuple[str | int, ...]
_RULES = {
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a text; put it in quotes",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "tuple_type": "must be a list",
}
"""What pydantic's errors mean to somebody who writes YAML."""
_BITS = {2**31 - 1: 32, -(2**31): 32, 2**63 - 1: 64, -(2**63): 64}


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a document."""

    config: KubeletConfiguration
    """The fields that could be decoded; dependent defaults are still to come."""
    unknown: tuple[Fault, ...]
    """Fields that do not exist."""
    faults: tuple[Fault, ...]
    """Fields of the wrong type."""


def kind_faults(document: Any) -> list[Fault]:
    """Tell whether a document is a KubeletConfiguration at all."""
    if document is None:
        return [Fault("document", None, f"is empty; must be a {KIND} of {API_VERSION}")]
    if not isinstance(document, dict):
        return [Fault("document", None, f"must be a mapping: a {KIND} of {API_VERSION}")]
    expected = {"apiVersion": API_VERSION, "kind": KIND}
    return [
        Fault(key, document.get(key), f"must be {text}") for key, text in expected.items() if document.get(key) != text
    ]


def decode(document: Mapping[str, Any]) -> Decoded:
    """Decode a document whose kind has been checked."""
    unknown: list[Fault] = []
    faults: list[Fault] = []
    rest: Any = document
    while True:
        try:
            config = KubeletConfiguration.model_validate(rest)
        except ValidationError as error:
            details = error.errors(include_url=False)
            for detail in details:
                (unknown if detail["type"] == "extra_forbidden" else faults).append(_fault(detail))
            rest = _without(rest, [_removable(detail["loc"]) for detail in details])
        else:
            return Decoded(config, tuple(unknown), tuple(faults))


def _fault(detail: Any) -> Fault:
    location: Location = detail["loc"]
    path, value, kind = join_path(*location), detail["input"], detail["type"]
    if kind == "extra_forbidden":
        return Fault(path, None, "no such field" + did_you_mean(str(location[-1]), _fields_at(location[:-1])))
    context = detail.get("ctx", {})
    bound = context.get("ge", context.get("le"))
    rule = _RULES.get(kind) or (f"must fit {_BITS[bound]} bits" if bound in _BITS else detail["msg"])
    if isinstance(value, Mapping | list):
        article = "a mapping" if isinstance(value, Mapping) else "a list"
        return Fault(path, None, f"{rule.partition(';')[0]}, not {article}")
    return Fault(path, value, rule)


def _fields_at(location: Location) -> Iterable[str]:
    """Return the keys that the struct at a location has."""
    struct: type[Struct] = KubeletConfiguration
    for part in location:
        if isinstance(part, str):
            inner = struct_of(struct.model_fields[field_name(struct, part)])
            assert inner is not None, f"{location} leads through a plain value"  # noqa: S101
            struct = inner
    return [field.alias or name for name, field in struct.model_fields.items()]


def _removable(location: Location) -> Location:
    """Return the innermost key on the way to a location: items are not cut out of lists, whose numbers would shift."""
    while isinstance(location[-1], int):
        location = location[:-1]
    return location


def _without(document: Any, locations: list[Location]) -> Any:
    """Return a copy without what lies at the locations."""
    heads = {location[0] for location in locations if len(location) == 1}

    def inner(key: str | int, value: Any) -> Any:
        return _without(value, [location[1:] for location in locations if len(location) > 1 and location[0] == key])

    if isinstance(document, Mapping):
        return {key: inner(key, value) for key, value in document.items() if key not in heads}
    if isinstance(document, list):
        return [inner(number, value) for number, value in enumerate(document)]
    return document
