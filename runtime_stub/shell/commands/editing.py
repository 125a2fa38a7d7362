"""This module is `sed`: substitution, deletion and printing of lines."""

import re
from collections.abc import Callable, Mapping, Sequence

from runtime_stub.shell.commands.options import UsageError, options
from runtime_stub.shell.commands.patterns import regex
from runtime_stub.shell.commands.text import guarded, joined, lines_of, out
from runtime_stub.shell.context import Call
from runtime_stub.shell.program import Steps


def sed(call: Call) -> Steps:
    """`sed [-nE] [-e] SCRIPT [FILE]…` with `s`, `d`, `p`, `q` and addresses by number, `$` or pattern."""
    found, names = options(call.arguments, "nrEi", valued="e")
    if "e" not in found and not names:
        raise UsageError("usage: sed [-nE] SCRIPT [FILE]...")
    script = found["e"] if "e" in found else names.pop(0)
    extended = "E" in found or "r" in found
    edits = [_edit(part, extended=extended) for part in re.split(r"[;\n]+", script) if part.strip()]
    targets = names if "i" in found else [""]
    for target in targets:
        data = yield from joined(call, [target] if target else names)
        text = _edited(lines_of(data), edits, quiet="n" in found)
        if target:
            call.files.write(call.path(target), text.encode(errors="surrogateescape"))
        elif text:
            yield out(text)
    return 0


_Address = Callable[[int, int, str], bool]
"""Whether an edit is for a line: its number, the last line's, and its text."""
_Edit = tuple[_Address, str, "re.Pattern[str] | None", str, str]


def _everywhere(number: int, last: int, line: str) -> bool:
    del number, last, line
    return True


def _address(found: re.Match[str], *, extended: bool) -> _Address:
    if found[3] is not None:
        wanted = re.compile(regex(found[3], extended=extended))
        return lambda _number, _last, line: bool(wanted.search(line))
    if found[0] == "$":
        return lambda number, last, _line: number == last
    first, end = int(found[1]), found[2] or found[1]
    return lambda number, last, _line: first <= number <= (last if end == "$" else int(end))


def _edit(text: str, *, extended: bool) -> _Edit:
    applies: _Address = _everywhere
    text = text.strip()
    if found := re.match(r"(\d+)(?:,(\d+|\$))?|\$|/((?:[^/\\]|\\.)*)/", text):
        text, applies = text[found.end() :].strip(), _address(found, extended=extended)
    if text[:1] == "s" and len(text) > 1:
        parts = re.split(rf"(?<!\\){re.escape(text[1])}", text[2:])
        if len(parts) == 3:
            flags = re.IGNORECASE if "i" in parts[2].lower() else 0
            replacement = re.sub(r"(?<!\\)&", r"\\g<0>", parts[1]).replace("\\&", "&").replace(f"\\{text[1]}", text[1])
            return applies, "s", re.compile(regex(parts[0], extended=extended), flags), replacement, parts[2]
    elif text in ("d", "p", "q"):
        return applies, text, None, "", ""
    raise UsageError(f"unsupported command {text}")


def _edited(lines: Sequence[str], edits: Sequence[_Edit], *, quiet: bool) -> str:
    written: list[str] = []
    for number, original in enumerate(lines, 1):
        line, kept, stop = original, True, False
        for applies, what, pattern, replacement, flags in edits:
            if not applies(number, len(lines), line):
                continue
            if what == "s" and pattern is not None:
                line, count = pattern.subn(replacement, line, count=0 if "g" in flags else 1)
                if count and "p" in flags:
                    written.append(line)
            elif what == "p":
                written.append(line)
            elif what == "d":
                kept = False
                break
            elif what == "q":
                stop = True
        if kept and not quiet:
            written.append(line)
        if stop:
            break
    return "".join(f"{line}\n" for line in written)


COMMANDS: Mapping[str, Callable[[Call], Steps]] = {"sed": guarded(sed)}
