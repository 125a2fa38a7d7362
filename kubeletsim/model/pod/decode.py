"""From decoded YAML or JSON to a Pod, with Go's leniency where Go is lenient and a path in each complaint.

Unknown fields are ignored and nulls count as absent, as in a non-strict decode upstream. A quantity may be written as a
number, and comes out in canonical form. Any other value of a wrong type is refused; the path of the first one is named.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from lightkube.models.core_v1 import Pod

from kubeletsim.model.errors import Fault, ManifestError
from kubeletsim.model.pod.identity import metadata, spec
from kubeletsim.model.quantity import Quantity

QUANTITY_FIELDS = frozenset({"divisor", "sizeLimit"})
QUANTITY_MAPS = frozenset({"limits", "requests", "overhead"})

_MSGSPEC_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?P<key>key` in `)?\$(?P<path>.*)`)?$", re.DOTALL)
_MSGSPEC_MISSING = re.compile(r"^Object missing required field `(?P<field>[^`]+)`$")
_MSGSPEC_TYPE = re.compile(r"^Expected `(?P<wanted>[^`]+)`(?:, got `(?P<got>[^`]+)`)?$")
_WORDS = {"str": "a string", "int": "a whole number", "bool": "true or false", "float": "a number"}
_WORDS |= {"array": "a list", "object": "a mapping", "null": "null"}


def decode_pod(document: object) -> Pod:
    """Return the Pod a document describes, without defaults and without its status.

    Args:
        document: what a YAML or JSON parser made of the text; the parser must leave timestamps as text.

    Raises:
        ManifestError: the document is not a v1 Pod; the message names the path.
    """
    if not isinstance(document, dict):
        raise ManifestError("no Pod here: the document is empty" if document is None else "no Pod here: not a mapping")
    check_type(document, kind="Pod")
    cleaned = _clean({key: value for key, value in document.items() if key != "status"})
    try:
        pod: Pod = msgspec.convert(cleaned, Pod)
    except msgspec.ValidationError as error:
        raise ManifestError(str(_fault(str(error)))) from error
    faults = list(_map_faults(pod))
    if faults:
        raise ManifestError("; ".join(map(str, faults)))
    return pod


def check_type(document: dict[Any, Any], *, kind: str) -> None:
    """Refuse a document of another kind or API version.

    Raises:
        ManifestError: with the field, what it says and what is allowed.
    """
    for field, allowed in (("apiVersion", "v1"), ("kind", kind)):
        found = document.get(field)
        if found != allowed:
            raise ManifestError(
                str(Fault(field, found, f"must be {allowed}" if found else f"must be given: {allowed}"))
            )


def pod_json(pod: msgspec.Struct) -> dict[str, Any]:
    """Return a pod, or a part of one, as plain JSON values, times in RFC 3339, as `/pods` shows it."""
    plain: dict[str, Any] = msgspec.to_builtins(pod)
    return plain


def _clean(value: Any, key: str = "") -> Any:
    """Drop nulls, make keys text and quantities canonical."""
    if isinstance(value, dict):
        quantities = key in QUANTITY_MAPS
        cleaned = {}
        for name, child in value.items():
            text = _key_text(name)
            child = _clean(child, "divisor" if quantities else text)
            if child is not None:
                cleaned[text] = child
        return cleaned
    if isinstance(value, list):
        return [_clean(child) for child in value]
    return _canonical_quantity(value) if key in QUANTITY_FIELDS else value


def _canonical_quantity(value: Any) -> Any:
    """Return a quantity's canonical text, and anything else as it is: later checks know the path to complain about."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return value
    try:
        return str(Quantity.parse(str(value)))
    except ValueError:
        return str(value)


def _key_text(key: object) -> str:
    """Spell a mapping's key as the conversion from YAML to JSON does upstream."""
    return str(key).lower() if isinstance(key, bool) else str(key)


def _fault(message: str) -> Fault:
    """Turn msgspec's complaint into ours: `spec.containers[0].name: must be given`."""
    match = _MSGSPEC_PATH.match(message)
    what, path = (match["what"], match["path"] or "") if match else (message, "")
    missing, wrong = _MSGSPEC_MISSING.match(what), _MSGSPEC_TYPE.match(what)
    if missing:
        path, rule = f"{path}.{missing['field']}", "must be given"
    elif wrong:
        rule = f"must be {_in_words(wrong['wanted'])}" + (f", not {_in_words(wrong['got'])}" if wrong["got"] else "")
    else:
        rule = what[:1].lower() + what[1:]
    return Fault(path.lstrip(".") or "Pod", None, rule)


def _in_words(types: str) -> str:
    return " or ".join(_WORDS.get(name, name) for name in types.split(" | ") if name != "null" or types == "null")


def _map_faults(pod: Pod) -> Iterator[Fault]:
    """Check the maps whose values the schema leaves open although they must be text."""
    maps = {
        "metadata.labels": metadata(pod).labels,
        "metadata.annotations": metadata(pod).annotations,
        "spec.nodeSelector": spec(pod).nodeSelector,
    }
    for path, entries in maps.items():
        for key, value in (entries or {}).items():
            if not isinstance(value, str):
                yield Fault(f"{path}[{key}]", value, "must be a string: quote it")
