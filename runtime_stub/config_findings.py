"""This module is the wording of what is wrong with a configuration: where, what, what is allowed, what was meant.

Reads as a kubelet's: `stub.yaml:12: rules[0].match.rpc: "RunPod": no such RPC of CRI v1; did you mean RunPodSandbox?`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from kubeletsim.base.suggestion import did_you_mean
from runtime_stub.source import Path

_MESSAGES = {
    "missing": "required",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "list_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "string_too_short": "must not be empty",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "string_pattern_mismatch": "must match {pattern}",
}


def worded(model: type[BaseModel], error: ValidationError) -> list[tuple[Path, str]]:
    """Return path and text of everything that is wrong with a value for a model, each thing once."""
    found: dict[tuple[Path, str], None] = {}
    for one in error.errors(include_url=False):
        path = tuple(one["loc"])
        found.setdefault((path, _text(model, path, one)))
    return list(found)


def _text(model: type[BaseModel], path: Path, error: Any) -> str:
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        known = _field_names(model, path[:-1])
        guess = did_you_mean(str(path[-1]), known)
        return f"no such field{guess or '; allowed: ' + ', '.join(known)}"
    if kind == "missing":
        return _MESSAGES[kind]
    if kind == "literal_error":
        expected = error["ctx"]["expected"]
        return f"{_shown(value)}must be {expected.replace(chr(39), chr(34))}{_literal_guess(value, expected)}"
    if kind in _MESSAGES:
        return _shown(value) + _MESSAGES[kind].format_map(error.get("ctx", {}))
    message = str(error.get("ctx", {}).get("error", "")) or error["msg"]
    return f"{_shown(value)}{message[:1].lower()}{message[1:]}"


def _shown(value: object) -> str:
    """Return a value as the file has it; nothing for one that is many things."""
    if isinstance(value, Mapping | Sequence) and not isinstance(value, str):
        return ""
    return json.dumps(value, ensure_ascii=False, default=str) + ": "


def _literal_guess(value: object, expected: str) -> str:
    known = [one.strip("' ") for one in expected.replace(" or ", ", ").split(",")]
    return did_you_mean(value, known) if isinstance(value, str) else ""


def _field_names(model: type[BaseModel], path: Path) -> list[str]:
    """Return the names of the fields that a place in a model has."""
    found: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, str) and found is not None:
            by_name = {field.alias or name: field.annotation for name, field in found.model_fields.items()}
            found = _model_in(by_name.get(part))
    if found is None:
        return []
    return [field.alias or name for name, field in found.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model somewhere in an annotation: `list[_Rule]`, `_Fault | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in _arguments(annotation) if (found := _model_in(one)) is not None), None)


def _arguments(annotation: Any) -> Iterable[Any]:
    return get_args(annotation)
