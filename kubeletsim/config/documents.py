"""A configuration's text: its values, the line of each, keys given twice, and its faults told as findings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubeletsim.base.go_yaml import UnreadableTextError, read_document
from kubeletsim.config.findings import Finding
from kubeletsim.config.schema.types import join_path
from kubeletsim.model.errors import ConfigError


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


def parse_document(text: str, *, source: str) -> Document:
    """Read the first document of a text.

    Args:
        text: YAML or JSON.
        source: the file's name, for errors.

    Raises:
        ConfigError: the text is neither; it names the line.
    """
    try:
        document = read_document(text)
    except UnreadableTextError as error:
        why = f"cannot be read: {error.why}"
        raise ConfigError([Finding(error.notation, None, why, source=source, line=error.line)]) from None
    return Document(
        document.value,
        {join_path(*path): line for path, line in document.lines.items()},
        tuple(_duplicate(join_path(*path), source, line) for path, line in document.duplicates),
        document.has_more,
    )


def _duplicate(path: str, source: str, line: int | None) -> Finding:
    return Finding(path, None, "must be given once; the last one counts", source=source, line=line)
