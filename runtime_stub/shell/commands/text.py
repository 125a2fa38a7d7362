"""This module is the commands that make, filter and count text."""

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence

from runtime_stub.shell.commands.options import UsageError, options
from runtime_stub.shell.commands.patterns import regex
from runtime_stub.shell.context import ByteSteps, Call
from runtime_stub.shell.program import Output, Steps, Wait
from runtime_stub.shell.redirection import complaint, wording

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "\\": "\\", "e": "\x1b"}
_CHUNK = 256
_MAX_SEQUENCE = 10_000_000


def out(text: str) -> Output:
    """Return output."""
    return Output("stdout", text.encode(errors="surrogateescape"))


def reading(call: Call, names: Sequence[str]) -> Generator[object, bytes | None, list[tuple[str, bytes]]]:
    """Return names and contents of files; standard input for `-` and for no names. What fails is complained about."""
    contents: list[tuple[str, bytes]] = []
    for name in names or ["-"]:
        if name == "-":
            contents.append((name, (yield from call.stdin.everything())))
            continue
        try:
            contents.append((name, call.files.read(call.path(name))))
        except OSError as error:
            yield from complaint(call.name, f"can't open '{name}'", wording(error))
    return contents


def joined(call: Call, names: Sequence[str]) -> ByteSteps:
    """Return the contents of files one after the other."""
    return b"".join(data for _, data in (yield from reading(call, names)))  # type: ignore[misc]


def lines_of(data: bytes) -> list[str]:
    """Return lines without their ends."""
    return data.decode(errors="surrogateescape").splitlines()


def cat(call: Call) -> Steps:
    """`cat [FILE]…`."""
    _, names = options(call.arguments, "un")
    failed = 0
    for name in names or ["-"]:
        if name == "-":
            while data := (yield from call.stdin.read()):
                yield Output("stdout", data)
            continue
        try:
            data = call.files.read(call.path(name))
        except OSError as error:
            failed = 1
            text = "read error" if wording(error) == "Is a directory" else f"can't open '{name}'"
            yield from complaint(call.name, text, wording(error))
            continue
        if data:
            yield Output("stdout", data)
    return failed


def grep(call: Call) -> Steps:
    """`grep [-ivqcnlowEFsh] [-e] PATTERN [FILE]…`."""
    found, names = options(call.arguments, "ivqcnlowEFshrx", valued="em")
    if "e" not in found and not names:
        raise UsageError("usage: grep [-ivqcnlowEFsh] PATTERN [FILE]...")
    pattern = found["e"] if "e" in found else names.pop(0)
    fixed = "F" in found or call.name == "fgrep"
    try:
        source = re.escape(pattern) if fixed else regex(pattern, extended="E" in found or call.name == "egrep")
        source = rf"\b(?:{source})\b" if "w" in found else rf"^(?:{source})$" if "x" in found else source
        wanted = re.compile(source, re.IGNORECASE if "i" in found else 0)
    except re.error as error:
        raise UsageError(f"bad regex '{pattern}': {error}") from error
    many, matched, missing = len(names) > 1 and "h" not in found, False, 0
    contents = yield from reading(call, names)  # type: ignore[misc]
    missing = len(contents) < len(names)
    for name, data in contents:
        prefix = f"{name}:" if many else ""
        hits = [
            (n, line) for n, line in enumerate(lines_of(data), 1) if bool(wanted.search(line)) is not ("v" in found)
        ]
        hits = hits[: int(found["m"])] if found.get("m", "").isdecimal() else hits
        matched = matched or bool(hits)
        if "q" in found:
            continue
        if "c" in found:
            yield out(f"{prefix}{len(hits)}\n")
        elif "l" in found:
            if hits:
                yield out(f"{name}\n")
        elif "o" in found:
            yield from _write(f"{prefix}{one[0]}" for _, line in hits for one in wanted.finditer(line))
        else:
            yield from _write(f"{prefix}{f'{n}:' if 'n' in found else ''}{line}" for n, line in hits)
    return 2 if missing and not ("q" in found and matched) else int(not matched)


def _write(lines: Iterable[str]) -> Steps:
    text = "".join(f"{line}\n" for line in lines)
    if text:
        yield out(text)
    return 0


def head(call: Call) -> Steps:
    """`head [-n N] [-c N] [FILE]…`."""
    found, names = _counted(call)
    count = _count(found.get("n", "10"))
    if not names and "c" not in found:  # read no more than is needed: the writer may be endless
        for _ in range(count):
            if not (line := (yield from call.stdin.line())):
                break
            yield Output("stdout", line)
        call.stdin.close()
        return 0
    data = yield from joined(call, names)
    yield Output("stdout", data[: _count(found["c"])] if "c" in found else b"".join(data.splitlines(True)[:count]))
    return 0


def tail(call: Call) -> Steps:
    """`tail [-n N] [-c N] [-f] [FILE]…`; with `-f` it looks once a second for more."""
    found, names = _counted(call, "fF")
    data = yield from joined(call, names)
    lines = data.splitlines(True)
    count = found.get("n", "10")
    part = (
        data[-_count(found["c"]) :]
        if "c" in found
        else b"".join(
            lines[int(count) - 1 :] if count.startswith("+") else lines[-_count(count) :] if _count(count) else []
        )
    )
    if part:
        yield Output("stdout", part)
    while names and ("f" in found or "F" in found):
        yield Wait(1.0, heeds_signals=True)
        now = yield from joined(call, names)
        if len(now) > len(data):
            yield Output("stdout", now[len(data) :])
        data = now
    return 0


def _counted(call: Call, flags: str = "") -> tuple[dict[str, str], list[str]]:
    arguments = [f"-n{word[1:]}" if re.fullmatch(r"-\d+", word) else word for word in call.arguments]
    return options(arguments, f"q{flags}", valued="nc")


def _count(text: str) -> int:
    if not re.fullmatch(r"[-+]?\d+", text):
        raise UsageError(f"invalid number '{text}'")
    return abs(int(text))


def wc(call: Call) -> Steps:
    """`wc [-lwc] [FILE]…`."""
    found, names = options(call.arguments, "lwcm")
    contents = yield from reading(call, names)  # type: ignore[misc]
    for name, data in contents:
        counts = {"l": data.count(b"\n"), "w": len(data.split()), "c": len(data)}
        chosen = [counts[letter] for letter in "lwc" if letter in found or not found]
        shown = str(chosen[0]) if len(chosen) == 1 else " ".join(f"{one:9d}" for one in chosen)
        yield out(shown + ("" if name == "-" else f" {name}") + "\n")
    return int(len(contents) < len(names))


def sort(call: Call) -> Steps:
    """`sort [-rnu] [FILE]…`."""
    found, names = options(call.arguments, "rnu", valued="kt")
    lines = lines_of((yield from joined(call, names)))

    def key(line: str) -> tuple[float, str]:
        number = re.match(r"\s*(-?\d+(?:\.\d+)?)", line) if "n" in found else None
        return float(number[1]) if number else 0.0, line

    lines = list(dict.fromkeys(lines)) if "u" in found else lines
    yield from _write(sorted(lines, key=key, reverse="r" in found))
    return 0


def uniq(call: Call) -> Steps:
    """`uniq [-c]`."""
    found, names = options(call.arguments, "cdu")
    counted: list[list[object]] = []
    for line in lines_of((yield from joined(call, names))):
        if counted and counted[-1][1] == line:
            counted[-1][0] = int(str(counted[-1][0])) + 1
        else:
            counted.append([1, line])
    yield from _write(f"{n:>7} {line}" if "c" in found else str(line) for n, line in counted)
    return 0


def cut(call: Call) -> Steps:
    """`cut -f LIST [-d CHAR]`, `cut -c LIST`."""
    found, names = options(call.arguments, "s", valued="fdcb")
    wanted = found.get("f") or found.get("c") or found.get("b")
    if not wanted:
        raise UsageError("expected a list of bytes, characters, or fields")
    mark = found.get("d", "\t")
    lines = lines_of((yield from joined(call, names)))
    yield from _write(_cut(line, wanted, mark, by_field="f" in found) for line in lines)
    return 0


def _cut(line: str, wanted: str, mark: str, *, by_field: bool) -> str:
    if by_field and mark not in line:
        return line
    pieces = line.split(mark) if by_field else list(line)
    chosen: set[int] = set()
    for part in wanted.split(","):
        first, dash, last = part.partition("-")
        start = int(first) if first.isdecimal() else 1
        end = int(last) if last.isdecimal() else len(pieces) if dash else start
        chosen.update(range(start, min(end, len(pieces)) + 1))
    return (mark if by_field else "").join(piece for n, piece in enumerate(pieces, 1) if n in chosen)


def tr(call: Call) -> Steps:
    """`tr [-d] SET1 [SET2]`."""
    found, sets = options(call.arguments, "dsc")
    if not sets:
        raise UsageError("usage: tr [-d] SET1 [SET2]")
    first, second = (_members(one) for one in [*sets, ""][:2])
    data = (yield from call.stdin.everything()).decode(errors="surrogateescape")
    if "d" in found:
        text = "".join(char for char in data if char not in first)
    else:
        second = second or first
        text = data.translate({ord(a): second[min(n, len(second) - 1)] for n, a in enumerate(first)})
    if text:
        yield out(text)
    return 0


def _members(text: str) -> str:
    text = text.replace("[:upper:]", "A-Z").replace("[:lower:]", "a-z").replace("[:digit:]", "0-9")
    text = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)
    return re.sub(r"(.)-(.)", lambda f: "".join(map(chr, range(ord(f[1]), ord(f[2]) + 1))), text, flags=re.DOTALL)


def seq(call: Call) -> Steps:
    """`seq [FIRST [STEP]] LAST`."""
    words = call.arguments
    if not 1 <= len(words) <= 3 or not all(re.fullmatch(r"-?\d+", word) for word in words):
        raise UsageError("usage: seq [FIRST [INC]] LAST")
    numbers = [int(word) for word in words]
    first = numbers[0] if len(numbers) > 1 else 1
    step = numbers[1] if len(numbers) > 2 else 1
    if not step or abs(numbers[-1] - first) > _MAX_SEQUENCE:
        raise UsageError("the sequence is too long")
    yield from _write(map(str, range(first, numbers[-1] + (1 if step > 0 else -1), step)))
    return 0


def printf(call: Call) -> Steps:
    """`printf FORMAT [ARGUMENT]…` with %s %b %d %i %u %o %x %X %c %%."""
    if not call.arguments:
        raise UsageError("usage: printf FORMAT [ARGUMENT]...")
    form, *values = call.arguments
    form, text = _unescaped(form), ""
    while True:
        left = len(values)
        text += re.sub(r"%([-0 +#]*\d*(?:\.\d+)?)([sbdiuoxXc%])", lambda found: _formatted(found, values), form)
        if not values or len(values) == left:
            break
    if text:
        yield out(text)
    return 0


def _formatted(found: re.Match[str], values: list[str]) -> str:
    flags, kind = found.groups()
    if kind == "%":
        return "%"
    value = values.pop(0) if values else ""
    if kind in "sbc":
        shown = _unescaped(value) if kind == "b" else value[:1] if kind == "c" else value
        return str(f"%{flags.replace('0', '', 1) if flags.startswith('0') else flags}s" % shown)
    number = int(value, 0) if re.fullmatch(r"[-+]?(0[xX][0-9a-fA-F]+|[1-9]\d*|0)", value) else 0
    return str(f"%{flags}{'d' if kind in 'iu' else kind}" % number)


def _unescaped(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        octal, letter = found.groups()
        return chr(int(octal, 8) & 0xFF) if octal else _ESCAPES.get(letter, found[0])

    return re.sub(r"\\(?:0?([0-7]{1,3})|(.))", plain, text, flags=re.DOTALL)


def tee(call: Call) -> Steps:
    """`tee [-a] FILE…`."""
    found, names = options(call.arguments, "ai")
    data = yield from call.stdin.everything()
    for name in names:
        call.files.write(call.path(name), data, append="a" in found)
    if data:
        yield Output("stdout", data)
    return 0


def yes(call: Call) -> Steps:
    """`yes [TEXT]`, for ever."""
    line = f"{' '.join(call.arguments) or 'y'}\n" * _CHUNK
    while True:
        yield out(line)
        yield Wait(0.01, heeds_signals=True)


def _guarded(command: Callable[[Call], Steps]) -> Callable[[Call], Steps]:
    """Return a command that complains about wrong options and failing files instead of raising."""

    def run(call: Call) -> Steps:
        try:
            return (yield from command(call))
        except UsageError as error:
            yield from complaint(call.name, error)
            return 1
        except OSError as error:
            yield from complaint(call.name, error.filename or "error", wording(error))
            return 1

    return run


guarded = _guarded

COMMANDS: Mapping[str, Callable[[Call], Steps]] = {
    name: _guarded(command)
    for name, command in {
        "cat": cat,
        "cut": cut,
        "egrep": grep,
        "fgrep": grep,
        "grep": grep,
        "head": head,
        "printf": printf,
        "seq": seq,
        "sort": sort,
        "tail": tail,
        "tee": tee,
        "tr": tr,
        "uniq": uniq,
        "wc": wc,
        "yes": yes,
    }.items()
}
