"""The reader of YAML and JSON as Go's programs read it: plain values, the line of each, keys given twice.

Of several documents the first counts; booleans are those of YAML 1.1; `1e3` is a number, `1:30` and dates are texts;
every key is a text, as in JSON. JSON is read as the YAML it nearly always is, so that it has lines too.

A text comes from whoever can write a file or answer a request, so nothing in it may take the process down: libyaml
composes nodes on the stack of C, and a few aliases can stand for billions of values. Nesting is therefore measured
before anything is composed, and values are counted as they unfold.

Upstream: `sigs.k8s.io/yaml` (YAMLToJSON) over go-yaml v2.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

DEEPEST_NESTING = 100
MOST_VALUES = 100_000
"""Values a document may have, aliases followed; one written by a person has hundreds, a malicious one billions."""
MOST_BITS = 1024
"""Longer integers are refused: no float reaches beyond, and Python will not print what is much longer."""

_MERGE_TAG = "tag:yaml.org,2002:merge"

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One document and where its parts were found."""

    value: Any
    """None for an empty text."""
    lines: Mapping[Path, int] = field(default_factory=dict)
    """Line of each value by its keys and indices, from 1; empty where the text is JSON that YAML cannot express."""
    duplicates: tuple[tuple[Path, int | None], ...] = ()
    """Keys given twice, with their lines; the last one counts."""
    has_more: bool = False
    """Whether further documents follow, which nobody reads."""


class UnreadableTextError(ValueError):
    """The text is neither YAML nor JSON."""

    def __init__(self, why: str, *, notation: str = "YAML", line: int | None = None, column: int | None = None) -> None:
        self.why = why
        self.notation = notation
        """`YAML`, or `JSON` where it looks like that."""
        self.line, self.column = line, column
        """Where it was noticed, from 1."""
        place = f"line {line}, column {column}: " if line else ""
        super().__init__(f"{place}{why}")


class ExcessiveTextError(UnreadableTextError):
    """The text is well-formed but deeper, larger or more convoluted than anybody means it."""


class _Loader(yaml.CSafeLoader):
    """libyaml with the scalars of go-yaml."""

    # PyYAML keeps these tables at its classes.
    yaml_implicit_resolvers = {}  # noqa: RUF012
    bool_values = {**yaml.CSafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012


class GoDumper(yaml.CSafeDumper):
    """Writes YAML that Go's programs read as it was meant: a text that is something else to them is quoted."""

    yaml_implicit_resolvers = {}  # noqa: RUF012


for _tag, _pattern, _first in (
    ("bool", r"y|Y|yes|Yes|YES|n|N|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    for _class in (_Loader, GoDumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_pattern})$"), list(_first))


def read_document(text: str, *, most_values: int = MOST_VALUES) -> Document:
    """Read the first document of a text.

    Args:
        text: YAML or JSON.
        most_values: how many values it may have, aliases followed.

    Raises:
        UnreadableTextError: the text is neither.
        ExcessiveTextError: it is too deep, too large, or contains itself.
    """
    try:
        return _read_yaml(text, most_values)
    except yaml.YAMLError as error:
        if text.lstrip().startswith("{"):
            return _read_json(text, most_values)
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or " ".join(str(error).split())
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        raise UnreadableTextError(why, line=line, column=column) from None


def _read_yaml(text: str, most_values: int) -> Document:
    _require_modest(text, most_values)
    loader = _Loader(text)
    try:
        node = loader.get_node() if loader.check_node() else None
        if node is None:
            return Document(None)
        reader = _NodeReader(loader, most_values)
        value = reader.read(node, ())
        return Document(value, reader.lines, tuple(reader.duplicates), loader.check_node())
    finally:
        loader.dispose()


def _require_modest(text: str, most_values: int) -> None:
    """Refuse bottomless nesting before libyaml composes it, which takes the stack of C and ends in a crash."""
    depth = count = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        count += isinstance(event, yaml.NodeEvent)
        if depth > DEEPEST_NESTING:
            raise _excessive(f"nested more than {DEEPEST_NESTING} deep", event.start_mark)
        if count > 2 * most_values:  # keys are nodes too
            raise _excessive(f"more than {most_values} values", event.start_mark)
        if isinstance(event, yaml.DocumentEndEvent):
            return


def _excessive(why: str, mark: Any) -> ExcessiveTextError:
    return ExcessiveTextError(why, line=mark.line + 1, column=mark.column + 1)


class _NodeReader:
    """Turns the nodes of a document into values, remembering lines and keys given twice."""

    def __init__(self, loader: _Loader, most_values: int) -> None:
        self.lines: dict[Path, int] = {}
        self.duplicates: list[tuple[Path, int | None]] = []
        self._loader = loader
        self._most_values = most_values
        self._open: set[int] = set()
        self._values = 0

    def read(self, node: yaml.Node, path: Path) -> Any:
        self._values += 1
        if self._values > self._most_values:
            raise _excessive(f"more than {self._most_values} values", node.start_mark)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise _excessive("a value contains itself", node.start_mark)
        if len(self._open) >= DEEPEST_NESTING:  # a chain of aliases is as deep as what it stands for
            raise _excessive(f"nested more than {DEEPEST_NESTING} deep", node.start_mark)
        self._open.add(id(node))
        try:
            return self._mapping(node, path) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag == _MERGE_TAG:
            return node.value  # two angle brackets mean something as a key only
        try:
            value = self._loader.construct_object(node)
        except (ValueError, LookupError) as error:  # a tag may claim what the text does not hold: `!!bool x`
            raise yaml.constructor.ConstructorError(None, None, f"{node.tag}: {error}", node.start_mark) from None
        if isinstance(value, float) and value.is_integer():
            # Go writes 10.0 as 10 on the way from YAML to its structs, so that it fits an integer field.
            return int(value)
        if isinstance(value, int) and value.bit_length() > MOST_BITS:
            raise _excessive("a number is too long", node.start_mark)
        if value is not None and not isinstance(value, str | int | float):
            raise yaml.constructor.ConstructorError(None, None, f"{node.tag}: JSON has no such value", node.start_mark)
        return value

    def _list(self, node: yaml.Node, path: Path) -> list[Any]:
        items = []
        for number, item in enumerate(node.value):
            self._note(item, (*path, number))
            items.append(self.read(item, (*path, number)))
        return items

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        pairs = [pair for pair in node.value if pair[0].tag != _MERGE_TAG]
        values: dict[str, Any] = {}
        # Read rather than spliced in as PyYAML does, so that what a merge multiplies is counted.
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE_TAG:
                for base in self._bases(value_node):
                    known = len(self.duplicates)
                    values.update(self.read(base, path))
                    del self.duplicates[known:]  # they were told where the base stands
        keys = [self._key(key_node) for key_node, _ in pairs]
        self._note_duplicates(keys, [key_node for key_node, _ in pairs], path)
        for key, (key_node, value_node) in zip(keys, pairs, strict=True):
            self._note(key_node, (*path, key))
            values[key] = self.read(value_node, (*path, key))
        return values

    def _note_duplicates(self, keys: list[str], nodes: list[yaml.Node], path: Path) -> None:
        seen = set()
        for key, node in zip(keys, nodes, strict=True):
            if key in seen:
                self.duplicates.append(((*path, key), node.start_mark.line + 1))
            seen.add(key)

    def _bases(self, node: yaml.Node) -> Iterator[yaml.MappingNode]:
        """Return the mappings that a merge key brings in, the one that counts most last."""
        for base in reversed(node.value) if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(base, yaml.MappingNode):
                raise yaml.constructor.ConstructorError(None, None, "only mappings can be merged", base.start_mark)
            yield base

    def _key(self, node: yaml.Node) -> str:
        key = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if key is None:
            raise yaml.constructor.ConstructorError(None, None, "a key is no text", node.start_mark)
        return str(key).lower() if isinstance(key, bool) else str(key)

    def _note(self, node: yaml.Node, path: Path) -> None:
        self.lines[path] = node.start_mark.line + 1


def _read_json(text: str, most_values: int) -> Document:
    """Read JSON that YAML cannot express, such as escaped surrogate pairs; it has no lines."""
    twice: list[tuple[Path, int | None]] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        given = Counter(key for key, _ in pairs)
        twice.extend(((key,), None) for key, times in given.items() if times > 1)
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=collect)
    except json.JSONDecodeError as error:
        raise UnreadableTextError(error.msg, notation="JSON", line=error.lineno, column=error.colno) from None
    except (RecursionError, ValueError):
        raise ExcessiveTextError("nested too deeply, or a number is too long", notation="JSON") from None
    _require_modest_value(value, most_values)
    return Document(value, {}, tuple(twice))


def _require_modest_value(value: Any, most_values: int) -> None:
    """Hold decoded JSON to the limits that YAML is held to, and its texts to Unicode."""
    pending = [(value, 0)]
    count = 0
    while pending:
        part, depth = pending.pop()
        count += 1
        if count > most_values:
            raise ExcessiveTextError(f"more than {most_values} values", notation="JSON")
        if depth > DEEPEST_NESTING:
            raise ExcessiveTextError(f"nested more than {DEEPEST_NESTING} deep", notation="JSON")
        if isinstance(part, int) and part.bit_length() > MOST_BITS:
            raise ExcessiveTextError("a number is too long", notation="JSON")
        texts = [part] if isinstance(part, str) else part if isinstance(part, dict) else []
        if any("\ud800" <= char <= "\udfff" for text in texts for char in text):
            raise UnreadableTextError("half of a surrogate pair is no character", notation="JSON")
        children = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        pending.extend((child, depth + 1) for child in children)
