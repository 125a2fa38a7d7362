"""The fault with its place: which file and line, and whether a kubelet lives with it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from kubeletsim.model.errors import Fault


@dataclass(frozen=True, slots=True)
class Finding(Fault):
    """Something wrong with a configuration. Reads `kubelet.yaml:12: port: 70000: must be between 1 and 65535`."""

    source: str = ""
    """The file; empty for what was given on the command line or by nobody."""
    line: int | None = None
    """Line in that file, from 1; None where it has none."""
    fatal: bool = True
    """False: a kubelet warns, if at all, and goes on."""

    def __str__(self) -> str:
        line = f":{self.line}" if self.line else ""
        place = f"{self.source}{line}: " if self.source else ""
        # As the file has it: true rather than True, texts in double quotes.
        shown = "" if self.value is None else f" {json.dumps(self.value, ensure_ascii=False, default=str)}:"
        return f"{place}{self.path}:{shown} {self.rule}"


def in_reading_order(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by line within each file, the files as they first appear; what has no line comes last."""
    listed = list({str(finding): finding for finding in findings}.values())  # a value may be unhashable
    order = {source: number for number, source in reversed(list(enumerate(finding.source for finding in listed)))}
    return sorted(listed, key=lambda finding: (order[finding.source], finding.line or 2**31))
