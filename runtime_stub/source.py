"""This module is the source of settings: the file and the lines they were read from, for whoever finds fault later."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A file; without one, flags."""

    file: str = ""
    lines: Mapping[Path, int] = field(default_factory=dict)
    """By the keys and indices of a value, from 1."""

    def fault(self, path: Path, problem: str) -> str:
        """Return one line: `stub.yaml:12: rules[0].match.rpc: no such RPC`."""
        line = self._line(path)
        place = f"{self.file}:{line}: " if line else f"{self.file}: " if self.file else ""
        where = dotted(path)
        return f"{place}{where}: {problem}" if where else f"{place}{problem}"

    def _line(self, path: Path) -> int | None:
        """Return the line of a value, or of what it is in: a field that is missing has no line of its own."""
        return next(
            (self.lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in self.lines), None
        )


def dotted(path: Path) -> str:
    """Return a path as text: `rules[0].match.rpc`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
