"""The reader of YAML and JSON: plain values, the line of each, keys given twice.

Reads what a kubelet reads, with libyaml: of several documents the first, the booleans of YAML 1.1, numbers as Go takes
them (`1e3` is one, `1:30` and dates are texts). JSON is read as the YAML it nearly always is, so that it has lines too.

Upstream: `sigs.k8s.io/yaml`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from kubeletsim.config.findings import Finding
from kubeletsim.config.schema.types import join_path
from kubeletsim.model.errors import ConfigError

MOST_NODES = 100_000
"""Values a document may have, aliases expanded; a configuration has hundreds, a malicious one billions."""


DEEPEST_NESTING = 100
_MERGE_TAG = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Document:
    """One document and where its parts were found."""

    value: Any
    lines: Mapping[str, int] = field(default_factory=dict)
    """Line of each value by its path, from 1."""
    duplicates: tuple[Finding, ...] = ()
    """Keys given twice; the last one counts."""
    has_more: bool = False
    """Whether further documents follow, which nobody reads."""


class _Loader(yaml.CSafeLoader):
    """libyaml with the scalars of go-yaml."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  PyYAML keeps these tables at its classes


for _tag, _pattern, _first in (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_pattern})$"), list(_first))


def parse_document(text: str, *, source: str) -> Document:
    """Read the first document of a text.

    Args:
        text: YAML or JSON.
        source: the file's name, for errors.

    Raises:
        ConfigError: the text is neither; it names the line.
    """
    try:
        _require_shallow(text)
        return _parse_yaml(text, source)
    except yaml.YAMLError as error:
        if text.lstrip().startswith("{"):
            return _parse_json(text, source)
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError([_syntax_fault(why, source, mark.line + 1 if mark else None)]) from None


def _syntax_fault(why: str, source: str, line: int | None) -> Finding:
    return Finding("YAML", None, f"cannot be read: {why}", source=source, line=line)


def _require_shallow(text: str) -> None:
    """Refuse bottomless nesting before libyaml composes it, which takes the stack of C and ends in a crash."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST_NESTING:
            raise yaml.composer.ComposerError(None, None, f"nested more than {DEEPEST_NESTING} deep")
        if isinstance(event, yaml.DocumentEndEvent):
            return


def _parse_yaml(text: str, source: str) -> Document:
    loader = _Loader(text)
    try:
        node = loader.get_node() if loader.check_node() else None
        if node is None:
            return Document(None)
        reader = _NodeReader(loader, source)
        value = reader.read(node, ())
        return Document(value, reader.lines, tuple(reader.duplicates), loader.check_node())
    finally:
        loader.dispose()


def _parse_json(text: str, source: str) -> Document:
    """Read JSON that YAML cannot express, such as escaped surrogate pairs; it has no lines."""
    twice: list[Finding] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice.extend(_duplicate((key,), source, None) for key in dict.fromkeys(keys) if keys.count(key) > 1)
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=collect)
    except json.JSONDecodeError as error:
        why = f"{error.msg}, column {error.colno}"
        raise ConfigError([Finding("JSON", None, f"cannot be read: {why}", source=source, line=error.lineno)]) from None
    except (RecursionError, ValueError):
        raise ConfigError([_syntax_fault("nested too deeply, or a number is too long", source, None)]) from None
    return Document(value, {}, tuple(twice))


def _duplicate(path: tuple[str | int, ...], source: str, line: int | None) -> Finding:
    return Finding(join_path(*path), None, "must be given once; the last one counts", source=source, line=line)


class _NodeReader:
    """Turns the nodes of a document into values, remembering lines and keys given twice."""

    def __init__(self, loader: _Loader, source: str) -> None:
        self.lines: dict[str, int] = {}
        self.duplicates: list[Finding] = []
        self._loader = loader
        self._source = source
        self._open: set[int] = set()
        self._nodes = 0

    def read(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise yaml.constructor.ConstructorError(None, None, f"more than {MOST_NODES} values", node.start_mark)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise yaml.constructor.ConstructorError(None, None, "a value contains itself", node.start_mark)
        self._open.add(id(node))
        try:
            return dict(self._pairs(node, path)) if isinstance(node, yaml.MappingNode) else self._list(node, path)
        finally:
            self._open.discard(id(node))

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag == _MERGE_TAG:
            return node.value  # two angle brackets mean something as a key only
        try:
            value = self._loader.construct_object(node)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(None, None, str(error), node.start_mark) from None
        # Go writes 10.0 as 10 on the way from YAML to its structs, so that it fits an integer field.
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def _list(self, node: yaml.Node, path: tuple[str | int, ...]) -> list[Any]:
        items = []
        for number, item in enumerate(node.value):
            self._note(item, (*path, number))
            items.append(self.read(item, (*path, number)))
        return items

    def _pairs(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> Iterator[tuple[str, Any]]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE_TAG:
                continue
            key = self._key(key_node)
            if key in seen:
                self.duplicates.append(_duplicate((*path, key), self._source, key_node.start_mark.line + 1))
            seen.add(key)
        self._loader.flatten_mapping(node)
        for key_node, value_node in node.value:
            key = self._key(key_node)
            self._note(key_node, (*path, key))
            yield key, self.read(value_node, (*path, key))

    def _key(self, node: yaml.Node) -> str:
        key = self._scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(key, str | int | float):
            raise yaml.constructor.ConstructorError(None, None, "a key is no text", node.start_mark)
        return str(key).lower() if isinstance(key, bool) else str(key)

    def _note(self, node: yaml.Node, path: tuple[str | int, ...]) -> None:
        self.lines[join_path(*path)] = node.start_mark.line + 1
