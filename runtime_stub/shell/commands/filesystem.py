"""This module is the commands that look at files and change them."""

import errno
import re
import stat as modes
import time
from collections.abc import Callable, Mapping
from posixpath import basename, dirname

from runtime_stub.shell.accounts import group_name, user_name
from runtime_stub.shell.commands.options import UsageError, options
from runtime_stub.shell.commands.text import guarded, out
from runtime_stub.shell.context import Call
from runtime_stub.shell.files import Facts
from runtime_stub.shell.program import Steps
from runtime_stub.shell.redirection import complaint, wording


def ls(call: Call) -> Steps:
    """`ls [-aAl1dR] [PATH]…`."""
    found, names = options(call.arguments, "aAl1dRhtrF", long=("color",))
    status, directories = 0, []
    for name in names or ["."]:
        try:
            facts = call.files.look(call.path(name))
        except OSError as error:
            yield from complaint(call.name, name, wording(error))
            status = 1
            continue
        if facts.is_directory and "d" not in found:
            directories.append(name)
        else:
            yield out(_entry(call, name, facts, long="l" in found))
    many = len(names) > 1 or "R" in found
    while directories:
        name = directories.pop(0)
        path = call.path(name)
        try:
            inside = call.files.names(path)
        except OSError as error:
            yield from complaint(call.name, f"can't open '{name}'", wording(error))
            status = 1
            continue
        shown = [one for one in inside if not one.startswith(".") or "a" in found or "A" in found]
        shown = [".", "..", *shown] if "a" in found else shown
        text = f"{name}:\n" if many else ""
        for one in shown:
            facts = _look(call, call.path(f"{path}/{one}"))
            text += _entry(call, one, facts, long="l" in found)
            if "R" in found and facts.is_directory and one not in (".", ".."):
                directories.append(f"{name.rstrip('/')}/{one}")
        if text:
            yield out(text)
    return status


def _look(call: Call, path: str) -> Facts:
    try:
        return call.files.look(path)
    except OSError:
        return Facts(0)


def _entry(call: Call, name: str, facts: Facts, *, long: bool) -> str:
    if not long:
        return f"{name}\n"
    at = time.strftime("%b %e %H:%M", time.gmtime(facts.modified_at))
    return f"{modes.filemode(facts.mode)}    1 {_owner(call, facts)} {facts.size:9d} {at} {name}\n"


def _owner(call: Call, facts: Facts) -> str:
    user = user_name(facts.uid, _text(call, "/etc/passwd")) or str(facts.uid)
    group = group_name(facts.gid, _text(call, "/etc/group")) or str(facts.gid)
    return f"{user:8} {group:8}"


def _text(call: Call, path: str) -> str:
    try:
        return call.files.read(path).decode(errors="replace")
    except OSError:
        return ""


def stat(call: Call) -> Steps:
    """`stat [-c FORMAT] FILE…` with %n %s %a %A %F %u %g %U %G %Y."""
    found, names = options(call.arguments, "L", valued="c")
    status = 0
    for name in names:
        try:
            facts = call.files.look(call.path(name))
        except OSError as error:
            yield from complaint(call.name, f"can't stat '{name}'", wording(error))
            status = 1
            continue
        kind = "directory" if facts.is_directory else "regular file" if facts.size else "regular empty file"
        values = {
            "n": name,
            "s": facts.size,
            "a": f"{modes.S_IMODE(facts.mode):o}",
            "A": modes.filemode(facts.mode),
            "F": kind if not modes.S_ISCHR(facts.mode) else "character special file",
            "u": facts.uid,
            "g": facts.gid,
            "U": user_name(facts.uid, _text(call, "/etc/passwd")) or "UNKNOWN",
            "G": group_name(facts.gid, _text(call, "/etc/group")) or "UNKNOWN",
            "Y": int(facts.modified_at),
        }
        form = found.get("c", "  File: %n\n  Size: %s\t%F\nAccess: (%a/%A)  Uid: (%u/%U)   Gid: (%g/%G)\nModify: %Y")
        for letter, value in values.items():
            form = form.replace(f"%{letter}", str(value))
        yield out(f"{form}\n")
    return status


def touch(call: Call) -> Steps:
    """`touch [-c] FILE…`."""
    found, names = options(call.arguments, "cam", valued="dtr")
    status = 0
    for name in names:
        path = call.path(name)
        try:
            if call.files.exists(path):
                if not call.files.look(path).is_directory:
                    call.files.write(path, b"", append=True)
            elif "c" not in found:
                call.files.write(path, b"")
        except OSError as error:
            yield from complaint(call.name, name, wording(error))
            status = 1
    return status


def mkdir(call: Call) -> Steps:
    """`mkdir [-p] DIRECTORY…`."""
    found, names = options(call.arguments, "p", valued="m")
    status = 0
    for name in names:
        path = call.path(name)
        try:
            if "p" in found:
                _make_all(call, path)
            else:
                call.files.make_directory(path)
        except OSError as error:
            yield from complaint(call.name, f"can't create directory '{name}'", wording(error))
            status = 1
    return status


def _make_all(call: Call, path: str) -> None:
    if call.files.exists(path):
        if not call.files.look(path).is_directory:
            raise OSError(errno.EEXIST, "File exists", path)
        return
    _make_all(call, dirname(path))
    call.files.make_directory(path)


def rm(call: Call) -> Steps:
    """`rm [-rf] FILE…`."""
    found, names = options(call.arguments, "rRfi")
    status = 0
    for name in names:
        try:
            if call.files.look(call.path(name)).is_directory and not {"r", "R"} & found.keys():
                raise OSError(errno.EISDIR, "", name)  # noqa: TRY301  # as the system would
            _remove(call, call.path(name))
        except OSError as error:
            if "f" in found and error.errno == errno.ENOENT:
                continue
            text = "is a directory" if error.errno == errno.EISDIR else wording(error)
            yield from complaint(call.name, f"can't remove '{name}'" if text[0].isupper() else f"'{name}'", text)
            status = 1
    return status


def _remove(call: Call, path: str) -> None:
    if call.files.look(path).is_directory:
        for name in call.files.names(path):
            _remove(call, f"{path.rstrip('/')}/{name}")
    call.files.remove(path)


def rmdir(call: Call) -> Steps:
    """`rmdir DIRECTORY…`."""
    _, names = options(call.arguments, "p")
    status = 0
    for name in names:
        try:
            if not call.files.look(call.path(name)).is_directory:
                raise OSError(errno.ENOTDIR, "", name)  # noqa: TRY301  # as the system would
            call.files.remove(call.path(name))
        except OSError as error:
            yield from complaint(call.name, f"'{name}'", wording(error))
            status = 1
    return status


def cp(call: Call) -> Steps:
    """`cp [-r] SOURCE… TARGET`."""
    return (yield from _transfer(call, removes=False))


def mv(call: Call) -> Steps:
    """`mv SOURCE… TARGET`."""
    return (yield from _transfer(call, removes=True))


def _transfer(call: Call, *, removes: bool) -> Steps:
    found, names = options(call.arguments, "rRafpTi")
    if len(names) < 2:
        raise UsageError("missing file operand")
    *sources, target = names
    into = call.files.exists(call.path(target)) and call.files.look(call.path(target)).is_directory
    status = 0
    for name in sources:
        source = call.path(name)
        destination = call.path(f"{target}/{basename(source)}" if into else target)
        try:
            if call.files.look(source).is_directory and not (removes or {"r", "R", "a"} & found.keys()):
                yield from complaint(call.name, f"omitting directory '{name}'")
                status = 1
                continue
            if destination == source or destination.startswith(f"{source}/"):
                yield from complaint(call.name, f"'{name}' and '{target}' are the same file")
                status = 1
                continue
            _copy(call, source, destination)
            if removes:
                _remove(call, source)
        except OSError as error:
            yield from complaint(call.name, f"can't {'rename' if removes else 'stat'} '{name}'", wording(error))
            status = 1
    return status


def _copy(call: Call, source: str, destination: str) -> None:
    files = call.files
    if not files.look(source).is_directory:
        files.write(destination, files.read(source))
        return
    if not files.exists(destination):
        files.make_directory(destination)
    for name in files.names(source):
        _copy(call, f"{source}/{name}", f"{destination}/{name}")


def find(call: Call) -> Steps:
    """`find [PATH]… [-name PATTERN] [-type f|d]`."""
    from fnmatch import fnmatchcase

    words = call.arguments
    cut = next((n for n, word in enumerate(words) if word.startswith("-")), len(words))
    tests = dict(zip(words[cut::2], words[cut + 1 :: 2], strict=False))
    if unknown := set(tests) - {"-name", "-type"}:
        raise UsageError(f"unrecognized: {min(unknown)}")
    paths = list(reversed(words[:cut] or ["."]))
    lines = []
    while paths:
        name = paths.pop()
        facts = call.files.look(call.path(name))
        wanted = fnmatchcase(basename(name.rstrip("/")), tests.get("-name", "*"))
        if wanted and tests.get("-type", "d" if facts.is_directory else "f") == ("d" if facts.is_directory else "f"):
            lines.append(f"{name}\n")
        if facts.is_directory:
            paths += [f"{name.rstrip('/')}/{one}" for one in reversed(call.files.names(call.path(name)))]
    if lines:
        yield out("".join(lines))
    return 0


def chmod(call: Call) -> Steps:
    """`chmod`, with numbers or letters; the host's files keep their modes."""
    wanted, *names = [word for word in call.arguments if word != "-R"] or [""]
    paths = [call.path(name) for name in names]
    while paths:
        path = paths.pop()
        facts = call.files.look(path)
        call.files.change_mode(path, changed_mode(facts.mode, wanted))
        if facts.is_directory and "-R" in call.arguments:
            paths += [f"{path.rstrip('/')}/{one}" for one in call.files.names(path)]
    yield from ()
    return 0


_MODE_CLAUSE = re.compile(r"([ugoa]*)([-+=])([rwxXst]*)")


def changed_mode(mode: int, wanted: str) -> int:
    """Return permissions after a change such as `755` or `u+x,go-w`.

    Raises:
        UsageError: it is none.
    """
    is_directory, mode = modes.S_ISDIR(mode), mode & 0o7777
    if wanted.isdigit() and not wanted.strip("01234567") and len(wanted) <= 4:
        return int(wanted, 8)
    for clause in wanted.split(","):
        if (found := _MODE_CLAUSE.fullmatch(clause)) is None:
            raise UsageError(f"invalid mode '{wanted}'")
        who, sign, letters = found.groups()
        classes = sum({"u": 0o100, "g": 0o010, "o": 0o001}[one] for one in set(who.replace("a", "ugo") or "ugo"))
        runs = mode & 0o111 or is_directory
        bits = sum({"r": 4, "w": 2, "x": 1, "X": 1 if runs else 0}.get(one, 0) * classes for one in set(letters))
        mode = (mode | bits) if sign == "+" else (mode & ~bits) if sign == "-" else (mode & ~(7 * classes)) | bits
    return mode


def chown(call: Call) -> Steps:
    """`chown`, `chgrp`: files keep their owners, but must be there and writable."""
    _, names = options(call.arguments, "R")
    for name in names[1:]:
        path = call.path(name)
        if not call.files.look(path).is_directory:
            call.files.write(path, b"", append=True)
    yield from ()
    return 0


def dd(call: Call) -> Steps:
    """`dd if=FILE of=FILE bs=N count=N`; a block that is larger than the memory limit ends the process."""
    from runtime_stub.shell.program import OutOfMemory, Wait

    values = dict(word.partition("=")[::2] for word in call.arguments)
    size, count = _size(values.get("bs", "512")), values.get("count", "")
    if call.context.memory_limit_bytes and size > call.context.memory_limit_bytes:
        yield OutOfMemory()
        return 137
    source, target = values.get("if", ""), values.get("of", "")
    if source.startswith("/dev/") and not count:
        while True:  # it reads for ever
            yield Wait(1.0, heeds_signals=True)
    data = call.files.read(call.path(source)) if source else (yield from call.stdin.everything())
    if count:
        data = (data * (1 + size * _size(count) // max(1, len(data))))[: min(size * _size(count), 1 << 24)]
    if target:
        call.files.write(call.path(target), data)
    elif data:
        yield out(data.decode(errors="surrogateescape"))
    blocks = -(-len(data) // size)
    yield from complaint(f"{blocks}+0 records in\n{blocks}+0 records out")
    return 0


def _size(text: str) -> int:
    units = {"": 1, "c": 1, "k": 1024, "K": 1024, "M": 1 << 20, "G": 1 << 30}
    number, unit = (text[:-1], text[-1]) if text[-1:].isalpha() else (text, "")
    if not number.isdecimal() or unit not in units or not int(number):
        raise UsageError(f"invalid number '{text}'")
    return int(number) * units[unit]


def paths(call: Call) -> Steps:
    """`basename PATH [SUFFIX]`, `dirname PATH`, `realpath PATH`."""
    words = call.arguments
    if not words:
        raise UsageError("missing operand")
    match call.name:
        case "basename":
            name = basename(words[0].rstrip("/")) or "/"
            yield out((name.removesuffix(words[1]) if len(words) > 1 else name) + "\n")
        case "dirname":
            yield out((dirname(words[0].rstrip("/")) or ("/" if words[0].startswith("/") else ".")) + "\n")
        case _:
            call.files.look(call.path(words[0]))
            yield out(f"{call.path(words[0])}\n")
    return 0


COMMANDS: Mapping[str, Callable[[Call], Steps]] = {
    name: guarded(command)
    for name, command in {
        "basename": paths,
        "chgrp": chown,
        "chmod": chmod,
        "chown": chown,
        "cp": cp,
        "dd": dd,
        "dirname": paths,
        "find": find,
        "ls": ls,
        "mkdir": mkdir,
        "mv": mv,
        "realpath": paths,
        "rm": rm,
        "rmdir": rmdir,
        "stat": stat,
        "touch": touch,
    }.items()
}
